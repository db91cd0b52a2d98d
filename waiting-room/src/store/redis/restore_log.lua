-- Write lines that the log has lost, if they follow on what it has.
-- KEYS: log   ARGV: after how many lines, lines…
if redis.call('LLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end
for i = 2, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[i]) end
return 1
