/* format - the rows of weight.c's table, and what they lend each other */
#ifndef WEIGHT_FORMAT_H
#define WEIGHT_FORMAT_H

#include "weight/weight.h"

extern const struct weight_format weight_f32, weight_bf16, weight_f16,
	weight_nf4, weight_fp4, weight_book4, weight_code8, weight_any;

/* Packs any storage, slowly. */
gemm_pack_fn weight_any_pack;
void weight_any_rows(const struct weight *w, float *dst, size_t row, size_t n);

/* Parts of a weight of codes: GGUF's blocks, or whole numbers whose scales and
 * zero points are f32 as they lie, or NULL. */
enum { PART_CODES, PART_BLOCK, PART_SCALE, PART_ZERO };

/* A dot without the detour by bytes, for a weight of codes whose rows begin
 * with a unit that has one scale: is it for this one? */
int weight_code4_fits(const struct weight *w);
gemm_dot_fn weight_code4_dot;

#endif
