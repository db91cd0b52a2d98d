-- End a session and keep word of it. There is no word of what was no session: who only waits leaves no trace.
-- KEYS: active, ended   ARGV: session, how long to keep the word, ms
local now = now_ms()
local until_ms = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0')
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[2]))
redis.call('ZADD', KEYS[2], now, ARGV[1])
return until_ms > now and 1 or 0
