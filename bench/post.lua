-- wrk: posts the files that are named behind `--` in turns, CSV or JSON by their names, and, at the
-- end, prints one line of JSON.
local requests, at = {}, 0

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read("*a")
    file:close()
    return text
end

function init(args)
    for i = 1, #args do
        local content_type = args[i]:find("%.csv$") and "text/csv" or "application/json"
        local headers = {["Content-Type"] = content_type}
        requests[i] = wrk.format("POST", nil, headers, read(args[i]))
    end
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests": %d, "microseconds": %d, "p50_us": %d, "p99_us": %d, "errors": %d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
