/*
 * AdamW whose moments are kept in 8 bits (Dettmers et al. 2022,
 * arXiv:2110.02861), blocks of 256 by the dynamic maps of kernel/dyn8.h: the
 * first moment's has a sign, the second's has none.
 *
 * A step decodes a block's moments, moves the parameters by them in f32
 * (kernel/adamw.h, which decays first, as PyTorch does), and encodes them: the
 * nearest code, but the first moment's never has another sign than the moment,
 * as in bitsandbytes' CUDA kernel.
 */
#include "kernel/adamw.h"
#include "kernel/dyn8.h"
#include "kernel/table.h"
#include "train/optim.h"

#include <math.h>

#include "base/size.h"

enum { BLOCK = 256 };

static void decode(float *to, const uint8_t *code, float absmax,
		   const float book[256], size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = book[code[i]] * absmax;
}

/* A code on zero's other side, or at zero, moves one towards the value. */
static void fix_signs(uint8_t *code, const float *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!signbit(dyn8_book[code[i]]) != !signbit(m[i]))
			code[i] = (uint8_t)(code[i] + (m[i] > 0 ? 1 : -1));
}

static void step(const struct optim_move *m, float *p, void *const state[],
		 const float *g, size_t n)
{
	const struct optim_options *o = m->options;
	struct adamw a = adamw_at(m->lr, o->beta1, o->beta2, o->eps,
				  o->weight_decay, m->t);
	uint8_t *code1 = state[0], *code2 = state[2];
	float *max1 = state[1], *max2 = state[3];

	a.scale = m->scale;
	for (size_t at = 0; at < n; at += BLOCK, max1++, max2++) {
		size_t len = size_min(BLOCK, n - at);
		float m1[BLOCK], m2[BLOCK];

		decode(m1, code1 + at, *max1, dyn8_book, len);
		decode(m2, code2 + at, *max2, dyn8_unsigned, len);
		kernels()->adamw(&a, p + at, m1, m2, g + at, len);
		dyn8_encode(code1 + at, max1, m1, len, BLOCK, dyn8_book,
			    DYN8_NEAREST);
		dyn8_encode(code2 + at, max2, m2, len, BLOCK, dyn8_unsigned,
			    DYN8_NEAREST);
		if (*max1 > 0)
			fix_signs(code1 + at, m1, len);
	}
}

const struct optim_kind optim_adamw8 = {
	.name = "adamw8bit",
	.nstate = 4,
	.state = {
		{ "adam8_m", DTYPE_U8, 1 }, { "adam8_m_max", DTYPE_F32, BLOCK },
		{ "adam8_v", DTYPE_U8, 1 }, { "adam8_v_max", DTYPE_F32, BLOCK },
	},
	.small = &optim_adamw,
	.step = step,
};
