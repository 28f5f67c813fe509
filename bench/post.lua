-- wrk: posts the JSON files that are named behind `--` in turns and, at the end, prints one line
-- of JSON.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read("*a")
    file:close()
    return text
end

function init(args)
    wrk.body = read(args[1])
    if #args == 1 then return end
    local requests, at = {}, 0
    for i = 1, #args do
        requests[i] = wrk.format(nil, nil, nil, read(args[i]))
    end
    function request()
        at = at % #requests + 1
        return requests[at]
    end
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests": %d, "microseconds": %d, "p50_us": %d, "p99_us": %d, "errors": %d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
