-- The server has lost its scripts: it was restarted, or another server took over, and may have lost the last
-- second of what it wrote. The line stands still until every edge has told what it knows.
-- KEYS: state   ARGV: recovery ms
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'recovering_until', now_ms() + tonumber(ARGV[1]))
  redis.call('HINCRBY', KEYS[1], 'revision', 1)
end
return 1
