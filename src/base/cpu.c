#include "base/cpu.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

static unsigned affinity_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? (unsigned)n : 1;
}

static unsigned from_quota(double quota, double period) {
    if (quota <= 0 || period <= 0) return UINT_MAX;
    double n = quota / period;
    if (n >= UINT_MAX) return UINT_MAX;
    unsigned whole = (unsigned)n;
    return n > whole ? whole + 1 : whole;
}

/* cgroup v2: "max 100000" or "150000 100000" (kernel, Documentation/admin-guide/cgroup-v2.rst). */
static unsigned v2_count(const char *folder) {
    char path[4096 + 64];
    snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", folder);
    FILE *file = fopen(path, "re");
    if (!file) return UINT_MAX;
    double quota = 0, period = 0;
    int n_read = fscanf(file, "%lf %lf", &quota, &period); /* "max" reads nothing */
    fclose(file);
    return n_read == 2 ? from_quota(quota, period) : UINT_MAX;
}

/* The group of this process and every group above it may hold a quota. */
static unsigned v2_smallest(void) {
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file) return UINT_MAX;
    unsigned smallest = UINT_MAX;
    char line[4096];
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, "0::", 3) != 0) continue;
        char *folder = line + 3;
        folder[strcspn(folder, "\n")] = '\0';
        for (;;) {
            unsigned n = v2_count(strcmp(folder, "/") == 0 ? "" : folder);
            if (n < smallest) smallest = n;
            char *slash = strrchr(folder, '/');
            if (!slash || folder[0] == '\0') break;
            *slash = '\0';
        }
    }
    fclose(file);
    return smallest;
}

static double read_number(const char *path) {
    FILE *file = fopen(path, "re");
    if (!file) return -1;
    double value = -1;
    if (fscanf(file, "%lf", &value) != 1) value = -1;
    fclose(file);
    return value;
}

unsigned mr_cpu_count(void) {
    unsigned n = affinity_count();
    unsigned v2 = v2_smallest();
    unsigned v1 = from_quota(read_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
                             read_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us"));
    if (v2 < n) n = v2;
    if (v1 < n) n = v1;
    return n > 0 ? n : 1;
}
