-- Take over the versions of the config that an edge knows, if they are later than what is here.
-- KEYS: versions   ARGV: versions, the oldest first
local function stamp(version)
  local number, at = string.match(version or '0 0 ', '^(%d+) (%d+) ')
  return tonumber(number), tonumber(at)
end
local number, at = stamp(ARGV[#ARGV])
local known_number, known_at = stamp(redis.call('LINDEX', KEYS[1], -1) or nil)
if number < known_number or (number == known_number and at <= known_at) then return 0 end
redis.call('DEL', KEYS[1])
for i = 1, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[i]) end
return 1
