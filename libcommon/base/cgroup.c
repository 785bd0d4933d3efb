#include "base/cgroup.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

struct group {
	char path[PATH_MAX];
	size_t root;            /* of path, the part that is the mount */
	int v1;
};

static int is_listed(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (; *list; list += strcspn(list, ","), list += *list == ',')
		if (!strncmp(list, name, n) && (!list[n] || list[n] == ','))
			return 1;
	return 0;
}

/* A line is "number:controllers:/path"; version 2 lists no controllers. */
static int is_mine(char *line, const char *controller, struct group *g,
		   const char *root)
{
	char *list = strchr(line, ':'), *path;
	int n;

	if (!list || !(path = strchr(++list, ':')))
		return 0;
	*path++ = 0;
	path[strcspn(path, "\n")] = 0;
	g->v1 = *list != 0;
	if (g->v1 && !is_listed(list, controller))
		return 0;
	g->root = strlen(root) + (g->v1 ? strlen(controller) + 1 : 0);
	n = snprintf(g->path, sizeof(g->path), "%s%s%s%s", root,
		     g->v1 ? "/" : "", g->v1 ? controller : "",
		     strcmp(path, "/") ? path : "");
	return n > 0 && (size_t)n < sizeof(g->path);
}

/* The process's group of that controller; version 1, where both are. */
static int find(struct group *found, const char *root, const char *self,
		const char *controller)
{
	FILE *f = fopen(self, "re");
	char line[PATH_MAX + 64];
	struct group g;
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		if (is_mine(line, controller, &g, root) && (!n || g.v1)) {
			*found = g;
			n++;
		}
	if (f)
		fclose(f);
	return n;
}

/* To the group above; 0: there is none. */
static int climb(struct group *g)
{
	char *slash = strrchr(g->path + g->root, '/');

	if (!slash)
		return 0;
	*slash = 0;
	return 1;
}

static FILE *open_file(const struct group *g, const char *name)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", g->path, name);
	return fopen(path, "re");
}

/* Up to two numbers; one that is none ("max") or negative reads as 0. */
static void read_numbers(const struct group *g, const char *name,
			 uint64_t v[2])
{
	FILE *f = open_file(g, name);
	char word[2][32] = { "", "" };

	v[0] = v[1] = 0;
	if (!f)
		return;
	if (fscanf(f, "%31s %31s", word[0], word[1]) >= 1)
		for (int i = 0; i < 2; i++)
			v[i] = *word[i] == '-' ? 0 : strtoull(word[i], NULL,
							      10);
	fclose(f);
}

static uint64_t file_cache(const struct group *g)
{
	static const char *const key[2][2] = {
		{ "inactive_file", "active_file" },
		{ "total_inactive_file", "total_active_file" },
	};
	FILE *f = open_file(g, "memory.stat");
	unsigned long long value;
	uint64_t sum = 0;
	char name[64];

	while (f && fscanf(f, "%63s %llu", name, &value) == 2)
		for (int i = 0; i < 2; i++)
			if (!strcmp(name, key[g->v1][i]))
				sum += value;
	if (f)
		fclose(f);
	return sum;
}

uint64_t cgroup_memory_left(const char *root, const char *self)
{
	struct group g;
	uint64_t left = UINT64_MAX, most[2], now[2], cache;

	if (!find(&g, root, self, "memory"))
		return left;
	do {
		read_numbers(&g, g.v1 ? "memory.limit_in_bytes" : "memory.max",
			     most);
		read_numbers(&g, g.v1 ? "memory.usage_in_bytes" :
					"memory.current", now);
		if (!most[0])
			continue;
		cache = file_cache(&g);
		now[0] -= cache < now[0] ? cache : now[0];
		most[0] -= now[0] < most[0] ? now[0] : most[0];
		left = most[0] < left ? most[0] : left;
	} while (climb(&g));
	return left;
}

size_t cgroup_cpus(const char *root, const char *self)
{
	struct group g;
	uint64_t quota[2], period[2];
	size_t cpus = SIZE_MAX;

	if (!find(&g, root, self, "cpu"))
		return cpus;
	do {
		read_numbers(&g, g.v1 ? "cpu.cfs_quota_us" : "cpu.max", quota);
		if (g.v1) {
			read_numbers(&g, "cpu.cfs_period_us", period);
			quota[1] = period[0];
		}
		if (quota[0] && quota[1])
			cpus = size_min(cpus, size_ceil(quota[0], quota[1]));
	} while (climb(&g));
	return cpus;
}
