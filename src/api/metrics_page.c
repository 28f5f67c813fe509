#include "api/metrics_page.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static void write_gauge(struct mr_buf *out, const char *name, const char *help, double value) {
    mr_metrics_head(out, name, "gauge", help);
    mr_metrics_sample(out, name, NULL, value);
}

/* Process ----------------------------------------------------------------------------------- */

static double resident_bytes(const char *pid) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%s/statm", pid);
    FILE *file = fopen(path, "re");
    unsigned long pages = 0;
    if (!file) return 0;
    if (fscanf(file, "%*u %lu", &pages) != 1) pages = 0;
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double count_descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    double n = 0;
    if (!folder) return 0;
    for (const struct dirent *entry; (entry = readdir(folder));) n += entry->d_name[0] != '.';
    closedir(folder);
    return n - 1; /* the folder itself */
}

/* Names as Prometheus' own client libraries have them. */
static void write_process(struct mr_buf *out) {
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    double seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    mr_metrics_head(out, "process_cpu_seconds_total", "counter",
                    "CPU time of the server without its workers.");
    mr_metrics_sample(out, "process_cpu_seconds_total", NULL, seconds);
    write_gauge(out, "process_resident_memory_bytes",
                "Resident memory of the server without its workers.", resident_bytes("self"));
    write_gauge(out, "process_open_fds", "Open descriptors of the server.", count_descriptors());
}

/* Workers ----------------------------------------------------------------------------------- */

#define MAX_GENERATIONS 4

/* Resident bytes of a process's descendants: workers, and what they have started. */
static double descendants_bytes(const char *pid, int generation) {
    char path[300], tid[32] = "";
    snprintf(path, sizeof(path), "/proc/%s/task", pid);
    DIR *threads = generation < MAX_GENERATIONS ? opendir(path) : NULL;
    double sum = 0;
    if (!threads) return 0;
    for (const struct dirent *entry; (entry = readdir(threads));) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof(path), "/proc/%s/task/%s/children", pid, entry->d_name);
        FILE *children = fopen(path, "re");
        while (children && fscanf(children, "%31s", tid) == 1) {
            sum += resident_bytes(tid) + descendants_bytes(tid, generation + 1);
        }
        if (children) fclose(children);
    }
    closedir(threads);
    return sum;
}

static void write_counter(struct mr_buf *out, const char *name, const char *help, uint64_t value) {
    mr_metrics_head(out, name, "counter", help);
    mr_metrics_sample(out, name, NULL, (double)value);
}

static void write_queue(const struct mr_engine_stats *stats, struct mr_buf *out) {
    write_gauge(out, "mlrace_queue_requests", "Requests that wait for a worker.",
                (double)stats->n_waiting);
    write_gauge(out, "mlrace_queue_rows", "Their rows.", (double)stats->n_waiting_rows);
    write_gauge(out, "mlrace_queue_bytes", "Their bytes.", (double)stats->waiting_bytes);
    write_gauge(out, "mlrace_worker_requests", "Requests that workers have.",
                (double)stats->n_under_way);
    write_counter(out, "mlrace_queue_refused_total", "Requests refused since the queue was full.",
                  stats->n_refused);
    write_counter(out, "mlrace_requests_cancelled_total",
                  "Requests whose clients left before there was an answer.", stats->n_cancelled);
    mr_metrics_head(out, "mlrace_requests_expired_total", "counter",
                    "Requests that took too long, by where they were then.");
    mr_metrics_sample(out, "mlrace_requests_expired_total", "stage=\"queue\"",
                      (double)stats->n_expired_waiting);
    mr_metrics_sample(out, "mlrace_requests_expired_total", "stage=\"predict\"",
                      (double)stats->n_expired_working);
}

/* Messages to workers by their rows: how well requests are gathered. */
static void write_batches(const struct mr_engine_stats *stats, struct mr_buf *out) {
    uint64_t n = 0;
    char labels[64];
    mr_metrics_head(out, "mlrace_batch_rows", "histogram",
                    "Rows that a worker was given at once, of one request or several.");
    for (int i = 0; i <= MR_STATS_N_SIZES; i++) {
        n += stats->n_sent_of_size[i];
        if (i < MR_STATS_N_SIZES) {
            snprintf(labels, sizeof(labels), "le=\"%lu\"", 1UL << i);
        } else {
            snprintf(labels, sizeof(labels), "le=\"+Inf\"");
        }
        mr_metrics_sample(out, "mlrace_batch_rows_bucket", labels, (double)n);
    }
    mr_metrics_sample(out, "mlrace_batch_rows_sum", NULL, (double)stats->n_sent_rows);
    mr_metrics_sample(out, "mlrace_batch_rows_count", NULL, (double)n);
    write_counter(out, "mlrace_batch_requests_total", "Requests in all of them.",
                  stats->n_sent_calls);
    write_counter(out, "mlrace_batch_rerun_total",
                  "Requests given once more, alone, since they could not be answered together.",
                  stats->n_rerun);
}

static void write_workers(const struct mr_engine *engine, struct mr_buf *out) {
    struct mr_engine_stats stats;
    mr_engine_stats_of(engine, &stats);
    write_gauge(out, "mlrace_workers", "Worker processes that there are to be.", stats.n_workers);
    write_gauge(out, "mlrace_workers_alive", "Those that can be given requests.", stats.n_alive);
    write_counter(out, "mlrace_worker_restarts_total", "Workers that ended and were replaced.",
                  stats.n_replaced);
    write_gauge(out, "mlrace_workers_resident_memory_bytes",
                "Resident memory of all of them; what they share counts for each.",
                descendants_bytes("self", 0));
    write_queue(&stats, out);
    write_batches(&stats, out);
}

/* Server and model -------------------------------------------------------------------------- */

static void write_label(struct mr_buf *out, const char *name, struct mr_str value) {
    mr_buf_format(out, "%s=\"", name);
    mr_metrics_label(out, value);
    mr_buf_char(out, '"');
}

/* Facts without a number: a sample with labels and the value 1. */
static void write_info(const struct mr_model *model, struct mr_buf *out) {
    mr_metrics_head(out, "mlrace_build_info", "gauge", "Versions of the server and its protocol.");
    mr_metrics_sample(out, "mlrace_build_info",
                      "version=\"" MR_VERSION "\",mlflow_version=\"" MR_MLFLOW_VERSION "\"", 1);
    mr_metrics_head(out, "mlrace_model_info", "gauge", "The model and the engine it has.");
    mr_buf_text(out, "mlrace_model_info{");
    write_label(out, "path", mr_str_from(model->path));
    mr_buf_char(out, ',');
    write_label(out, "engine", mr_str_from(model->engine.ops->name));
    mr_buf_text(out, "} 1\n");
}

void mr_metrics_page(const struct mr_endpoints *endpoints, struct mr_buf *out) {
    const struct mr_model *model = endpoints->model;
    write_info(model, out);
    write_gauge(out, "mlrace_model_ready", "Whether the model can be asked.",
                mr_engine_state_of(&model->engine) == MR_ENGINE_READY);
    write_gauge(out, "mlrace_model_load_seconds",
                "From the start to the model being ready; 0 before.",
                atomic_load(endpoints->load_seconds));
    mr_metrics_write(endpoints->observer.metrics, out);
    if (!mr_engine_is_native(&model->engine)) write_workers(&model->engine, out);
    write_process(out);
}
