-- Put a version of the config into force.
-- KEYS: state, versions   ARGV: the number it was made from, the version, how many are kept, whether it waits for nobody,
--       how long to wait after forgetting, ms
local now = now_ms()
local life = server_life()
if redis.call('HGET', KEYS[1], 'server') ~= life then
  redis.call('HSET', KEYS[1], 'server', life, 'recovering_until', now + tonumber(ARGV[5]))
end
local recovering = now < tonumber(redis.call('HGET', KEYS[1], 'recovering_until'))
if recovering and ARGV[4] ~= '1' then return {'recovering'} end
local newest = string.match(redis.call('LINDEX', KEYS[2], -1) or '0 ', '^%d+')
if newest ~= ARGV[1] then return {'conflict', newest} end
local number, at = string.format('%d', tonumber(newest) + 1), string.format('%d', now)
redis.call('RPUSH', KEYS[2], number .. ' ' .. at .. ' ' .. ARGV[2])
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[3]), -1)
return {'written', number, at}
