/*
 * int_grid - the whole-number grid that a group of weights is rounded to
 *
 *     w' = scale (code - zero),  0 <= code <= 2^bits - 1
 *
 *   GRID_REAL    from the group's least value to its largest; zero is real
 *                (QA-LoRA, arXiv:2309.14717, section 3.2: scale is alpha and
 *                -scale zero is beta)
 *   GRID_WHOLE   0 is one of the values, so zero is a whole number (GPTQ,
 *                arXiv:2210.17323, its asymmetric grid)
 *   GRID_MIDDLE  as far down as up, zero is 2^(bits - 1)
 *
 * Sums and quotients are f32, rounding is to nearest, ties to even.
 */
#ifndef QUANT_INT_GRID_H
#define QUANT_INT_GRID_H

#include <stddef.h>
#include <stdint.h>

#include "quant/entropy.h"
#include "tensor/dtype.h"

enum int_grid_zero { GRID_REAL, GRID_WHOLE, GRID_MIDDLE };

struct int_grid_rule {
	int bits;               /* 2 to 8 */
	enum int_grid_zero zero;
	enum dtype scale;       /* that scales are stored as: f32, f16, bf16 */
	const struct entropy *entropy; /* or NULL. The range of GRID_WHOLE is
				 * stretched by the first of 1, 1.002 .. 1.1,
				 * 0.998 .. 0.9 that leaves the most
				 * information in the codes (IR-QLoRA,
				 * arXiv:2402.05445, its integer quantiser) */
};

struct int_grid {
	float scale, zero;
	float from, add, most;  /* code = (w - from) / scale + add, from 0 to
				 * most */
};

/* The grid of n values, n <= ENTROPY_MOST with entropy. Its scale is not finite
 * where a value is not, or where the range overflows. */
void int_grid_find(struct int_grid *g, const struct int_grid_rule *r,
		   const float *w, size_t n);

/* Codes of n values, a byte each. */
void int_grid_codes(uint8_t *code, const struct int_grid *g, const float *w,
		    size_t n);

static inline unsigned int_grid_code(const struct int_grid *g, float w)
{
	/* adding 1.5 * 2^23 rounds to a whole number: exact up to 2^22 */
	const float whole = 0x1.8p23f;
	float x = (w - g->from) / g->scale;

	x = x > -g->add ? x : -g->add;
	x = x < g->most - g->add ? x : g->most - g->add;
	return (unsigned)(x + whole - whole + g->add);
}

static inline float int_grid_value(const struct int_grid *g, unsigned code)
{
	return g->scale * ((float)code - g->zero);
}

#endif
