-- Compare and swap one value. KEYS: the entry, and the mark that is there while the store is frozen (not in a cluster,
-- where it would lie on another node). ARGV: "1" or "0" whether an old value is expected, the old value, "1" or "0"
-- whether there is a new one, the new value, its life in milliseconds.
-- Returns {1} when won, {0} when lost to nothing, {0, value} when lost to a value.
local frozen = KEYS[2] and redis.call("GET", KEYS[2])
if frozen then
    return redis.error_reply("FROZEN " .. frozen)
end
local found = redis.call("GET", KEYS[1])
local expected = ARGV[1] == "1" and ARGV[2]
if found ~= expected then
    return found and {0, found} or {0}
end
if ARGV[3] == "1" then
    redis.call("SET", KEYS[1], ARGV[4], "PX", ARGV[5])
else
    redis.call("DEL", KEYS[1])
end
return {1}
