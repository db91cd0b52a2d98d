-- Deal numbers.
-- KEYS: state   ARGV: count, incarnation, the highest number the edge knows to be dealt
local known = redis.call('HMGET', KEYS[1], 'incarnation', 'recovering_until', 'issued')
local issued = tonumber(known[3] or '0')
if known[1] ~= ARGV[2] or now_ms() < tonumber(known[2] or '0') or issued < tonumber(ARGV[3]) then
  return {'resync'}
end
redis.call('HINCRBY', KEYS[1], 'issued', ARGV[1])
return {'dealt', known[3] or '0'}
