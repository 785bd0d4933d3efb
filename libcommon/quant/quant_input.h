/*
 * quant_input - what a quantiser reads: a plain tensor's values, as f32
 */
#ifndef QUANT_QUANT_INPUT_H
#define QUANT_QUANT_INPUT_H

#include "tensor/tensor.h"

/* E_DATA: t is not a plain array of floats, or is empty. */
int quant_input_check(const struct tensor *t) MUST_CHECK;

/* Elements [first, first + n): where they are, or converted to room. */
const float *quant_input(const struct tensor *t, float *room, size_t first,
			 size_t n);

/* The error for a value that is not finite, the first from element e on; 0:
 * there is none. E_DATA, naming tensor and element. */
int quant_input_bad(const struct tensor *t, size_t e) MUST_CHECK;

#endif
