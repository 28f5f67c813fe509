#include "api/observe.h"

#include <stdlib.h>
#include <unistd.h>

#include "api/trace.h"
#include "api/traceparent.h"

/* Sets the numbers and names. Returns how many names there are. */
static size_t number_routes(struct mr_observer *observer,
                            const struct mr_observer_options *options) {
    size_t n_names = 0;
    for (size_t i = 0; i < options->n_routes; i++) {
        const char *name = options->route_names[i];
        size_t number = 0;
        while (number < n_names && strcmp(observer->names[number], name) != 0) number++;
        if (number == n_names && n_names < MR_METRICS_MAX_ROUTES) observer->names[n_names++] = name;
        observer->numbers[i] = (unsigned char)number;
    }
    return n_names;
}

mr_status mr_observer_init(struct mr_observer *observer, const struct mr_observer_options *options,
                           struct mr_error *err) {
    *observer = (struct mr_observer){.format = mr_log_get_format(), .routes = options->routes};
    observer->numbers = calloc(options->n_routes, 1);
    if (!observer->numbers) return mr_fail(err, MR_E_NO_MEMORY, "out of memory for metrics");
    size_t n_names = number_routes(observer, options);
    observer->metrics = mr_metrics_new(observer->names, n_names, options->models,
                                       options->n_models);
    mr_status status = observer->metrics
                           ? MR_OK
                           : mr_fail(err, MR_E_NO_MEMORY, "out of memory for metrics");
    if (status == MR_OK && options->has_access_log) {
        status = mr_log_lines_start(STDERR_FILENO, &observer->access_log, err);
    }
    if (status != MR_OK) mr_observer_deinit(observer);
    return status;
}

void mr_observer_deinit(struct mr_observer *observer) {
    if (observer->access_log) mr_log_lines_stop(observer->access_log);
    mr_metrics_free(observer->metrics);
    free(observer->numbers);
}

#define MAX_LINE_BYTES ((size_t)1024)

/* Room that the end of a line keeps when a path is long. */
#define END_BYTES 512

static void put_text(struct mr_text *line, struct mr_str text) {
    mr_text_put(line, text.data, text.size);
}

/* Milliseconds with three decimals. */
static void put_ms(struct mr_text *line, uint64_t ns) {
    uint64_t us = (ns + 500) / 1000;
    char decimals[4] = {'.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10),
                        (char)('0' + us % 10)};
    mr_text_uint(line, us / 1000);
    mr_text_put(line, decimals, sizeof(decimals));
}

static void put_path(struct mr_text *line, struct mr_str path) {
    line->capacity -= END_BYTES;
    mr_text_json(line, path);
    line->capacity += END_BYTES;
}

static void put_number(struct mr_text *line, const char *name, uint64_t value) {
    mr_text_put(line, name, strlen(name));
    mr_text_uint(line, value);
}

static int status_of(const struct mr_http_exchange *exchange) {
    return exchange->status ? exchange->status : 499; /* as nginx calls it */
}

/* Times of the stages; 0: it did not get there. */
static void find_stages(const struct mr_http_exchange *exchange, uint64_t stage_ns[MR_N_STAGES]) {
    const struct mr_trace *trace = exchange->notes;
    memset(stage_ns, 0, sizeof(uint64_t) * MR_N_STAGES);
    if (trace) memcpy(stage_ns, trace->stage_ns, sizeof(trace->stage_ns));
    if (exchange->whole_ns) stage_ns[MR_STAGE_READ] = exchange->whole_ns - exchange->first_ns;
    if (exchange->answered_ns) stage_ns[MR_STAGE_WRITE] = exchange->end_ns - exchange->answered_ns;
}

/* Who has answered, as far as that is not always the same. */
static void put_model_json(struct mr_text *line, const struct mr_trace *trace) {
    if (trace->served->is_named) {
        MR_TEXT_PUT(line, ", \"model\": \"");
        put_text(line, mr_str_from(trace->served->name));
        MR_TEXT_PUT(line, "\"");
    }
    if (trace->version->label) {
        MR_TEXT_PUT(line, ", \"version\": \"");
        mr_text_json(line, mr_str_from(trace->version->label));
        MR_TEXT_PUT(line, "\"");
    }
}

static void put_json(struct mr_text *line, const struct mr_http_exchange *exchange,
                     const uint64_t stage_ns[MR_N_STAGES]) {
    const struct mr_trace *trace = exchange->notes;
    mr_log_begin_json(line, "info");
    MR_TEXT_PUT(line, "request\", \"id\": \"");
    put_text(line, exchange->id);
    MR_TEXT_PUT(line, "\", \"method\": \"");
    put_text(line, exchange->method);
    MR_TEXT_PUT(line, "\", \"path\": \"");
    put_path(line, exchange->path);
    put_number(line, "\", \"status\": ", (uint64_t)status_of(exchange));
    if (trace && trace->context.size) {
        MR_TEXT_PUT(line, ", \"trace_id\": \"");
        mr_text_put(line, trace->context.data + 3, MR_TRACE_ID_BYTES);
        MR_TEXT_PUT(line, "\"");
    }
    if (trace) put_model_json(line, trace);
    if (trace) put_number(line, ", \"rows\": ", (uint64_t)trace->n_rows);
    put_number(line, ", \"request_bytes\": ", exchange->n_received);
    put_number(line, ", \"response_bytes\": ", exchange->n_sent);
    if (exchange->is_cut) MR_TEXT_PUT(line, ", \"is_cut\": true");
    MR_TEXT_PUT(line, ", \"duration_ms\": ");
    put_ms(line, exchange->end_ns - exchange->first_ns);
    for (size_t i = 0; i < MR_N_STAGES; i++) {
        if (!stage_ns[i]) continue;
        MR_TEXT_PUT(line, ", \"");
        mr_text_put(line, mr_stage_names[i], strlen(mr_stage_names[i]));
        MR_TEXT_PUT(line, "_ms\": ");
        put_ms(line, stage_ns[i]);
    }
    MR_TEXT_PUT(line, "}\n");
}

static void put_plain(struct mr_text *line, const struct mr_http_exchange *exchange) {
    const struct mr_trace *trace = exchange->notes;
    MR_TEXT_PUT(line, "mlrace: ");
    put_text(line, exchange->method);
    MR_TEXT_PUT(line, " ");
    put_path(line, exchange->path);
    put_number(line, " ", (uint64_t)status_of(exchange));
    MR_TEXT_PUT(line, " ");
    put_ms(line, exchange->end_ns - exchange->first_ns);
    MR_TEXT_PUT(line, " ms");
    if (trace && trace->served->is_named) {
        MR_TEXT_PUT(line, ", model ");
        put_text(line, mr_str_from(trace->served->name));
    }
    if (trace && trace->version->label) {
        MR_TEXT_PUT(line, ", version ");
        put_text(line, mr_str_from(trace->version->label));
    }
    if (trace) put_number(line, ", rows ", (uint64_t)trace->n_rows);
    put_number(line, ", bytes ", exchange->n_received);
    put_number(line, " in, ", exchange->n_sent);
    MR_TEXT_PUT(line, " out, id ");
    put_text(line, exchange->id);
    if (exchange->is_cut) MR_TEXT_PUT(line, ", cut off");
    MR_TEXT_PUT(line, "\n");
}

/* Health checks and scrapes come every few seconds; that the model is not ready is in the log in
 * other words. */
static bool is_dull(const struct mr_http_exchange *exchange) {
    bool is_usual = exchange->status == 200 || exchange->status == 503;
    return is_usual && mr_str_is(exchange->method, "GET");
}

void mr_observe(const struct mr_observer *observer, const struct mr_http_exchange *exchange) {
    const struct mr_trace *trace = exchange->notes;
    struct mr_metrics_request request = {
        .route = exchange->route ? observer->numbers[exchange->route - observer->routes] : SIZE_MAX,
        .model = trace ? trace->served->number : SIZE_MAX,
        .status = exchange->status,
        .n_received = exchange->n_received,
        .n_sent = exchange->n_sent,
        .n_rows = trace ? trace->n_rows : 0,
        .total_ns = exchange->end_ns - exchange->first_ns,
    };
    find_stages(exchange, request.stage_ns);
    mr_metrics_add(observer->metrics, &request);
    if (trace) mr_metrics_in_flight(observer->metrics, -1);
    if (!observer->access_log || is_dull(exchange)) return;
    char data[MAX_LINE_BYTES];
    struct mr_text line = {.data = data, .capacity = sizeof(data)};
    if (observer->format == MR_LOG_JSON) {
        put_json(&line, exchange, request.stage_ns);
    } else {
        put_plain(&line, exchange);
    }
    mr_log_lines_add(observer->access_log, (struct mr_str){data, line.size});
}
