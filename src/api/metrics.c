#include "api/metrics.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/shard.h"

/* Upper bounds of the buckets; one more is above all of them. From a small model in C to the
 * longest timeouts. */
static const uint64_t bounds_ns[] = {50000,      100000,      250000,      500000,     1000000,
                                     2500000,    5000000,     10000000,    25000000,   50000000,
                                     100000000,  250000000,   500000000,   1000000000, 2500000000,
                                     5000000000, 10000000000, 30000000000, 60000000000};
#define N_BOUNDS (sizeof(bounds_ns) / sizeof(bounds_ns[0]))

/* What this server answers; the last one stands for all others. */
static const int statuses[] = {200, 204, 307, 400, 404, 405, 408, 409, 413, 415, 422,
                               429, 431, 499, 500, 501, 502, 503, 504, 505, 0};
#define N_STATUSES (sizeof(statuses) / sizeof(statuses[0]))

const char *const mr_stage_names[MR_N_STAGES] = {"read",    "decode", "queue",
                                                 "predict", "encode", "write"};

typedef atomic_uint_fast64_t counter;

struct histogram {
    counter buckets[N_BOUNDS + 1];
    counter sum_ns;
};

struct shard {
    _Alignas(64) counter requests[MR_METRICS_MAX_ROUTES + 1][N_STATUSES];
    struct histogram durations[MR_METRICS_MAX_ROUTES + 1];
    struct histogram stages[MR_N_STAGES];
    counter n_rows, n_received, n_sent;
    atomic_int_fast64_t n_in_flight; /* of one shard maybe negative */
};

/* Of one model. */
struct model_shard {
    _Alignas(64) counter requests[N_STATUSES];
    struct histogram durations;
    counter n_rows;
};

struct mr_metrics {
    struct shard shards[MR_N_SHARDS];
    const char *const *routes;
    size_t n_routes;
    const char *const *models;
    size_t n_models;
    struct model_shard *model_shards; /* [shard][model] */
};

/* Counting ---------------------------------------------------------------------------------- */

static struct shard *own_shard(struct mr_metrics *metrics) {
    return &metrics->shards[mr_shard_own()];
}

static struct model_shard *model_shard(const struct mr_metrics *metrics, unsigned shard,
                                       size_t model) {
    return &metrics->model_shards[shard * metrics->n_models + model];
}

static void add(counter *to, uint64_t n) {
    atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

static uint64_t get(const counter *from) {
    return atomic_load_explicit(from, memory_order_relaxed);
}

static void observe(struct histogram *histogram, uint64_t ns) {
    size_t i = 0;
    while (i < N_BOUNDS && ns > bounds_ns[i]) i++;
    add(&histogram->buckets[i], 1);
    add(&histogram->sum_ns, ns);
}

static size_t status_index(int status) {
    if (status == 0) status = 499;
    size_t i = 0;
    while (i < N_STATUSES - 1 && statuses[i] != status) i++;
    return i;
}

static void *zeroed_lines(size_t size) {
    void *lines = aligned_alloc(64, size);
    if (lines) memset(lines, 0, size);
    return lines;
}

struct mr_metrics *mr_metrics_new(const char *const *routes, size_t n_routes,
                                  const char *const *models, size_t n_models) {
    struct mr_metrics *metrics = zeroed_lines(sizeof(*metrics));
    if (!metrics) return NULL;
    metrics->routes = routes;
    metrics->n_routes = n_routes < MR_METRICS_MAX_ROUTES ? n_routes : MR_METRICS_MAX_ROUTES;
    metrics->models = models;
    metrics->n_models = n_models;
    if (n_models == 0) return metrics;
    metrics->model_shards = zeroed_lines(MR_N_SHARDS * n_models * sizeof(struct model_shard));
    if (metrics->model_shards) return metrics;
    free(metrics);
    return NULL;
}

void mr_metrics_free(struct mr_metrics *metrics) {
    if (metrics) free(metrics->model_shards);
    free(metrics);
}

void mr_metrics_add(struct mr_metrics *metrics, const struct mr_metrics_request *request) {
    struct shard *shard = own_shard(metrics);
    size_t route = request->route < metrics->n_routes ? request->route : metrics->n_routes;
    add(&shard->requests[route][status_index(request->status)], 1);
    observe(&shard->durations[route], request->total_ns);
    for (size_t i = 0; i < MR_N_STAGES; i++) {
        if (request->stage_ns[i]) observe(&shard->stages[i], request->stage_ns[i]);
    }
    add(&shard->n_rows, (uint64_t)request->n_rows);
    add(&shard->n_received, request->n_received);
    add(&shard->n_sent, request->n_sent);
    if (request->model >= metrics->n_models) return;
    struct model_shard *own = model_shard(metrics, mr_shard_own(), request->model);
    add(&own->requests[status_index(request->status)], 1);
    observe(&own->durations, request->total_ns);
    add(&own->n_rows, (uint64_t)request->n_rows);
}

void mr_metrics_in_flight(struct mr_metrics *metrics, int change) {
    atomic_fetch_add_explicit(&own_shard(metrics)->n_in_flight, change, memory_order_relaxed);
}

/* Writing ----------------------------------------------------------------------------------- */

void mr_metrics_head(struct mr_buf *out, const char *name, const char *type, const char *help) {
    mr_buf_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void mr_metrics_sample(struct mr_buf *out, const char *name, const char *labels, double value) {
    mr_buf_text(out, name);
    if (labels) mr_buf_format(out, "{%s}", labels);
    mr_buf_format(out, " %.17g\n", value);
}

void mr_metrics_label(struct mr_buf *out, struct mr_str text) {
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '\\' || c == '"') mr_buf_char(out, '\\');
        if (c == '\n') {
            mr_buf_text(out, "\\n");
        } else {
            mr_buf_char(out, c);
        }
    }
}

static const char *route_name(const struct mr_metrics *metrics, size_t route) {
    return route < metrics->n_routes ? metrics->routes[route] : "other";
}

static uint64_t sum_requests(const struct mr_metrics *metrics, size_t route, size_t status) {
    uint64_t sum = 0;
    for (size_t i = 0; i < MR_N_SHARDS; i++)
        sum += get(&metrics->shards[i].requests[route][status]);
    return sum;
}

static void write_requests(const struct mr_metrics *metrics, struct mr_buf *out) {
    static const char name[] = "mlrace_requests_total";
    mr_metrics_head(out, name, "counter",
                    "Requests that are over; status 499: the client left before the answer.");
    for (size_t route = 0; route <= metrics->n_routes; route++) {
        for (size_t i = 0; i < N_STATUSES; i++) {
            uint64_t n = sum_requests(metrics, route, i);
            if (!n) continue;
            char status[16] = "other", labels[128];
            if (statuses[i]) snprintf(status, sizeof(status), "%d", statuses[i]);
            snprintf(labels, sizeof(labels), "route=\"%s\",status=\"%s\"",
                     route_name(metrics, route), status);
            mr_metrics_sample(out, name, labels, (double)n);
        }
    }
}

/* first: in the first shard; stride: bytes from there to the one in the next. */
static void write_histogram(const struct histogram *first, size_t stride, const char *name,
                            const char *label, const char *value, struct mr_buf *out) {
    uint64_t sum_ns = 0, n = 0;
    char full_name[80], labels[128];
    snprintf(full_name, sizeof(full_name), "%s_bucket", name);
    for (size_t b = 0; b <= N_BOUNDS; b++) {
        for (size_t i = 0; i < MR_N_SHARDS; i++) {
            const void *at = (const char *)first + i * stride;
            const struct histogram *histogram = at;
            n += get(&histogram->buckets[b]);
            if (b == 0) sum_ns += get(&histogram->sum_ns);
        }
        char bound[32] = "+Inf";
        if (b < N_BOUNDS) snprintf(bound, sizeof(bound), "%g", (double)bounds_ns[b] * 1e-9);
        snprintf(labels, sizeof(labels), "%s=\"%s\",le=\"%s\"", label, value, bound);
        mr_metrics_sample(out, full_name, labels, (double)n);
    }
    snprintf(labels, sizeof(labels), "%s=\"%s\"", label, value);
    snprintf(full_name, sizeof(full_name), "%s_sum", name);
    mr_metrics_sample(out, full_name, labels, (double)sum_ns * 1e-9);
    snprintf(full_name, sizeof(full_name), "%s_count", name);
    mr_metrics_sample(out, full_name, labels, (double)n);
}

static void write_histograms(const struct mr_metrics *metrics, struct mr_buf *out) {
    mr_metrics_head(out, "mlrace_request_duration_seconds", "histogram",
                    "From the first byte of a request to the last one of its response.");
    for (size_t route = 0; route <= metrics->n_routes; route++) {
        write_histogram(&metrics->shards[0].durations[route], sizeof(struct shard),
                        "mlrace_request_duration_seconds", "route", route_name(metrics, route),
                        out);
    }
    mr_metrics_head(out, "mlrace_request_stage_duration_seconds", "histogram",
                    "Times of the stages that requests went through.");
    for (size_t stage = 0; stage < MR_N_STAGES; stage++) {
        write_histogram(&metrics->shards[0].stages[stage], sizeof(struct shard),
                        "mlrace_request_stage_duration_seconds", "stage", mr_stage_names[stage],
                        out);
    }
}

static void write_status(const struct mr_metrics *metrics, size_t model, size_t status,
                         struct mr_buf *out) {
    uint64_t n = 0;
    for (unsigned i = 0; i < MR_N_SHARDS; i++) {
        n += get(&model_shard(metrics, i, model)->requests[status]);
    }
    if (!n) return;
    char code[16] = "other", labels[128];
    if (statuses[status]) snprintf(code, sizeof(code), "%d", statuses[status]);
    snprintf(labels, sizeof(labels), "model=\"%s\",status=\"%s\"", metrics->models[model], code);
    mr_metrics_sample(out, "mlrace_model_requests_total", labels, (double)n);
}

static void write_models(const struct mr_metrics *metrics, struct mr_buf *out) {
    mr_metrics_head(out, "mlrace_model_requests_total", "counter",
                    "Requests for a model that are over.");
    for (size_t model = 0; model < metrics->n_models; model++) {
        for (size_t i = 0; i < N_STATUSES; i++) write_status(metrics, model, i, out);
    }
    mr_metrics_head(out, "mlrace_model_request_duration_seconds", "histogram",
                    "From the first byte of such a request to the last one of its response.");
    for (size_t model = 0; model < metrics->n_models; model++) {
        write_histogram(&model_shard(metrics, 0, model)->durations,
                        metrics->n_models * sizeof(struct model_shard),
                        "mlrace_model_request_duration_seconds", "model", metrics->models[model],
                        out);
    }
    mr_metrics_head(out, "mlrace_model_rows_total", "counter", "Rows that a model was asked for.");
    for (size_t model = 0; model < metrics->n_models; model++) {
        uint64_t n_rows = 0;
        char labels[128];
        for (unsigned i = 0; i < MR_N_SHARDS; i++) {
            n_rows += get(&model_shard(metrics, i, model)->n_rows);
        }
        snprintf(labels, sizeof(labels), "model=\"%s\"", metrics->models[model]);
        mr_metrics_sample(out, "mlrace_model_rows_total", labels, (double)n_rows);
    }
}

void mr_metrics_write(const struct mr_metrics *metrics, struct mr_buf *out) {
    uint64_t n_rows = 0, n_received = 0, n_sent = 0;
    int64_t n_in_flight = 0;
    for (size_t i = 0; i < MR_N_SHARDS; i++) {
        const struct shard *shard = &metrics->shards[i];
        n_rows += get(&shard->n_rows);
        n_received += get(&shard->n_received);
        n_sent += get(&shard->n_sent);
        n_in_flight += atomic_load_explicit(&shard->n_in_flight, memory_order_relaxed);
    }
    write_requests(metrics, out);
    write_histograms(metrics, out);
    if (metrics->n_models) write_models(metrics, out);
    const struct {
        const char *name, *type, *help;
        double value;
    } rest[] = {
        {"mlrace_requests_in_flight", "gauge", "Requests for the model that are under way.",
         (double)n_in_flight},
        {"mlrace_rows_total", "counter", "Rows that the model was asked for.", (double)n_rows},
        {"mlrace_request_bytes_total", "counter", "Bytes of request bodies.", (double)n_received},
        {"mlrace_response_bytes_total", "counter", "Bytes of response bodies.", (double)n_sent},
    };
    for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
        mr_metrics_head(out, rest[i].name, rest[i].type, rest[i].help);
        mr_metrics_sample(out, rest[i].name, NULL, rest[i].value);
    }
}
