#include "quant/start.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "base/lapack.h"

static const struct start_kind *const kinds[] = {
	&start_pissa,
	&start_olora,
	&start_loftq,
};

const struct start_kind *start_find(const char *name)
{
	for (size_t i = 0; i < NELEM(kinds); i++)
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

int start_values(float **to, const struct tensor *w)
{
	*to = NULL;
	if (!tensor_is_plain(w))
		return err_set(E_DATA, "%s: it is quantised already; begin "
			       "with a base that is not", w->name);
	*to = malloc(w->count * sizeof(**to));
	if (!*to)
		return err_set(E_NOMEM, "out of memory");
	if (!dtype_to_f32(*to, w->dtype, w->part[0].data, w->count))
		return 0;
	free(*to);
	*to = NULL;
	return err_set(E_DATA, "%s: its values are no plain floats", w->name);
}

int start_factors(float *a, float *b, float *x, size_t out, size_t in,
		  const struct start_options *o)
{
	size_t k = size_min(out, in);
	float *u = malloc((out * k + k + k * in) * sizeof(*u)), *s, *vt;
	int err;

	if (!u)
		return err_set(E_NOMEM, "out of memory");
	s = u + out * k;
	vt = s + k;
	err = lapack_svd(u, s, vt, x, out, in);
	for (size_t i = 0; !err && i < o->rank; i++) {
		float root = (float)sqrt((double)s[i] / o->scale);

		for (size_t j = 0; j < in; j++)
			a[i * in + j] = root * vt[i * in + j];
		for (size_t j = 0; j < out; j++)
			b[j * o->rank + i] = root * u[j * k + i];
	}
	free(u);
	return err;
}

void start_residual(float *to, const float *w, const float *a, const float *b,
		    size_t out, size_t in, const struct start_options *o)
{
	for (size_t i = 0; i < out; i++) {
		float *row = to + i * in;

		if (to != w)
			memcpy(row, w + i * in, in * sizeof(*row));
		for (size_t k = 0; k < o->rank; k++) {
			float x = (float)-o->scale * b[i * o->rank + k];

			for (size_t j = 0; j < in; j++)
				row[j] = fmaf(x, a[k * in + j], row[j]);
		}
	}
}

int start_base(struct tensor *base, const struct tensor *w,
	       const float *values)
{
	int err = tensor_init(base, w->name, w->role, w->dtype, w->rank,
			      w->shape);

	if (!err)
		err = tensor_alloc(base);
	if (!err)
		dtype_from_f32(base->part[0].data, w->dtype, values, w->count);
	if (err)
		tensor_release(base);
	return err;
}
