#include "api/metrics_models.h"

#include <stddef.h>
#include <stdio.h>

/* A model at the moment of the scrape. */
struct row {
    const struct mr_served *served;
    struct mr_version *version; /* had until the page is written */
    bool has_workers;
    struct mr_engine_stats stats;
    const char *label; /* `model="name"`; NULL: it has no name */
};

struct rows {
    struct row *rows;
    size_t n;
};

/* Samples ----------------------------------------------------------------------------------- */

/* own: a label beside the model's; NULL: none. */
static void put(struct mr_buf *out, const char *name, const struct row *row, const char *own,
                double value) {
    if (!own || !row->label) {
        mr_metrics_sample(out, name, own ? own : row->label, value);
        return;
    }
    char both[160];
    snprintf(both, sizeof(both), "%s,%s", row->label, own);
    mr_metrics_sample(out, name, both, value);
}

static void put_label(struct mr_buf *out, const char *name, struct mr_str value) {
    mr_buf_format(out, "%s=\"", name);
    mr_metrics_label(out, value);
    mr_buf_char(out, '"');
}

/* Models ------------------------------------------------------------------------------------ */

/* Facts without a number: a sample with labels and the value 1. */
static void write_infos(const struct rows *rows, struct mr_buf *out) {
    mr_metrics_head(out, "mlrace_model_info", "gauge", "Models, their versions and engines.");
    for (size_t i = 0; i < rows->n; i++) {
        const struct row *row = &rows->rows[i];
        const struct mr_model *model = row->version->model;
        char uri[MR_SERVED_URI_BYTES];
        mr_buf_text(out, "mlrace_model_info{");
        put_label(out, "name", mr_str_from(row->served->name));
        mr_buf_char(out, ',');
        put_label(out, "version", mr_str_from(row->version->label));
        mr_buf_char(out, ',');
        put_label(out, "uri", mr_str_from(mr_served_uri(row->served, uri)));
        mr_buf_char(out, ',');
        put_label(out, "path", mr_str_from(model->path));
        mr_buf_char(out, ',');
        put_label(out, "engine", mr_str_from(model->engine.ops->name));
        mr_buf_text(out, "} 1\n");
    }
}

static double is_ready(const struct row *row) {
    return mr_engine_state_of(&row->version->model->engine) == MR_ENGINE_READY;
}

static double load_seconds(const struct row *row) {
    return atomic_load(&row->version->load_s);
}

static double n_swaps(const struct row *row) {
    return (double)mr_keeper_counts(row->served->keeper).n_swaps;
}

static double n_failures(const struct row *row) {
    return (double)mr_keeper_counts(row->served->keeper).n_failures;
}

static double n_cancelled(const struct row *row) {
    return (double)atomic_load(&row->served->n_cancelled);
}

static void write_late(const struct rows *rows, struct mr_buf *out) {
    static const char name[] = "mlrace_requests_expired_total";
    static const mr_stage stages[] = {MR_STAGE_DECODE, MR_STAGE_QUEUE, MR_STAGE_PREDICT};
    mr_metrics_head(out, name, "counter", "Requests that took too long, by where they were then.");
    for (size_t i = 0; i < rows->n; i++) {
        const struct row *row = &rows->rows[i];
        for (size_t k = 0; k < sizeof(stages) / sizeof(*stages); k++) {
            char label[32];
            snprintf(label, sizeof(label), "stage=\"%s\"", mr_stage_names[stages[k]]);
            put(out, name, row, label, (double)atomic_load(&row->served->n_late[stages[k]]));
        }
    }
}

static void write_models(const struct rows *rows, struct mr_buf *out) {
    static const struct {
        const char *name, *type, *help;
        double (*get)(const struct row *row);
        bool is_of_keeper;
    } families[] = {
        {"mlrace_model_ready", "gauge", "Whether the model can be asked.", is_ready, false},
        {"mlrace_model_load_seconds", "gauge",
         "What loading the current version took; 0 before it is ready.", load_seconds, false},
        {"mlrace_requests_cancelled_total", "counter",
         "Requests whose clients left before there was an answer.", n_cancelled, false},
        {"mlrace_model_swaps_total", "counter",
         "Times that a new version took the place of another.", n_swaps, true},
        {"mlrace_model_reload_failures_total", "counter",
         "Times that no new version could be taken, and the one before stayed.", n_failures, true},
    };
    for (size_t f = 0; f < sizeof(families) / sizeof(*families); f++) {
        if (families[f].is_of_keeper && !rows->rows[0].served->keeper) continue;
        mr_metrics_head(out, families[f].name, families[f].type, families[f].help);
        for (size_t i = 0; i < rows->n; i++) {
            const struct row *row = &rows->rows[i];
            put(out, families[f].name, row, NULL, families[f].get(row));
        }
    }
}

/* Workers ----------------------------------------------------------------------------------- */

/* A count of struct mr_engine_stats. */
struct field {
    const char *name, *type, *help;
    size_t offset;
    bool is_unsigned; /* the type; else uint64_t */
};

#define STAT(field) offsetof(struct mr_engine_stats, field), false
#define UNSIGNED_STAT(field) offsetof(struct mr_engine_stats, field), true

static const struct field worker_fields[] = {
    {"mlrace_workers", "gauge", "Worker processes that there are to be.", UNSIGNED_STAT(n_workers)},
    {"mlrace_workers_alive", "gauge", "Those that can be given requests.", UNSIGNED_STAT(n_alive)},
    {"mlrace_worker_restarts_total", "counter", "Workers that ended and were replaced.",
     STAT(n_replaced)},
    {"mlrace_queue_requests", "gauge", "Requests that wait for a worker.", STAT(n_waiting)},
    {"mlrace_queue_rows", "gauge", "Their rows.", STAT(n_waiting_rows)},
    {"mlrace_queue_bytes", "gauge", "Their bytes.", STAT(waiting_bytes)},
    {"mlrace_worker_requests", "gauge", "Requests that workers have.", STAT(n_under_way)},
    {"mlrace_queue_refused_total", "counter", "Requests refused since the queue was full.",
     STAT(n_refused)},
    {"mlrace_batch_requests_total", "counter", "Requests in all messages to workers.",
     STAT(n_sent_calls)},
    {"mlrace_batch_rerun_total", "counter",
     "Requests given once more, alone, since they could not be answered together.", STAT(n_rerun)},
};

static double value_of(const struct field *field, const struct mr_engine_stats *stats) {
    const char *at = (const char *)stats + field->offset;
    return field->is_unsigned ? (double)*(const unsigned *)at : (double)*(const uint64_t *)at;
}

static void write_workers(const struct rows *rows, struct mr_buf *out) {
    for (size_t f = 0; f < sizeof(worker_fields) / sizeof(*worker_fields); f++) {
        const struct field *field = &worker_fields[f];
        mr_metrics_head(out, field->name, field->type, field->help);
        for (size_t i = 0; i < rows->n; i++) {
            const struct row *row = &rows->rows[i];
            if (!row->has_workers) continue;
            put(out, field->name, row, NULL, value_of(field, &row->stats));
        }
    }
}

/* Messages to workers by their rows: how well requests are gathered. */
static void write_batches(const struct rows *rows, struct mr_buf *out) {
    mr_metrics_head(out, "mlrace_batch_rows", "histogram",
                    "Rows that a worker was given at once, of one request or several.");
    for (size_t r = 0; r < rows->n; r++) {
        const struct row *row = &rows->rows[r];
        if (!row->has_workers) continue;
        uint64_t n = 0;
        for (int i = 0; i <= MR_STATS_N_SIZES; i++) {
            char bound[64] = "le=\"+Inf\"";
            if (i < MR_STATS_N_SIZES) snprintf(bound, sizeof(bound), "le=\"%lu\"", 1UL << i);
            n += row->stats.n_sent_of_size[i];
            put(out, "mlrace_batch_rows_bucket", row, bound, (double)n);
        }
        put(out, "mlrace_batch_rows_sum", row, NULL, (double)row->stats.n_sent_rows);
        put(out, "mlrace_batch_rows_count", row, NULL, (double)n);
    }
}

/* Shadow ------------------------------------------------------------------------------------ */

static void write_shadow(const struct mr_shadow *shadow, struct mr_buf *out) {
    mr_metrics_head(out, "mlrace_shadow_requests_total", "counter",
                    "Requests that the shadow model was asked, too, by how its answer compares.");
    for (int i = 0; i < MR_N_SHADOW_RESULTS; i++) {
        char labels[160];
        snprintf(labels, sizeof(labels), "model=\"%s\",result=\"%s\"",
                 mr_shadow_served(shadow)->name, mr_shadow_result_names[i]);
        mr_metrics_sample(out, "mlrace_shadow_requests_total", labels,
                          (double)mr_shadow_count(shadow, (mr_shadow_result)i));
    }
}

/* All of it --------------------------------------------------------------------------------- */

static void take(const struct mr_served *served, struct mr_arena *arena, struct row *row) {
    *row = (struct row){.served = served, .version = mr_live_take(served->live)};
    const struct mr_engine *engine = &row->version->model->engine;
    row->has_workers = !mr_engine_is_native(engine);
    mr_engine_stats_of(engine, &row->stats);
    if (!served->is_named) return;
    struct mr_buf label;
    mr_buf_init(&label, arena);
    mr_buf_format(&label, "model=\"%s\"", served->name);
    mr_buf_char(&label, '\0');
    if (mr_buf_status(&label, NULL) == MR_OK) row->label = label.data;
}

bool mr_metrics_models(const struct mr_endpoints *endpoints, struct mr_buf *out) {
    struct mr_arena *arena = out->arena;
    struct rows rows = {.n = endpoints->n_models};
    bool has_workers = false;
    rows.rows = mr_arena_array(arena, rows.n, sizeof(*rows.rows));
    if (!rows.rows) {
        out->is_failed = true;
        return false;
    }
    for (size_t i = 0; i < rows.n; i++) {
        take(&endpoints->models[i], arena, &rows.rows[i]);
        has_workers |= rows.rows[i].has_workers;
    }
    write_infos(&rows, out);
    write_models(&rows, out);
    write_late(&rows, out);
    if (has_workers) {
        write_workers(&rows, out);
        write_batches(&rows, out);
    }
    for (size_t i = 0; i < rows.n; i++) mr_live_give(rows.rows[i].version);
    if (endpoints->shadow) write_shadow(endpoints->shadow, out);
    return has_workers;
}
