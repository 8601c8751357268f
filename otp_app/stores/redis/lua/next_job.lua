-- KEYS: when jobs are due. Returns the milliseconds until the first one is, "" where there are none.
local first = redis.call("ZRANGE", KEYS[1], 0, 0, "WITHSCORES")
if #first == 0 then
    return ""
end
local now = redis.call("TIME")
return string.format("%.0f", first[2] - now[1] * 1000 - math.floor(now[2] / 1000))
