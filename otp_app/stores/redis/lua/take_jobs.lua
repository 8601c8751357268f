-- Take jobs that are due. KEYS as in put_job.lua. ARGV: the lease in milliseconds, how many at most, the lease's name.
-- Returns id, payload, id, payload, …
local frozen = KEYS[3] and redis.call("GET", KEYS[3])
if frozen then
    return redis.error_reply("FROZEN " .. frozen)
end
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local taken = {}
for _, id in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", now, "LIMIT", 0, ARGV[2])) do
    local body = redis.call("HGET", KEYS[2], id)
    if body then
        local payload = string.sub(body, string.find(body, " ", 1, true) + 1)
        redis.call("HSET", KEYS[2], id, ARGV[3] .. " " .. payload)
        redis.call("ZADD", KEYS[1], now + ARGV[1], id)
        taken[#taken + 1] = id
        taken[#taken + 1] = payload
    else
        redis.call("ZREM", KEYS[1], id)
    end
end
return taken
