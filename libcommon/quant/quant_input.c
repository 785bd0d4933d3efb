#include "quant/quant_input.h"

#include <math.h>
#include <stdio.h>

#include "kernel/table.h"

int quant_input_check(const struct tensor *t)
{
	if (!tensor_is_plain(t) || !dtype_is_float(t->part[0].dtype))
		return err_set(E_DATA, "%s: not a plain array of floats",
			       t->name);
	if (!t->count)
		return err_set(E_DATA, "%s: it is empty", t->name);
	return 0;
}

const float *quant_input(const struct tensor *t, float *room, size_t first,
			 size_t n)
{
	const struct tensor_part *p = &t->part[t->node[0].part];
	const char *at = (const char *)p->data +
			 first * dtype_bits(p->dtype) / 8;

	switch (p->dtype) {
	case DTYPE_F32:
		return (const float *)p->data + first;
	case DTYPE_BF16:
		kernels()->bf16_to_f32(room, (const uint16_t *)p->data + first,
				       n);
		break;
	case DTYPE_F16:
		kernels()->f16_to_f32(room, (const uint16_t *)p->data + first,
				      n);
		break;
	default:
		dtype_to_f32(room, p->dtype, at, n);
		break;
	}
	return room;
}

/* "[3, 17]" of element e. */
static void place(char *buf, size_t size, const struct tensor *t, size_t e)
{
	size_t n = 0, inner = t->count;

	for (int i = 0; i < t->rank && n < size; i++) {
		inner /= t->shape[i];
		n += (size_t)snprintf(buf + n, size - n, "%s%zu",
				      i ? ", " : "[", e / inner);
		e %= inner;
	}
	if (n < size)
		snprintf(buf + n, size - n, t->rank ? "]" : "[]");
}

int quant_input_bad(const struct tensor *t, size_t e)
{
	char at[200];
	float x, room;

	for (; e < t->count; e++) {
		x = *quant_input(t, &room, e, 1);
		if (isfinite(x))
			continue;
		place(at, sizeof(at), t, e);
		return err_set(E_DATA, "%s: element %s is %s", t->name, at,
			       isnan(x) ? "NaN" :
			       x < 0	? "-infinity" : "infinity");
	}
	return 0;
}
