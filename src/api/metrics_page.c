#include "api/metrics_page.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/metrics_models.h"

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

/* The page ---------------------------------------------------------------------------------- */

void mr_metrics_page(const struct mr_endpoints *endpoints, struct mr_buf *out) {
    mr_metrics_head(out, "mlrace_build_info", "gauge", "Versions of the server and its protocol.");
    mr_metrics_sample(out, "mlrace_build_info",
                      "version=\"" MR_VERSION "\",mlflow_version=\"" MR_MLFLOW_VERSION "\"", 1);
    bool has_workers = mr_metrics_models(endpoints, out);
    if (has_workers) {
        write_gauge(out, "mlrace_workers_resident_memory_bytes",
                    "Resident memory of all of them; what they share counts for each.",
                    descendants_bytes("self", 0));
    }
    mr_metrics_write(endpoints->observer.metrics, out);
    write_process(out);
}
