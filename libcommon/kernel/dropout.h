/*
 * dropout - x mask / (1 - p), the mask a function of where it stands
 *
 * Element f of the row at position pos is kept when the random number of
 * (r, pos, f) is at least p: word f mod 4 of counter (pos << 32 | f / 4) of
 * the generator r, its upper 24 bits as a fraction. r is
 * rng_at(rng_of(seed, module), step, sample): so the same element gets the
 * same mask in forward and in backward, for any packing, threads, restart.
 * Call as kernels()->dropout(...), kernel/table.h.
 */
#ifndef KERNEL_DROPOUT_H
#define KERNEL_DROPOUT_H

#include "base/rng.h"

#include <stddef.h>
#include <stdint.h>

/* A row of n: y = x mask / (1 - p), or with add y is increased by it. y may
 * be x. 0 <= p < 1. */
typedef void dropout_fn(float *y, int add, const float *x, size_t n,
			struct rng r, uint32_t pos, float p);
dropout_fn dropout_c, dropout_avx2, dropout_avx512;

#endif
