/*
 * LoftQ (Li et al. 2023, arXiv:2310.08659, algorithm 1): quantised weights, and
 * factors that make up for what quantising lost. With B A = 0 at first:
 *
 *   Q = quantise(W - s B A);  s B A = the first r singular values of W - Q
 *
 * The paper has s = 1; here the factors are divided by its root each.
 */
#include "quant/start.h"

#include <stdlib.h>
#include <string.h>

#include "weight/weight.h"

/* Q of what is in x, then x = W - Q. */
static int quantise(struct tensor *q, float *x, const float *values,
		    const struct tensor *w, const struct start_options *o,
		    struct pool *pool)
{
	struct tensor plain;
	int err = tensor_init(&plain, w->name, w->role, DTYPE_F32, w->rank,
			      w->shape);

	if (err)
		return err;
	plain.part[0].data = x;
	err = quant_nf4(q, &plain, &o->nf4, pool);
	plain.part[0].data = NULL;
	tensor_release(&plain);
	TRY(err);
	err = weight_decode(q, x, 0, w->count);
	for (size_t i = 0; i < w->count; i++)
		x[i] = values[i] - x[i];
	if (err)
		tensor_release(q);
	return err;
}

static int make(struct tensor *base, float *a, float *b,
		const struct tensor *w, const struct start_options *o,
		struct pool *pool)
{
	size_t out = w->shape[0], in = w->shape[1];
	float *x = malloc(w->count * sizeof(*x)), *values;
	int err = start_values(&values, w);

	if (!err && !x)
		err = err_set(E_NOMEM, "out of memory");
	if (!err)
		memcpy(x, values, w->count * sizeof(*x));
	for (size_t i = 0; !err && i < o->iterations; i++) {
		if (i) {
			tensor_release(base);
			start_residual(x, values, a, b, out, in, o);
		}
		err = quantise(base, x, values, w, o, pool);
		if (err)
			break;
		err = start_factors(a, b, x, out, in, o);
		if (err)
			tensor_release(base);
	}
	free(values);
	free(x);
	return err;
}

const struct start_kind start_loftq = { "loftq", make };
