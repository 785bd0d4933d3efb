#define _GNU_SOURCE
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/size.h"

#define GROUPS "/sys/fs/cgroup"
#define OWN_GROUPS "/proc/self/cgroup"

/* The number after "key" in a file such as /proc/meminfo, in kB; 0: none. */
static uint64_t proc_kb(const char *file, const char *key)
{
	FILE *f = fopen(file, "re");
	char line[256];
	uint64_t kb = 0;

	if (!f)
		return 0;
	while (!kb && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			kb = strtoull(line + strlen(key), NULL, 10);
	fclose(f);
	return kb;
}

size_t os_cpus(void)
{
	cpu_set_t set;
	size_t n = 1;

	CPU_ZERO(&set);
	if (!sched_getaffinity(0, sizeof(set), &set))
		n = (size_t)CPU_COUNT(&set);
	n = size_min(n, cgroup_cpus(GROUPS, OWN_GROUPS));
	return size_max(n, 1);
}

uint64_t os_memory_free(void)
{
	uint64_t free = proc_kb("/proc/meminfo", "MemAvailable:") * 1024;
	uint64_t left = cgroup_memory_left(GROUPS, OWN_GROUPS);

	/* A group without a byte left is not one that does not say. */
	if (left != UINT64_MAX && (!free || left < free))
		free = left ? left : 1;
	return free - free / 8;
}

uint64_t os_memory_used(void)
{
	return (proc_kb("/proc/self/status", "RssAnon:") +
		proc_kb("/proc/self/status", "RssShmem:")) * 1024;
}

uint64_t os_memory_mapped(void)
{
	return proc_kb("/proc/self/status", "RssFile:") * 1024;
}

uint64_t os_memory_peak(void)
{
	return proc_kb("/proc/self/status", "VmHWM:") * 1024;
}

void os_memory_trim(void)
{
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
}

void os_pages_huge(void *at, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = size_align((uintptr_t)at, page);
	uintptr_t end = ((uintptr_t)at + bytes) / page * page;

	if (bytes >= (size_t)4 << 20)
		(void)madvise((void *)start, end - start, MADV_HUGEPAGE);
}

void *os_pages(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	os_pages_huge(p, bytes);
	return p;
}

void os_pages_free(void *pages, size_t bytes)
{
	if (pages)
		munmap(pages, bytes);
}

static double clock_seconds(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double os_seconds(void)
{
	return clock_seconds(CLOCK_MONOTONIC);
}

double os_cpu_seconds(void)
{
	return clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

int os_retry(int fd, int writing)
{
	struct pollfd p = { .fd = fd, .events = writing ? POLLOUT : POLLIN };

	if (errno == EINTR)
		return 1;
	return (errno == EAGAIN || errno == EWOULDBLOCK) &&
	       (poll(&p, 1, -1) > 0 || errno == EINTR);
}

void os_pipe_widen(int fd)
{
	(void)fcntl(fd, F_SETPIPE_SZ, 1 << 20);
}
