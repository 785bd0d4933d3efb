/*
 * quant_nf4 - a plain tensor as an NF4 tensor (QLoRA, arXiv:2305.14314)
 *
 * Blocks run over the flattened tensor. With nested, the scales are stored in
 * 8 bits: offset = mean(scales), then the signed dynamic map over
 * scale - offset in blocks of 256. The bytes are bitsandbytes':
 *
 *     QUANT_CPU   its library on the CPU; torch's mean on one thread
 *     QUANT_CUDA  the rules of its kernels: a short last block is treated as
 *                 the others, a block of zeros has code 0 and not 7, the 8-bit
 *                 code is the nearest. The offset is still torch's on the CPU:
 *                 a GPU's sum has another order
 */
#ifndef QUANT_QUANT_NF4_H
#define QUANT_QUANT_NF4_H

#include "base/par.h"
#include "quant/icq.h"
#include "tensor/tensor.h"

enum quant_rule { QUANT_CPU, QUANT_CUDA };

enum { QUANT_NESTED_BLOCK = 256, QUANT_MOST_BLOCK = 4096 };

struct quant_nf4 {
	size_t block;           /* quant_nf4_block_ok() */
	int nested;
	enum quant_rule rule;
	const struct icq *icq;  /* or NULL. Else a value is code and scale and a
				 * shift of its block, which is stored in 8
				 * bits like nested scales, without offset. The
				 * codes are those of the shift before that */
	struct icq_gain *gain;  /* with icq: what it won, added up */
};

/* 32, 64, 128 ... 4096? */
int quant_nf4_block_ok(size_t block);

/*
 * to: new, with from's name, role and shape, and parts loaded; from: plain,
 * f32, bf16 or f16 (f64 is rounded to f32), loaded, not changed. Same bytes
 * for any pool.
 *
 * E_DATA: a value is not finite (the message has its place), or the offset
 * overflows; E_NOMEM.
 */
int quant_nf4(struct tensor *to, const struct tensor *from,
	      const struct quant_nf4 *q, struct pool *pool) MUST_CHECK;

#endif
