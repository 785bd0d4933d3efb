/* OLoRA (Buyukakyuz 2024, arXiv:2406.01775): B is the first r columns of Q and
 * A the first r rows of R of W = Q R; the base is W - s B A. */
#include "quant/start.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "base/lapack.h"

static int make(struct tensor *base, float *a, float *b,
		const struct tensor *w, const struct start_options *o,
		struct pool *pool)
{
	size_t out = w->shape[0], in = w->shape[1], k = size_min(out, in);
	float *q = malloc((out * k + k * in + w->count) * sizeof(*q));
	float *values, *r = q + out * k, *x = r + k * in;
	int err = start_values(&values, w);

	(void)pool;
	if (!err && !q)
		err = err_set(E_NOMEM, "out of memory");
	if (!err) {
		memcpy(x, values, w->count * sizeof(*x));
		err = lapack_qr(q, r, x, out, in);
	}
	if (!err) {
		memcpy(a, r, o->rank * in * sizeof(*a));
		for (size_t i = 0; i < out; i++)
			memcpy(b + i * o->rank, q + i * k,
			       o->rank * sizeof(*b));
		start_residual(values, values, a, b, out, in, o);
		err = start_base(base, w, values);
	}
	free(values);
	free(q);
	return err;
}

const struct start_kind start_olora = { "olora", make };
