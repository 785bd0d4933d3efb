/*
 * replay - a fuzz target's main where no fuzzer is linked in
 *
 * Feeds the files that are its operands to the target, so that make check sees
 * again what fuzzing once found.
 */
#ifndef TESTS_FUZZ_REPLAY_H
#define TESTS_FUZZ_REPLAY_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifndef FUZZING
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *text;
		size_t n;

		if (io_read_file(&text, &n, argv[i], 1 << 24)) {
			fprintf(stderr, "%s\n", err_text());
			return 1;
		}
		LLVMFuzzerTestOneInput((const uint8_t *)text, n);
		free(text);
	}
	printf("%d inputs\n", argc - 1);
	return 0;
}
#endif

#endif
