-- Change a room's control, note who did, and in the line's log, too.
-- KEYS: control, log, changes
-- ARGV: text for the log or '', the note, how many changes are kept, then field, value, field, value, …; an empty value
--       takes it away
local function control()
  local fields = redis.call('HMGET', KEYS[1], 'switch', 'users_per_minute', 'max_active', 'message')
  for i = 1, 4 do fields[i] = fields[i] or '' end
  return fields
end
local before = control()
for i = 4, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
local revision = redis.call('HINCRBY', KEYS[1], 'revision', 1)
local at = string.format('%d', now_ms())
local change = {string.format('%d', revision), at, ARGV[2], before, control()}
redis.call('RPUSH', KEYS[3], cjson.encode(change))
redis.call('LTRIM', KEYS[3], -tonumber(ARGV[3]), -1)
if ARGV[1] ~= '' then redis.call('RPUSH', KEYS[2], 'operator ' .. at .. ' ' .. ARGV[1]) end
return 1
