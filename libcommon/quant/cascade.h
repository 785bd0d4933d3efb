/*
 * cascade - a sum of floats in the order that PyTorch adds them on the CPU
 *
 * Eight lanes, four running sums each, in up to four levels of blocks, as
 * torch.Tensor.sum() does with AVX2 on one thread. It decides the last bit of
 * a nested scale's offset, and through that some of the codes.
 */
#ifndef QUANT_CASCADE_H
#define QUANT_CASCADE_H

#include <stddef.h>

float cascade_sum(const float *x, size_t n);

/* sum / n; n > 0. */
float cascade_mean(const float *x, size_t n);

#endif
