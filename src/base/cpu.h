/* How many processors this process may use. */
#ifndef MR_BASE_CPU_H
#define MR_BASE_CPU_H

/* The smaller of the scheduling affinity and the cgroup's CPU quota (v2 cpu.max, v1
 * cpu.cfs_quota_us, rounded up); at least 1. */
unsigned mr_cpu_count(void);

#endif
