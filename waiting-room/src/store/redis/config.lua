-- What is new in the config.
-- KEYS: state, versions   ARGV: the number and moment that the edge knows, how long to wait after forgetting, ms
local life = server_life()
if redis.call('HGET', KEYS[1], 'server') ~= life then
  redis.call('HSET', KEYS[1], 'server', life, 'recovering_until', now_ms() + tonumber(ARGV[3]))
end
local newest = redis.call('LINDEX', KEYS[2], -1)
if not newest then return {'0', '0', {}} end
local number, at = string.match(newest, '^(%d+) (%d+) ')
local ahead = tonumber(number) - tonumber(ARGV[1])
-- Another version with the same number: the later one counts.
if ahead == 0 and tonumber(at) > tonumber(ARGV[2]) then ahead = 1 end
if ahead <= 0 then return {number, at, {}} end
return {number, at, redis.call('LRANGE', KEYS[2], -ahead, -1)}
