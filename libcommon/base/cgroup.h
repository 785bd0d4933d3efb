/*
 * cgroup - what the control groups of this process leave it, versions 1 and 2
 *
 * A limit holds for all groups below, so that every group from the process's
 * own up to the root counts. root is where the groups are mounted
 * (/sys/fs/cgroup), self the list of the process's own (/proc/self/cgroup).
 */
#ifndef BASE_CGROUP_H
#define BASE_CGROUP_H

#include <stddef.h>
#include <stdint.h>

/* Bytes until the limit; what only caches files counts as free, since it makes
 * way. UINT64_MAX: no limit. */
uint64_t cgroup_memory_left(const char *root, const char *self);

/* Processors of the quota, rounded up; SIZE_MAX: no quota. */
size_t cgroup_cpus(const char *root, const char *self);

#endif
