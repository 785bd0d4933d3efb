/* cgroup - limits of control groups, read from trees that the tests write */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cgroup.h"

static char root[] = "/tmp/cgroup.XXXXXX", self[64];

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *p = path + sizeof(root); (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(path, 0700);
		*p = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int make(void **state)
{
	(void)state;
	memcpy(root + sizeof(root) - 7, "XXXXXX", 6);
	if (!mkdtemp(root))
		return -1;
	snprintf(self, sizeof(self), "%s/self", root);
	return 0;
}

static int clear(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

static void no_group_is_no_limit(void **state)
{
	(void)state;
	assert_true(cgroup_memory_left(root, self) == UINT64_MAX);
	assert_true(cgroup_cpus(root, self) == SIZE_MAX);
	put("self", "0::/\n");
	assert_true(cgroup_memory_left(root, self) == UINT64_MAX);
	put("self", "no line of this kind\n:\n");
	assert_true(cgroup_memory_left(root, self) == UINT64_MAX);
}

static void version_2(void **state)
{
	(void)state;
	put("self", "0::/a/b\n");
	put("a/b/memory.max", "max\n");
	put("a/b/memory.current", "50\n");
	put("a/b/cpu.max", "max 100000\n");
	assert_true(cgroup_memory_left(root, self) == UINT64_MAX);
	assert_true(cgroup_cpus(root, self) == SIZE_MAX);
	put("a/b/memory.max", "1000\n");
	put("a/b/cpu.max", "250000 100000\n");
	assert_int_equal(cgroup_memory_left(root, self), 950);
	assert_int_equal(cgroup_cpus(root, self), 3);
}

static void the_least_of_all_groups_counts(void **state)
{
	(void)state;
	put("self", "0::/a/b\n");
	put("a/b/memory.max", "1000\n");
	put("a/b/memory.current", "50\n");
	put("a/memory.max", "900\n");
	put("a/memory.current", "800\n");
	put("a/cpu.max", "100000 100000\n");
	put("a/b/cpu.max", "400000 100000\n");
	assert_int_equal(cgroup_memory_left(root, self), 100);
	assert_int_equal(cgroup_cpus(root, self), 1);
}

static void what_caches_files_is_free(void **state)
{
	(void)state;
	put("self", "0::/a\n");
	put("a/memory.max", "1000\n");
	put("a/memory.current", "990\n");
	put("a/memory.stat", "anon 90\ninactive_file 700\nactive_file 200\n");
	assert_int_equal(cgroup_memory_left(root, self), 910);
	put("a/memory.current", "2000\n"); /* a limit that was lowered */
	put("a/memory.stat", "anon 2000\n");
	assert_int_equal(cgroup_memory_left(root, self), 0);
}

static void version_1(void **state)
{
	(void)state;
	put("self", "4:cpuset,memory:/x\n3:cpu,cpuacct:/x\n0::/\n");
	put("memory/x/memory.limit_in_bytes", "1000\n");
	put("memory/x/memory.usage_in_bytes", "600\n");
	put("memory/x/memory.stat", "inactive_file 1\ntotal_inactive_file "
	    "100\ntotal_active_file 20\n");
	put("memory/memory.limit_in_bytes", "9223372036854771712\n");
	put("cpu/x/cpu.cfs_quota_us", "-1\n");
	put("cpu/x/cpu.cfs_period_us", "100000\n");
	assert_int_equal(cgroup_memory_left(root, self), 520);
	assert_true(cgroup_cpus(root, self) == SIZE_MAX);
	put("cpu/x/cpu.cfs_quota_us", "150000\n");
	assert_int_equal(cgroup_cpus(root, self), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_group_is_no_limit, make,
						clear),
		cmocka_unit_test_setup_teardown(version_2, make, clear),
		cmocka_unit_test_setup_teardown(the_least_of_all_groups_counts,
						make, clear),
		cmocka_unit_test_setup_teardown(what_caches_files_is_free,
						make, clear),
		cmocka_unit_test_setup_teardown(version_1, make, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
