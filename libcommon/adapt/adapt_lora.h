/*
 * adapt_lora - LoRA's functions, for the kinds that are LoRA and something more
 *
 * As in struct adapter_kind. Parameters LORA_A (rank, in) and LORA_B (out,
 * rank) come first; the first rank columns of keep are LoRA's.
 */
#ifndef ADAPT_ADAPT_LORA_H
#define ADAPT_ADAPT_LORA_H

#include "adapt/adapt.h"

enum { LORA_A, LORA_B };

int lora_shape(struct adapter *a, const struct adapter_options *o) MUST_CHECK;
int lora_init(struct adapter *a, const struct weight *w,
	      uint64_t seed) MUST_CHECK;
void lora_forward(const struct adapter *a, const struct adapt_pass *p,
		  struct mat x, struct gemm_output *y);
void lora_backward(const struct adapter *a, const struct adapt_pass *p,
		   struct mat dy, struct mat x, struct gemm_output *dx);
/* What of backward is left when B's gradient is somebody else's. */
void lora_backward_input(const struct adapter *a, const struct adapt_pass *p,
			 struct mat dy, struct mat x, struct gemm_output *dx);
void lora_finish(const struct adapter *a, const struct adapt_pass *p,
		 struct mat dy, struct mat x, struct mat dx);
int lora_merge(const struct adapter *a, const struct weight *w, float scale,
	       float *dst, size_t row, size_t n) MUST_CHECK;
const char *lora_peft_name(const struct adapter *a, size_t i);

/* h, or dh after backward (n, rank), in keep. */
struct mat lora_kept(const struct adapter *a, const struct adapt_pass *p,
		     size_t n);

/* Adds x M, with M the factor LORA_A or LORA_B, to a product's output. */
void lora_term(const struct adapter *a, struct gemm_output *o, struct mat x,
	       size_t factor, enum gemm_use use);

#endif
