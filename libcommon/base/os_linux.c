#define _GNU_SOURCE
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/size.h"

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

/* This process's directory below /sys/fs/cgroup (version 2). 0: there is. */
static int cgroup_file(char *path, size_t size, const char *name)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[1024];
	int found = 0;

	if (!f)
		return -1;
	while (!found && fgets(line, sizeof(line), f))
		found = !strncmp(line, "0::", 3);
	fclose(f);
	if (!found)
		return -1;
	line[strcspn(line, "\n")] = 0;
	snprintf(path, size, "/sys/fs/cgroup%s/%s",
		 strcmp(line + 3, "/") ? line + 3 : "", name);
	return 0;
}

/* Two words of a cgroup file; a word that is no number ("max") reads as 0. */
static void cgroup_read(const char *name, uint64_t v[2])
{
	char path[1200], a[32] = "", b[32] = "";
	FILE *f;

	v[0] = v[1] = 0;
	if (cgroup_file(path, sizeof(path), name) || !(f = fopen(path, "re")))
		return;
	if (fscanf(f, "%31s %31s", a, b) >= 1) {
		v[0] = strtoull(a, NULL, 10);
		v[1] = strtoull(b, NULL, 10);
	}
	fclose(f);
}

size_t os_cpus(void)
{
	cpu_set_t set;
	uint64_t quota[2];
	size_t n = 1;

	CPU_ZERO(&set);
	if (!sched_getaffinity(0, sizeof(set), &set))
		n = (size_t)CPU_COUNT(&set);
	cgroup_read("cpu.max", quota);
	if (quota[0] && quota[1])
		n = size_min(n, size_ceil(quota[0], quota[1]));
	return size_max(n, 1);
}

uint64_t os_memory_free(void)
{
	uint64_t free = proc_kb("/proc/meminfo", "MemAvailable:") * 1024;
	uint64_t most[2], now[2];

	cgroup_read("memory.max", most);
	cgroup_read("memory.current", now);
	if (most[0] && (!free || most[0] - now[0] < free))
		free = most[0] > now[0] ? most[0] - now[0] : 1;
	return free;
}

uint64_t os_memory_used(void)
{
	return (proc_kb("/proc/self/status", "RssAnon:") +
		proc_kb("/proc/self/status", "RssShmem:")) * 1024;
}

uint64_t os_memory_peak(void)
{
	return proc_kb("/proc/self/status", "VmHWM:") * 1024;
}

void *os_pages(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (bytes >= (size_t)4 << 20)
		(void)madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

void os_pages_free(void *pages, size_t bytes)
{
	if (pages)
		munmap(pages, bytes);
}

double os_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
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
