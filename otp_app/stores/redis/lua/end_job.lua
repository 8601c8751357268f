-- Forget a job, if this lease is still its last. KEYS as in put_job.lua. ARGV: the id, the lease's name.
-- Returns 1 where it is forgotten, else 0.
local frozen = KEYS[3] and redis.call("GET", KEYS[3])
if frozen then
    return redis.error_reply("FROZEN " .. frozen)
end
local body = redis.call("HGET", KEYS[2], ARGV[1])
if not body or string.sub(body, 1, string.find(body, " ", 1, true) - 1) ~= ARGV[2] then
    return 0
end
redis.call("HDEL", KEYS[2], ARGV[1])
redis.call("ZREM", KEYS[1], ARGV[1])
return 1
