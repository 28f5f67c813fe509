#include "api/deadline.h"

#include "api/trace.h"
#include "base/number.h"

#define MAX_S 1e9 /* more would be more than the clock counts */

static bool is_decimal(struct mr_str text) {
    for (size_t i = 0; i < text.size; i++) {
        bool is_digit = text.data[i] >= '0' && text.data[i] <= '9';
        if (!is_digit && text.data[i] != '.') return false;
    }
    return true;
}

static uint64_t sooner(uint64_t a_ns, uint64_t b_ns) {
    if (!a_ns || !b_ns) return a_ns + b_ns;
    return a_ns < b_ns ? a_ns : b_ns;
}

mr_status mr_deadline_begin(const struct mr_http_request *request, unsigned timeout_ms,
                            struct mr_error *err) {
    struct mr_trace *trace = mr_trace_of(request);
    struct mr_str text = mr_http_header(request, "X-Request-Timeout");
    double limit_s;
    if (timeout_ms) trace->deadline_ns = request->whole_ns + (uint64_t)timeout_ms * 1000000;
    if (text.size == 0) return MR_OK;
    if (!is_decimal(text) || !mr_float_parse(text, &limit_s) || !(limit_s > 0 && limit_s < MAX_S)) {
        int n = text.size < 40 ? (int)text.size : 40;
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "the header X-Request-Timeout is \"%.*s\", expected a number of seconds "
                       "above 0, such as 2 or 0.25",
                       n, text.data);
    }
    trace->client_deadline_ns = request->whole_ns + (uint64_t)(limit_s * 1e9);
    trace->deadline_ns = sooner(trace->deadline_ns, trace->client_deadline_ns);
    return MR_OK;
}

uint64_t mr_deadline_of(const struct mr_http_request *request) {
    return mr_trace_of(request)->deadline_ns;
}

uint64_t mr_deadline_of_client(const struct mr_http_request *request) {
    return mr_trace_of(request)->client_deadline_ns;
}

mr_status mr_deadline_check(const struct mr_http_request *request, mr_stage stage,
                            struct mr_error *err) {
    const struct mr_trace *trace = mr_trace_of(request);
    if (!trace->deadline_ns || trace->at_ns < trace->deadline_ns) return MR_OK;
    return mr_deadline_miss(request, stage, err);
}

mr_status mr_deadline_miss(const struct mr_http_request *request, mr_stage stage,
                           struct mr_error *err) {
    struct mr_trace *trace = mr_trace_of(request);
    double limit_s = (double)((trace->deadline_ns - request->whole_ns + 500000) / 1000000) / 1e3;
    double waited_s = (double)trace->stage_ns[MR_STAGE_QUEUE] * 1e-9;
    trace->late_stage = stage;
    if (stage == MR_STAGE_QUEUE) {
        return mr_fail(err, MR_E_DEADLINE,
                       "no answer within %g s: the request waited in the queue, no thread was free",
                       limit_s);
    }
    return mr_fail(err, MR_E_DEADLINE,
                   "no answer within %g s: %s, which had waited %.3f s in the queue", limit_s,
                   stage == MR_STAGE_DECODE ? "the server was still decoding the request"
                                            : "the model was still working on the request",
                   waited_s);
}
