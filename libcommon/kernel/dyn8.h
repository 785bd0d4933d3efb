/*
 * dyn8 - 8 bits by a dynamic map (Dettmers et al. 2022, arXiv:2110.02861)
 *
 * A block is some consecutive values and one scale, the largest magnitude
 * among them. A code is a place in a book of 256 values between -1 (signed)
 * or 0 (unsigned) and 1 that stand densest around 0.
 */
#ifndef KERNEL_DYN8_H
#define KERNEL_DYN8_H

#include "kernel/books.h"

#include <stddef.h>
#include <stdint.h>

/* The unsigned map, bit for bit the published one; dyn8_book is the signed. */
extern const float dyn8_unsigned[256];

enum dyn8_rule {
	/* bitsandbytes on the CPU: the value is rounded to one of 65,536 steps
	 * in [-1, 1] first, and the step's code is the first whose midpoint
	 * with the next is not below it. Values below 1.5e-5 are lost, and 0
	 * becomes a small positive value. */
	DYN8_CPU,
	/* bitsandbytes in CUDA: the nearest entry. A value in the middle keeps
	 * the entry that the binary search for it ends at. */
	DYN8_NEAREST,
};

/* The code of one value that is scaled already. NaN has code 0. */
uint8_t dyn8_code(const float book[256], float v, enum dyn8_rule rule);

/*
 * Quantises n values in blocks; the last may be short. Values are
 * x * (1 / absmax); a block of zeros has code 0.
 *
 *   code    out  u8   n
 *   absmax  out  f32  (n + block - 1) / block
 *   x       in   f32  n, finite
 */
void dyn8_encode(uint8_t *code, float *absmax, const float *x, size_t n,
		 size_t block, const float book[256], enum dyn8_rule rule);

#endif
