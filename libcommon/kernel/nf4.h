/*
 * nf4 - 4-bit NormalFloat blocks (Dettmers et al. 2023, arXiv:2305.14314)
 *
 * A block is some consecutive values and one scale, the largest magnitude
 * among them. A code is the place of value / scale in nf4_book; two codes are
 * a byte, the first in the high nibble.
 *
 * A value between two entries takes the nearer one, and one in the middle the
 * lower: code(v) = how many of nf4_bound are less than v. NaN has code 0.
 */
#ifndef KERNEL_NF4_H
#define KERNEL_NF4_H

#include "kernel/books.h"

#include <stddef.h>
#include <stdint.h>

enum {
	NF4_UNIT = 32,          /* a block is a multiple of this */
	NF4_ZERO = 7,           /* the code of 0 */
};

extern const float nf4_bound[15];       /* midpoints of the book, in f32 */

/* bitsandbytes' floor of a scale on the CPU. */
#define NF4_LEAST 1e-38f

/*
 * Quantises whole blocks. A value is x * (1 / max(absmax, least)): the
 * reciprocal is rounded before it is used, which decides some codes. least is
 * NF4_LEAST, or 0 for the rule of the CUDA kernel, where a block of zeros has
 * NaN for its values.
 *
 *   code    out  u8   nblock * block / 2
 *   absmax  out  f32  nblock; infinite or NaN where a value of the block is
 *   x       in   f32  nblock * block
 *
 * block is a multiple of NF4_UNIT. Every variant gives the bits of
 * nf4_encode_c. Needs no alignment.
 */
typedef void nf4_encode_fn(uint8_t *code, float *absmax, const float *x,
			   size_t nblock, size_t block, float least);
nf4_encode_fn nf4_encode_c, nf4_encode_avx2, nf4_encode_avx512;

/* The code of one value that is scaled already. */
unsigned nf4_code(float v);

/*
 * The last block, if it is short: n > 0 values; a missing odd one counts as 0.
 * divide: x / absmax with absmax raised to NF4_LEAST, which is what
 * bitsandbytes does there on the CPU; else as a whole block with least 0.
 * Writes (n + 1) / 2 bytes. Returns absmax.
 */
float nf4_encode_tail(uint8_t *code, const float *x, size_t n, int divide);

#endif
