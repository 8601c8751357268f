-- Add to a counter. KEYS: the counter. ARGV: the amount, the life of a new counter in milliseconds. Returns the sum.
-- A counter that was not there lives from its first addition, not from its last; adding 0 only reads.
if ARGV[1] == "0" then
    return tonumber(redis.call("GET", KEYS[1]) or 0)
end
local sum = redis.call("INCRBY", KEYS[1], ARGV[1])
if redis.call("PTTL", KEYS[1]) < 0 then
    redis.call("PEXPIRE", KEYS[1], ARGV[2])
end
return sum
