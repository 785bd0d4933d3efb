#include "weight/plain.h"

#include <math.h>
#include <stdlib.h>

#include "base/size.h"
#include "weight/weight.h"

enum { CHUNK = 64 << 10 };      /* values that are converted at a time */

/* Does a finite value of x become infinite as d? */
static int overflows(enum dtype d, const float *x, size_t n)
{
	for (size_t i = 0; i < n && d == DTYPE_F16; i++)
		if (isfinite(x[i]) && fabsf(x[i]) >= 65520)
			return 1;
	return 0;
}

static int convert(struct tensor *to, const struct tensor *t, enum dtype d,
		   float *chunk)
{
	TRY(tensor_alloc(to));
	for (size_t i = 0; i < t->count; i += CHUNK) {
		size_t n = size_min(CHUNK, t->count - i);
		char *dst = to->part[0].data;

		TRY(weight_decode(t, chunk, i, n));
		if (dtype_from_f32(dst + i * dtype_bits(d) / 8, d, chunk, n))
			return err_set(E_BUG, "%s: no float", t->name);
		if (overflows(d, chunk, n))
			return err_set(E_DATA, "%s: a value is too large for "
				       "%s", t->name, dtype_name(d));
	}
	return 0;
}

int weight_plain(struct tensor *to, const struct tensor *t, enum dtype d)
{
	float *chunk;
	int err;

	TRY(tensor_init(to, t->name, t->role, d, t->rank, t->shape));
	chunk = malloc(CHUNK * sizeof(*chunk));
	err = chunk ? convert(to, t, d, chunk) :
		      err_set(E_NOMEM, "out of memory");
	free(chunk);
	if (err)
		tensor_release(to);
	return err;
}
