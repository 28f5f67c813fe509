#include "api/trace.h"

#include "api/shadow.h"
#include "api/traceparent.h"
#include "base/clock.h"
#include "schema/slice.h"

struct mr_trace *mr_trace_begin(struct mr_http_request *request, bool is_shown) {
    struct mr_trace *trace = mr_arena_zalloc(request->arena, sizeof(*trace));
    request->notes = trace;
    if (!trace) return NULL;
    trace->stage_ns[MR_STAGE_READ] = request->whole_ns - request->first_ns;
    trace->at_ns = request->whole_ns;
    trace->is_shown = is_shown;
    trace->context = mr_traceparent_read(request);
    return trace;
}

void mr_trace_copy(const struct mr_http_request *request, mr_format format) {
    struct mr_trace *trace = request->notes;
    if (trace->shadow) trace->copy = mr_shadow_copy(trace->shadow, format, request);
}

void mr_trace_rows(const struct mr_http_request *request, const struct mr_input *input) {
    struct mr_trace *trace = request->notes;
    int64_t n_rows = mr_input_n_rows(input);
    trace->n_rows = n_rows < 0 ? 1 : n_rows;
}

void mr_trace_lap(const struct mr_http_request *request, mr_stage stage) {
    mr_trace_lap_at(request, stage, mr_clock_ns());
}

void mr_trace_lap_at(const struct mr_http_request *request, mr_stage stage, uint64_t now_ns) {
    struct mr_trace *trace = request->notes;
    if (now_ns <= trace->at_ns) return;
    trace->stage_ns[stage] += now_ns - trace->at_ns;
    trace->at_ns = now_ns;
}

static void add_timing(const struct mr_http_request *request, const struct mr_trace *trace,
                       struct mr_http_response *response) {
    struct mr_buf text;
    mr_buf_init(&text, request->arena);
    for (size_t i = 0; i < MR_STAGE_WRITE; i++) {
        if (!trace->stage_ns[i]) continue;
        mr_buf_format(&text, "%s%s;dur=%.3f", mr_buf_str(&text).size ? ", " : "", mr_stage_names[i],
                      (double)trace->stage_ns[i] * 1e-6);
    }
    if (mr_buf_status(&text, NULL) != MR_OK) return;
    mr_http_response_add(response, "Server-Timing: ", mr_buf_str(&text));
}

void mr_trace_end(const struct mr_http_request *request, struct mr_http_response *response) {
    const struct mr_trace *trace = request->notes;
    const char *label = trace->version->label;
    mr_trace_lap(request, MR_STAGE_ENCODE);
    if (trace->copy) mr_shadow_answered(trace->shadow, trace->copy, response);
    if (trace->is_shown) add_timing(request, trace, response);
    if (label) mr_http_response_add(response, "X-Model-Version: ", mr_str_from(label));
    if (trace->served->is_named) {
        mr_http_response_add(response, "X-Model-Name: ", mr_str_from(trace->served->name));
    }
}
