/*
 * sgd - one step of stochastic gradient descent over an array, in PyTorch's
 * order and rounding
 *
 *   g' = fma(wd, p, scale g)
 *   b  = first ? g' : fma(momentum, b, g')
 *   p  = fma(-lr, b, p)
 *
 * Without momentum b is g' and need not be there (NULL).
 */
#ifndef KERNEL_SGD_H
#define KERNEL_SGD_H

#include <stddef.h>

struct sgd {
	float scale, lr, weight_decay, momentum;
	int first;              /* b has no value yet */
};

typedef void sgd_fn(const struct sgd *s, float *p, float *b, const float *g,
		    size_t n);
sgd_fn sgd_c;

#endif
