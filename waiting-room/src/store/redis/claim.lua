-- Let a called ticket in.
-- KEYS: state, claims of its lane, active
-- ARGV: incarnation, lane, rank, session, session length ms, which delay after its call
local now = now_ms()
local lane = ARGV[2]
local known = redis.call('HMGET', KEYS[1], 'incarnation', 'recovering_until', 'issued:' .. lane, 'called:' .. lane,
  'settled_below:' .. lane, 'server')
if known[1] ~= ARGV[1] or known[6] ~= server_life() or now < tonumber(known[2] or '0') then return {'resync'} end
local rank, session = tonumber(ARGV[3]), ARGV[4]
if rank < tonumber(known[5] or '0') then return {'missed'} end
local reach = math.min(tonumber(known[3] or '0'), tonumber(known[4] or '0'))
if rank >= reach then return {'not_called'} end

-- Members of `claims` are "session since"; a second claim of a place finds the first.
local before = redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[3], ARGV[3])[1]
if before then
  local until_ms = redis.call('ZSCORE', KEYS[3], session)
  if not until_ms or tonumber(until_ms) <= now then return {'missed'} end
  return {'admitted', string.match(before, ' (%d+)$'), until_ms}
end
local until_ms = string.format('%d', now + tonumber(ARGV[5]))
local since_ms = string.format('%d', now)
redis.call('ZADD', KEYS[2], ARGV[3], session .. ' ' .. since_ms)
redis.call('ZADD', KEYS[3], until_ms, session)
redis.call('HINCRBY', KEYS[1], 'claimed', 1)
redis.call('HINCRBY', KEYS[1], 'delay:' .. ARGV[6], 1)
return {'admitted', since_ms, until_ms}
