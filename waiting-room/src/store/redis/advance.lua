-- Put a decision into force.
-- KEYS: state, active, control, lease, log, then the claims of each lane
-- ARGV: "edge fence", revision read, decided at, credit, claims counted, turnout, full, autopilot, stock, freeze,
--       whether a draw is revealed, how long the line is kept after its last decision in seconds or 0,
--       for each lane: called, settled below, turn, call log, rounds; then lines for the log
local now = now_ms()
local known = redis.call('HMGET', KEYS[1], 'revision', 'recovering_until', 'server')
local control_revision = tonumber(redis.call('HGET', KEYS[3], 'revision') or '0')
if redis.call('GET', KEYS[4]) ~= ARGV[1] then return 0 end
if tonumber(known[1] or '0') + control_revision ~= tonumber(ARGV[2]) then return 0 end
if known[3] ~= server_life() or now < tonumber(known[2] or '0') then return 0 end

local first_lane_key, first_lane_arg = 6, 13
local lanes = #KEYS - first_lane_key + 1
local revealed = ARGV[11] == '1'
for lane = 0, lanes - 1 do
  local arg = first_lane_arg + lane * 5
  local before = redis.call('HMGET', KEYS[1], 'issued:' .. lane, 'called:' .. lane, 'settled_below:' .. lane)
  -- Joins went on meanwhile: whoever was dealt a called number keeps it.
  local dealt_and_called = math.min(tonumber(before[1] or '0'), tonumber(before[2] or '0'))
  local called = math.max(tonumber(ARGV[arg]), dealt_and_called)
  local settled_before, settled = tonumber(before[3] or '0'), tonumber(ARGV[arg + 1])
  if settled > settled_before then
    local claimed = redis.call('ZREMRANGEBYSCORE', KEYS[first_lane_key + lane], '-inf', '(' .. ARGV[arg + 1])
    redis.call('HINCRBY', KEYS[1], 'missed:' .. lane, math.max(settled - settled_before - claimed, 0))
  else
    settled = settled_before
  end
  redis.call('HSET', KEYS[1], 'called:' .. lane, string.format('%d', called),
    'settled_below:' .. lane, string.format('%d', settled), 'turn:' .. lane, ARGV[arg + 2],
    'call_log:' .. lane, ARGV[arg + 3])
  if revealed then redis.call('HSET', KEYS[1], 'rounds:' .. lane, ARGV[arg + 4]) end
end
if revealed then redis.call('HINCRBY', KEYS[1], 'draw_step', 1) end
for i = first_lane_arg + lanes * 5, #ARGV do redis.call('RPUSH', KEYS[5], ARGV[i]) end

-- Freeze everybody who waits undrawn. Whoever is dealt a number after this stands behind.
if ARGV[10] == '1' then
  local frozen = {}
  for lane = 0, lanes - 1 do
    local fields = redis.call('HMGET', KEYS[1], 'issued:' .. lane, 'called:' .. lane, 'rounds:' .. lane)
    local issued, called = tonumber(fields[1] or '0'), tonumber(fields[2] or '0')
    local below, rounds = string.match(fields[3] or '', '^(%d+);(.*)$')
    local from = math.min(math.max(tonumber(below or '0'), math.min(called, issued)), issued)
    rounds = rounds or ''
    if from < issued then
      rounds = rounds .. (rounds ~= '' and ',' or '') .. string.format('%d:%d:-', from, issued)
    end
    local frozen_below = math.max(issued, tonumber(below or '0'))
    redis.call('HSET', KEYS[1], 'rounds:' .. lane, string.format('%d;%s', frozen_below, rounds))
    frozen[lane + 1] = string.format('%d:%d:%d', lane, from, issued)
  end
  local draw = redis.call('HINCRBY', KEYS[1], 'draws', 1) - 1
  redis.call('RPUSH', KEYS[5], string.format('freeze %d %d %s', now, draw, table.concat(frozen, ',')))
  redis.call('HINCRBY', KEYS[1], 'draw_step', 1)
  redis.call('HSET', KEYS[1], 'frozen_at', string.format('%d', now))
end

redis.call('HSET', KEYS[1], 'ticked_at', ARGV[3], 'credit', ARGV[4], 'claims_counted', ARGV[5], 'turnout', ARGV[6],
  'full', ARGV[7], 'autopilot', ARGV[8], 'stock', ARGV[9])
local revision = redis.call('HINCRBY', KEYS[1], 'revision', 1)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[3])
-- A line of a past drop goes by itself. Once a minute is often enough to say so.
if ARGV[12] ~= '0' and revision % 600 == 1 then
  for _, key in ipairs(KEYS) do
    if key ~= KEYS[3] and key ~= KEYS[4] then redis.call('EXPIRE', key, ARGV[12]) end
  end
end
return 1
