-- Put a decision into force.
-- KEYS: state, claims, active, control, lease
-- ARGV: "edge fence", revision read, called, settled_below, credit, call_log, full, decided at
local known = redis.call('HMGET', KEYS[1], 'revision', 'issued', 'called', 'settled_below', 'recovering_until')
local control_revision = tonumber(redis.call('HGET', KEYS[4], 'revision') or '0')
if redis.call('GET', KEYS[5]) ~= ARGV[1] then return 0 end
if tonumber(known[1] or '0') + control_revision ~= tonumber(ARGV[2]) then return 0 end
if now_ms() < tonumber(known[5] or '0') then return 0 end

-- Joins went on meanwhile: whoever was dealt a called number keeps it.
local dealt_and_called = math.min(tonumber(known[2] or '0'), tonumber(known[3] or '0'))
local called = math.max(tonumber(ARGV[3]), dealt_and_called)
local settled_before, settled = tonumber(known[4] or '0'), tonumber(ARGV[4])
if settled > settled_before then
  local claimed = redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[4])
  redis.call('HINCRBY', KEYS[1], 'missed', math.max(settled - settled_before - claimed, 0))
else
  settled = settled_before
end
redis.call('HSET', KEYS[1], 'called', string.format('%d', called), 'settled_below', string.format('%d', settled),
  'credit', ARGV[5], 'call_log', ARGV[6], 'full', ARGV[7], 'ticked_at', ARGV[8])
redis.call('HINCRBY', KEYS[1], 'revision', 1)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[8])
return 1
