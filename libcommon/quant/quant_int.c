#include "quant/quant_int.h"

#include <math.h>
#include <stdlib.h>

#include "base/size.h"
#include "quant/quant_input.h"
#include "weight/codes.h"

enum { ROWS = 8 };      /* of a task: their codes are whole bytes */

int quant_int_bits_ok(size_t bits)
{
	return bits == 2 || bits == 3 || bits == 4 || bits == 8;
}

/* The largest divisor of cols that is at most group. */
static size_t nearest_group(size_t cols, size_t group)
{
	while (cols % group)
		group--;
	return group;
}

int quant_int_group(size_t *group, const struct tensor *t,
		    const struct quant_int *q)
{
	size_t cols = tensor_cols(t);

	*group = q->group ? q->group : cols;
	if (!*group || cols % *group)
		return err_set(E_CONFIG, "%s: rows of %zu weights cannot be "
			       "cut into groups of %zu; --group %zu would do, "
			       "or --skip", t->name, cols, *group,
			       nearest_group(cols, size_max(1, *group)));
	if (q->grid.entropy && *group > ENTROPY_MOST)
		return err_set(E_CONFIG, "%s: groups of %zu weights are too "
			       "large for --icq; --group %zu would do",
			       t->name, *group,
			       nearest_group(cols, ENTROPY_MOST));
	return 0;
}

static enum dtype code_dtype(int bits)
{
	return bits == 2 ? DTYPE_U2 : bits == 3 ? DTYPE_U3 :
	       bits == 4 ? DTYPE_U4 : DTYPE_U8;
}

/* Scales and zeros before codes; see tensor/tensor.h. */
int quant_int_shape(struct tensor *to, const struct tensor *from,
		    const struct quant_int *q)
{
	size_t group, n;
	struct storage *s = to->node;
	int err;

	TRY(quant_int_group(&group, from, q));
	TRY(tensor_init(to, from->name, from->role, from->dtype, from->rank,
			from->shape));
	n = from->count / group;
	to->nnode = to->npart = 0;
	tensor_node(to, STORE_INT, from->count);
	s[0].scale = tensor_node(to, STORE_RAW, n);
	s[0].zero = tensor_node(to, q->grid.zero == GRID_MIDDLE ?
				STORE_CONST : STORE_RAW, n);
	s[0].block = group;
	s[0].bits = q->grid.bits;
	s[1].dtype = q->grid.scale;
	s[1].part = tensor_part(to, s[1].dtype, n);
	s[2].dtype = DTYPE_F32;
	s[2].value = 1 << (q->grid.bits - 1);
	if (q->grid.zero == GRID_WHOLE)
		s[2].dtype = DTYPE_U8;
	if (q->grid.zero != GRID_MIDDLE)
		s[2].part = tensor_part(to, s[2].dtype, n);
	s[0].part = tensor_part(to, code_dtype(q->grid.bits), from->count);
	err = tensor_alloc(to);
	if (err)
		tensor_release(to);
	return err;
}

void quant_int_put(struct tensor *to, size_t row, const uint8_t *code,
		   const struct int_grid *grid)
{
	const struct storage *s = to->node;
	size_t cols = tensor_cols(to), n = cols / s[0].block;
	size_t width = dtype_bits(s[1].dtype) / 8;
	char *scale = (char *)to->part[s[1].part].data + row * n * width;

	codes_pack(to->part[s[0].part].data, (size_t)s[0].bits, row * cols,
		   code, cols);
	for (size_t i = 0; i < n; i++) {
		dtype_from_f32(scale + i * width, s[1].dtype, &grid[i].scale,
			       1);
		if (s[2].part < 0)
			continue;
		if (s[2].dtype == DTYPE_U8)
			((uint8_t *)to->part[s[2].part].data)[row * n + i] =
				(uint8_t)grid[i].zero;
		else
			((float *)to->part[s[2].part].data)[row * n + i] =
				grid[i].zero;
	}
}

struct job {
	const struct quant_int *q;
	const struct tensor *from;
	struct tensor *to;
	size_t rows, cols, group;
	char *room;             /* lanes of stride bytes: a row of floats, of
				 * grids, of codes */
	size_t stride;
	size_t *bad;            /* a task's first group without a grid + 1 */
};

static void encode_row(const struct job *j, char *room, size_t row,
		       size_t *bad)
{
	size_t n = j->cols / j->group;
	struct int_grid *grid = (struct int_grid *)room;
	float *x = (float *)(grid + n);
	uint8_t *code = (uint8_t *)(x + j->cols);
	const float *w = quant_input(j->from, x, row * j->cols, j->cols);

	for (size_t i = 0; i < n; i++, w += j->group) {
		int_grid_find(&grid[i], &j->q->grid, w, j->group);
		if (!isfinite(grid[i].scale) || !isfinite(grid[i].zero)) {
			*bad = *bad ? *bad : row * n + i + 1;
			return;
		}
		int_grid_codes(code + i * j->group, &grid[i], w, j->group);
	}
	quant_int_put(j->to, row, code, grid);
}

static void encode(void *ctx, size_t task, size_t lane)
{
	const struct job *j = ctx;
	size_t row = task * ROWS, end = size_min(row + ROWS, j->rows);

	for (; row < end; row++)
		encode_row(j, j->room + lane * j->stride, row, &j->bad[task]);
}

static int check(const struct job *j, size_t ntask)
{
	for (size_t i = 0; i < ntask; i++) {
		size_t e;

		if (!j->bad[i])
			continue;
		e = (j->bad[i] - 1) * j->group;
		TRY(quant_input_bad(j->from, e));
		return err_set(E_DATA, "%s: the range of the %zu weights from "
			       "element %zu on does not fit its scale's type",
			       j->from->name, j->group, e);
	}
	return 0;
}

static int run(struct job *j, struct pool *pool)
{
	size_t ntask = size_ceil(j->rows, ROWS);
	int err;

	j->stride = size_align(j->cols / j->group * sizeof(struct int_grid) +
			       j->cols * (sizeof(float) + 1), 64);
	j->room = malloc(pool_lanes(pool) * j->stride);
	j->bad = calloc(ntask + 1, sizeof(*j->bad));
	if (j->room && j->bad) {
		pool_run(pool, ntask, encode, j);
		err = check(j, ntask);
	} else {
		err = err_set(E_NOMEM, "%s: out of memory", j->from->name);
	}
	free(j->room);
	free(j->bad);
	return err;
}

int quant_int(struct tensor *to, const struct tensor *from,
	      const struct quant_int *q, struct pool *pool)
{
	struct job j = { q, from, to };
	int err;

	TRY(quant_input_check(from));
	TRY(quant_int_group(&j.group, from, q));
	TRY(quant_int_shape(to, from, q));
	j.cols = tensor_cols(from);
	j.rows = from->count / j.cols;
	err = run(&j, pool);
	if (err)
		tensor_release(to);
	return err;
}
