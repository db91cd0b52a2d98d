-- Look at the line; tell it what the edge remembers; take or keep the lease.
-- KEYS: state, active, ended, control, lease, log, reports, then the claims of each lane
-- ARGV: edge, lease ms, incarnation if there is none, recovery ms, ended since, how many delays are told apart,
--       report or '', lines of the log the edge has, lines it takes at once, draws frozen and revealed it knows,
--       then for each lane: issued, called, settled below, rounds
local now = now_ms()
local edge, recovery = ARGV[1], tonumber(ARGV[4])
local first_lane_key, first_lane_arg = 8, 11
local lanes = #KEYS - first_lane_key + 1

-- A line that the store has never seen, or has forgotten, begins a new life and stands still for a while. So does a
-- line that another server has kept: nobody is dealt a number here until every edge has told what it knows.
local life = server_life()
local is_new = redis.call('HSETNX', KEYS[1], 'incarnation', ARGV[3]) == 1
if is_new or redis.call('HGET', KEYS[1], 'server') ~= life then
  redis.call('HSET', KEYS[1], 'server', life, 'recovering_until', now + recovery)
  redis.call('HINCRBY', KEYS[1], 'revision', 1)
end

-- A store that was rolled back knows less than the edges do: the higher of each counts.
local log_length = redis.call('LLEN', KEYS[6])
local raised = tonumber(ARGV[8]) > log_length
local drawn = tonumber(redis.call('HGET', KEYS[1], 'draw_step') or '0')
local draws_forgotten = tonumber(ARGV[10]) > drawn
for lane = 0, lanes - 1 do
  local mark = first_lane_arg + lane * 4
  for i, name in ipairs({'issued:', 'called:', 'settled_below:'}) do
    local field, value = name .. lane, ARGV[mark + i - 1]
    if tonumber(value) > tonumber(redis.call('HGET', KEYS[1], field) or '0') then
      redis.call('HSET', KEYS[1], field, value)
      raised = true
    end
  end
  if draws_forgotten then redis.call('HSET', KEYS[1], 'rounds:' .. lane, ARGV[mark + 3]) end
end
if draws_forgotten then
  redis.call('HSET', KEYS[1], 'draw_step', ARGV[10], 'draws', math.ceil(tonumber(ARGV[10]) / 2))
  raised = true
end
if raised then
  redis.call('HSET', KEYS[1], 'recovering_until', now + recovery)
  redis.call('HINCRBY', KEYS[1], 'revision', 1)
end

-- The lease: the holder's name and its fencing token. A new holder gets a higher token.
local lease = redis.call('GET', KEYS[5])
if not lease then
  lease = edge .. ' ' .. redis.call('HINCRBY', KEYS[1], 'fence', 1)
end
local holder, fence = string.match(lease, '^(%S+) (%d+)$')
if holder == edge then
  redis.call('SET', KEYS[5], lease, 'PX', ARGV[2])
else
  fence = '0'
end

-- What each edge sees of its origins, for the one that decides. Edges that are gone are forgotten.
if ARGV[7] ~= '' then redis.call('HSET', KEYS[7], edge, now .. ' ' .. ARGV[7]) end
local reports = {}
local told = redis.call('HGETALL', KEYS[7])
for i = 1, #told, 2 do
  local at, report = string.match(told[i + 1], '^(%d+) (.*)$')
  if tonumber(at) < now - 10000 then
    redis.call('HDEL', KEYS[7], told[i])
  else
    reports[#reports + 1] = report
  end
end

local state = redis.call('HMGET', KEYS[1], 'incarnation', 'recovering_until', 'claimed', 'claims_counted', 'credit',
  'ticked_at', 'revision', 'full', 'turnout', 'draws', 'draw_step', 'frozen_at', 'autopilot', 'stock')
local delays = {}
for i = 1, tonumber(ARGV[6]) do delays[i] = 'delay:' .. (i - 1) end
delays = redis.call('HMGET', KEYS[1], unpack(delays))
local told_lanes = {}
for lane = 0, lanes - 1 do
  local fields = redis.call('HMGET', KEYS[1], 'issued:' .. lane, 'called:' .. lane, 'settled_below:' .. lane,
    'missed:' .. lane, 'turn:' .. lane, 'call_log:' .. lane, 'rounds:' .. lane)
  fields[8] = tostring(redis.call('ZCARD', KEYS[first_lane_key + lane]))
  told_lanes[lane + 1] = fields
end
local control = redis.call('HMGET', KEYS[4], 'switch', 'users_per_minute', 'max_active', 'message', 'revision')
local active = redis.call('ZCOUNT', KEYS[2], '(' .. now, '+inf')
local ended = redis.call('ZRANGEBYSCORE', KEYS[3], ARGV[5], '+inf')
local from = tonumber(ARGV[8])
local log = redis.call('LRANGE', KEYS[6], from, from + tonumber(ARGV[9]) - 1)
return {now, fence, active, state, delays, told_lanes, control, ended, log_length, log, reports}
