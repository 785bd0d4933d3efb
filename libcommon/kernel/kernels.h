/*
 * kernels - the table of inner loops, filled once at start from CPUID
 *
 * Every field has a plain C version, <name>_c, which defines the result; a
 * variant gives the same bits. The levels are climbed from the lowest: each
 * overwrites what it does better. KERNELS=c, avx2, avx512 or avx512bf16 in the
 * environment stops the climb there, or where the machine ends, for tests and
 * bug reports; opt_parse() refuses other names.
 */
#ifndef KERNEL_KERNELS_H
#define KERNEL_KERNELS_H

#include <stddef.h>

struct kernels;         /* the fields: kernel/table.h, for kernel/ and tests */

/* The machine's best level, or KERNELS'. Chosen at the first call. */
const struct kernels *kernels(void);

/* Level i's name and its table; *usable: can this machine run it? NULL past
 * the last. For tests, which compare every level with level 0. */
const char *kernels_level(size_t i, struct kernels *k, int *usable);

/* The name of the level in use, for logs. */
const char *kernels_name(void);

#endif
