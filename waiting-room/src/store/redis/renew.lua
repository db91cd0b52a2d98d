-- Prolong sessions.
-- KEYS: state, active, ended   ARGV: session length ms, hard cap ms, then session, since, session, since, …
local now = now_ms()
local length, cap = tonumber(ARGV[1]), tonumber(ARGV[2])
-- For one session's length after a new life began, passes tell which sessions there were.
local learning = now < tonumber(redis.call('HGET', KEYS[1], 'recovering_until') or '0') + length
local prolonged = {}
for i = 3, #ARGV, 2 do
  local session, longest = ARGV[i], tonumber(ARGV[i + 1]) + cap
  local known = tonumber(redis.call('ZSCORE', KEYS[2], session) or '0')
  local learn = learning and known == 0 and not redis.call('ZSCORE', KEYS[3], session)
  if longest > now and (known > now or learn) then
    local until_ms = string.format('%d', math.max(known, math.min(now + length, longest)))
    redis.call('ZADD', KEYS[2], until_ms, session)
    prolonged[#prolonged + 1] = session
    prolonged[#prolonged + 1] = until_ms
  end
end
return prolonged
