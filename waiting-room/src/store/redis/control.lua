-- Change a room's control, and note in the line's log who did.
-- KEYS: control, log   ARGV: text for the log or '', then field, value, field, value, …; an empty value takes it away
for i = 2, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
redis.call('HINCRBY', KEYS[1], 'revision', 1)
if ARGV[1] ~= '' then redis.call('RPUSH', KEYS[2], string.format('operator %d %s', now_ms(), ARGV[1])) end
return 1
