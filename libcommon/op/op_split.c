/*
 * A wide row cut into parts: q, k, v of one product, gate and up of another.
 *
 * Numbers: groups (absent: 1), and the size of each part, in any unit (absent:
 * all the same). The row is so many groups in a row, each with the parts one
 * behind the other; a part gathers its pieces of all groups.
 */
#include "op/op.h"

#include <math.h>
#include <string.h>

static int whole(double x)
{
	return x >= 1 && x <= 65536 && x == floor(x);
}

static int split_shape(struct op_node *n)
{
	double groups = isnan(n->number[0]) ? 1 : n->number[0], all = 0;
	double unit;

	for (size_t i = 0; i < n->nout; i++) {
		double part = i + 1 < OP_NUMBERS ? n->number[i + 1] : NAN;

		if (isnan(n->number[1]) ? 0 : !whole(part))
			return err_set(E_DATA, "split: part %zu of %g", i + 1,
				       part);
		all += isnan(n->number[1]) ? 1 : part;
	}
	unit = whole(groups) && n->nout ?
	       (double)n->in_cols[0] / (groups * all) : 0;
	if (unit < 1 || unit != floor(unit))
		return err_set(E_DATA, "split: rows of %zu into %g groups of "
			       "%g", n->in_cols[0], groups, all);
	for (size_t i = 0; i < n->nout; i++)
		n->out_cols[i] = (size_t)(groups * unit *
			(isnan(n->number[1]) ? 1 : n->number[i + 1]));
	return 0;
}

static void copy(float *to, const float *from, size_t n, int add)
{
	if (!add)
		memcpy(to, from, n * sizeof(*to));
	else
		for (size_t i = 0; i < n; i++)
			to[i] += from[i];
}

/* Both directions: the wide row is x in forward, dx in backward. */
static void move(const struct op_call *c, size_t i, float *wide,
		 const struct mat *part, int back, int add)
{
	const struct op_node *n = c->node;
	size_t groups = isnan(n->number[0]) ? 1 : (size_t)n->number[0];

	for (size_t g = 0; g < groups; g++)
		for (size_t k = 0; k < n->nout; k++) {
			size_t d = n->out_cols[k] / groups;
			float *at = mat_row(part[k], i) + g * d;

			copy(back ? wide : at, back ? at : wide, d, add);
			wide += d;
		}
}

static void forward_rows(const struct op_call *c, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		move(c, i, mat_row(c->in[0], i), c->out, 0, 0);
}

static void split_forward(const struct op_call *c)
{
	op_rows(c, forward_rows);
}

static void backward_rows(const struct op_call *c, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		move(c, i, mat_row(c->din[0], i), c->dout, 1, c->add[0]);
}

static void split_backward(const struct op_call *c)
{
	op_rows(c, backward_rows);
}

const struct op op_split = {
	.name = "split",
	.nin = 1,
	.shape = split_shape,
	.forward = split_forward,
	.backward = split_backward,
};
