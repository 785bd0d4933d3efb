/* PiSSA (Meng et al. 2024, arXiv:2404.02948): the first r singular values are
 * trained, the rest is the base. */
#include "quant/start.h"

#include <stdlib.h>
#include <string.h>

static int make(struct tensor *base, float *a, float *b,
		const struct tensor *w, const struct start_options *o,
		struct pool *pool)
{
	size_t out = w->shape[0], in = w->shape[1];
	float *x = malloc(w->count * sizeof(*x)), *values;
	int err = start_values(&values, w);

	(void)pool;
	if (!err && !x)
		err = err_set(E_NOMEM, "out of memory");
	if (!err) {
		memcpy(x, values, w->count * sizeof(*x));
		err = start_factors(a, b, x, out, in, o);
	}
	if (!err) {
		start_residual(values, values, a, b, out, in, o);
		err = start_base(base, w, values);
	}
	free(values);
	free(x);
	return err;
}

const struct start_kind start_pissa = { "pissa", make };
