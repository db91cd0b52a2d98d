-- Let a called ticket in.
-- KEYS: state, claims, active   ARGV: incarnation, number, session, session length ms
local now = now_ms()
local known = redis.call('HMGET', KEYS[1], 'incarnation', 'recovering_until', 'issued', 'called', 'settled_below')
if known[1] ~= ARGV[1] or now < tonumber(known[2] or '0') then return {'resync'} end
local number, session = tonumber(ARGV[2]), ARGV[3]
if number < tonumber(known[5] or '0') then return {'missed'} end
local reach = math.min(tonumber(known[3] or '0'), tonumber(known[4] or '0'))
if number >= reach then return {'not_called'} end

-- Members of `claims` are "session since"; a second claim of a place finds the first.
local before = redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[2], ARGV[2])[1]
if before then
  local until_ms = redis.call('ZSCORE', KEYS[3], session)
  if not until_ms or tonumber(until_ms) <= now then return {'missed'} end
  return {'admitted', string.match(before, ' (%d+)$'), until_ms}
end
local until_ms = string.format('%d', now + tonumber(ARGV[4]))
local since_ms = string.format('%d', now)
redis.call('ZADD', KEYS[2], ARGV[2], session .. ' ' .. since_ms)
redis.call('ZADD', KEYS[3], until_ms, session)
redis.call('HINCRBY', KEYS[1], 'claimed', 1)
return {'admitted', since_ms, until_ms}
