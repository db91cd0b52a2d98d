local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Which life of which server this is: another one after a restart, and after a replica took over. Such a server may
-- not know the last second of what its predecessor was told.
local function server_life()
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
end
