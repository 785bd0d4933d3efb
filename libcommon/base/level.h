/*
 * level - the levels of kernels, by name, and which KERNELS asks for
 *
 * kernel/kernels.h says what they are; their names are here because whoever
 * reads a command line reads the environment too.
 */
#ifndef BASE_LEVEL_H
#define BASE_LEVEL_H

#include "base/err.h"

enum level {
	LEVEL_C, LEVEL_AVX2, LEVEL_AVX512, LEVEL_AVX512BF16, LEVEL_COUNT
};

const char *level_name(enum level l);

/* The level of KERNELS in the environment; without it, the highest. E_USAGE: it
 * is the name of none. */
int level_asked(enum level *l) MUST_CHECK;

#endif
