/*
 * cases - a test's malformed files, written for the programs to refuse
 *
 * A test that is given a directory writes them there, numbered, and runs
 * nothing: tests/cli/malformed.bats.
 */
#ifndef TESTS_UNIT_CASES_H
#define TESTS_UNIT_CASES_H

#include <stdio.h>
#include <stdlib.h>

static inline void write_case(const char *dir, size_t i, const char *ending,
			      const void *bytes, size_t n)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%03zu%s", dir, i, ending);
	f = fopen(path, "wb");
	if (!f || fwrite(bytes, 1, n, f) != n || fclose(f)) {
		perror(path);
		exit(1);
	}
}

#endif
