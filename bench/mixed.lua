-- wrk: posts the files named behind `--` in turns, each after its Content-Type, and, at the end,
-- prints one line of JSON. A status of 400 is an answer; any other than 200 is an error.
local requests, at = {}, 0
local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

function init(args)
    wrong = 0
    for i = 1, #args, 2 do
        local file = assert(io.open(args[i + 1], "rb"))
        local headers = {["Content-Type"] = args[i]}
        table.insert(requests, wrk.format("POST", nil, headers, file:read("*a")))
        file:close()
    end
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function response(status)
    if status ~= 200 and status ~= 400 then wrong = wrong + 1 end
end

function done(summary)
    local errors = summary.errors
    local wrong = 0
    for _, thread in ipairs(threads) do wrong = wrong + thread:get("wrong") end
    io.write(string.format('{"requests": %d, "microseconds": %d, "errors": %d}\n',
        summary.requests, summary.duration,
        errors.connect + errors.read + errors.write + errors.timeout + wrong))
end
