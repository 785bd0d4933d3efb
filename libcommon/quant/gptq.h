/*
 * gptq - rounding that makes up for itself (Frantar et al. 2022,
 * arXiv:2210.17323, algorithm 1)
 *
 * A matrix is rounded column by column, and what a column's rounding does to
 * the products with typical inputs X is taken off the columns that are still to
 * be rounded: with H = X^T X damped, and U upper triangular, H^-1 = U^T U,
 *
 *     e = (w_i - w'_i) / U_ii,  w_k -= e U_ik for k > i.
 *
 * A group's grid is found from its weights as they are when its turn comes.
 * Columns keep their order. Rows do not depend on each other.
 */
#ifndef QUANT_GPTQ_H
#define QUANT_GPTQ_H

#include "quant/quant_int.h"

struct gptq_factor {
	size_t n;
	float *u;               /* (n, n), its upper triangle */
	unsigned char *dead;    /* (n) inputs that are always 0 */
	double damp;            /* as it was needed */
};

/*
 * From H (n, n) before damping: damp times the mean of its diagonal is added to
 * that, ten times as much when H is not positive definite with it. E_DATA: H
 * is not finite, or never is; E_NOMEM. To be released also after a failure.
 */
int gptq_factor(struct gptq_factor *f, const float *h, size_t n,
		double damp) MUST_CHECK;
void gptq_factor_release(struct gptq_factor *f); /* safe on a zeroed struct */

/*
 * As quant_int(), of a matrix with f->n columns. loss: sum e^2, which is
 * tr(D H D^T) for D what all of the rounding changed.
 */
int gptq(struct tensor *to, const struct tensor *from,
	 const struct gptq_factor *f, const struct quant_int *q, double *loss,
	 struct pool *pool) MUST_CHECK;

#endif
