-- Deal numbers in a row to a group.
-- KEYS: state, log, holders
-- ARGV: incarnation, lane, count, the highest number the edge knows to be dealt, root for the log or '',
--       then for each holder: who, the ticket they had and that is worth nothing any more or '', the ticket to be
local now = now_ms()
local lane, count = ARGV[2], tonumber(ARGV[3])
local known = redis.call('HMGET', KEYS[1], 'incarnation', 'recovering_until', 'issued:' .. lane, 'server')
local issued = tonumber(known[3] or '0')
if known[1] ~= ARGV[1] or known[4] ~= server_life() or now < tonumber(known[2] or '0')
  or issued < tonumber(ARGV[4]) then
  return {'resync'}
end
for i = 6, #ARGV, 3 do
  local held = redis.call('HGET', KEYS[3], ARGV[i]) or ''
  if string.match(held, '%x*$') ~= ARGV[i + 1] then return {'held'} end
end
redis.call('HINCRBY', KEYS[1], 'issued:' .. lane, count)
local first = known[3] or '0'
if ARGV[5] ~= '' then
  redis.call('RPUSH', KEYS[2], string.format('join %d %s %s %d %s', now, lane, first, count, ARGV[5]))
end
for i = 6, #ARGV, 3 do
  local number = issued + (i - 6) / 3
  redis.call('HSET', KEYS[3], ARGV[i], string.format('%s %d %d %s', lane, number, now, ARGV[i + 2]))
end
return {'dealt', first, string.format('%d', now)}
