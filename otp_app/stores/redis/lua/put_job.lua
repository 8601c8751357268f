-- Keep a job in place of the one with its id. KEYS: when jobs are due, what they are, and the mark that is there while
-- the store is frozen (not in a cluster). ARGV: the id, the payload, the milliseconds until it is due.
local frozen = KEYS[3] and redis.call("GET", KEYS[3])
if frozen then
    return redis.error_reply("FROZEN " .. frozen)
end
local now = redis.call("TIME")
local due = now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[3]
redis.call("HSET", KEYS[2], ARGV[1], " " .. ARGV[2])
redis.call("ZADD", KEYS[1], due, ARGV[1])
return 1
