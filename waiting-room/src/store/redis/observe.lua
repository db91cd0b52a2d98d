-- Look at the line; tell it what the edge remembers; take or keep the lease.
-- KEYS: state, claims, active, ended, control, lease
-- ARGV: edge, lease ms, incarnation if there is none, recovery ms, marks: issued, called, settled; ended since
local now = now_ms()
local edge, recovery = ARGV[1], tonumber(ARGV[4])

-- A line that the store has never seen, or has forgotten, begins a new life and stands still for a while.
if redis.call('HSETNX', KEYS[1], 'incarnation', ARGV[3]) == 1 then
  redis.call('HSET', KEYS[1], 'recovering_until', now + recovery)
end

-- A store that was rolled back knows less than the edges do: the higher of each counts.
local raised = false
for i, field in ipairs({'issued', 'called', 'settled_below'}) do
  local mark = tonumber(ARGV[4 + i])
  if mark > tonumber(redis.call('HGET', KEYS[1], field) or '0') then
    redis.call('HSET', KEYS[1], field, ARGV[4 + i])
    raised = true
  end
end
if raised then
  redis.call('HSET', KEYS[1], 'recovering_until', now + recovery)
  redis.call('HINCRBY', KEYS[1], 'revision', 1)
end

-- The lease: the holder's name and its fencing token. A new holder gets a higher token.
local lease = redis.call('GET', KEYS[6])
if not lease then
  lease = edge .. ' ' .. redis.call('HINCRBY', KEYS[1], 'fence', 1)
end
local holder, fence = string.match(lease, '^(%S+) (%d+)$')
if holder == edge then
  redis.call('SET', KEYS[6], lease, 'PX', ARGV[2])
else
  fence = '0'
end

local state = redis.call('HMGET', KEYS[1], 'incarnation', 'recovering_until', 'issued', 'called', 'settled_below',
  'claimed', 'missed', 'credit', 'ticked_at', 'revision', 'full', 'call_log')
local control = redis.call('HMGET', KEYS[5], 'paused', 'users_per_minute', 'max_active', 'revision')
local open_claims = redis.call('ZCARD', KEYS[2])
local active = redis.call('ZCOUNT', KEYS[3], '(' .. now, '+inf')
local ended = redis.call('ZRANGEBYSCORE', KEYS[4], ARGV[8], '+inf')
return {now, fence, open_claims, active, state, control, ended}
