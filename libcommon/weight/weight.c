#include "weight/weight.h"

#include "base/size.h"
#include "weight/format.h"
#include "weight/storage.h"

/* The first that matches is taken: fast ones before the one that takes all. */
static const struct weight_format *const format[] = {
	&weight_f32, &weight_bf16, &weight_f16, &weight_nf4, &weight_fp4,
	&weight_book4, &weight_code8, &weight_any,
};

const struct weight_format *weight_format_at(size_t i)
{
	return i < NELEM(format) ? format[i] : NULL;
}

static int bind_shape(struct weight *w, const struct tensor *t)
{
	if (t->rank != 1 && t->rank != 2)
		return err_set(E_DATA, "%s: not a matrix", t->name);
	w->rows = t->rank == 2 ? t->shape[0] : 1;
	w->cols = t->shape[t->rank - 1];
	return 0;
}

int weight_bind(struct weight *w, const struct tensor *t)
{
	*w = (struct weight){ .tensor = t };
	TRY(bind_shape(w, t));
	if (storage_check(t))
		return err_at(E_DATA, "%s", t->name);
	for (size_t i = 0; i < NELEM(format); i++)
		if (format[i]->match(t)) {
			w->format = format[i];
			return w->format->bind(w);
		}
	return err_set(E_DATA, "%s: stored as %s %s, which is no weight",
		       t->name, storage_kind_name(t->node[0].kind),
		       dtype_name(t->dtype));
}

int weight_decode(const struct tensor *t, float *dst, size_t first,
		  size_t count)
{
	size_t end;

	if (storage_check(t))
		return err_at(E_DATA, "%s", t->name);
	if (size_add(&end, first, count) || end > t->count)
		return err_set(E_BUG, "%s: elements past its end", t->name);
	storage_decode(t, 0, dst, first, count);
	return 0;
}
