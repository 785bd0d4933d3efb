#include "quant/gptq.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/lapack.h"
#include "base/size.h"
#include "kernel/table.h"
#include "quant/quant_input.h"

enum { ROWS = 8 };      /* of a task: their codes are whole bytes */

/* ---- the factor ---- */

static double mean_of_diagonal(const struct gptq_factor *f, const float *h)
{
	double sum = 0;

	for (size_t i = 0; i < f->n; i++)
		sum += f->dead[i] ? 1 : (double)h[i * f->n + i];
	return sum / (double)f->n;
}

/* a: H with add on its diagonal, and 1 there for dead inputs. */
static void damped(double *a, const struct gptq_factor *f, const float *h,
		   double add)
{
	for (size_t i = 0; i < f->n * f->n; i++)
		a[i] = (double)h[i];
	for (size_t i = 0; i < f->n; i++)
		a[i * f->n + i] += add + (f->dead[i] ? 1 : 0);
}

static int factor(struct gptq_factor *f, double *a, const float *h)
{
	double mean = mean_of_diagonal(f, h);

	if (!isfinite(mean))
		return err_set(E_DATA, "the inputs of calibration are not "
			       "finite");
	for (; f->damp < 1e3; f->damp *= 10) {
		damped(a, f, h, f->damp * mean);
		if (lapack_cholesky_of_inverse(a, f->n))
			continue;
		for (size_t i = 0; i < f->n; i++)
			for (size_t k = i; k < f->n; k++)
				f->u[i * f->n + k] = (float)a[i * f->n + k];
		return 0;
	}
	return err_set(E_DATA, "the inputs of calibration have no positive "
		       "definite products");
}

int gptq_factor(struct gptq_factor *f, const float *h, size_t n, double damp)
{
	size_t count;
	double *a;
	int err;

	*f = (struct gptq_factor){ .n = n, .damp = damp };
	if (size_mul(&count, n, n) || size_mul(&count, count, sizeof(*a)))
		return err_set(E_NOMEM, "out of memory");
	a = malloc(count);
	f->u = calloc(n * n, sizeof(*f->u));
	f->dead = calloc(n, 1);
	if (a && f->u && f->dead) {
		for (size_t i = 0; i < n; i++)
			f->dead[i] = h[i * n + i] == 0;
		err = factor(f, a, h);
	} else {
		err = err_set(E_NOMEM, "out of memory");
	}
	free(a);
	return err;
}

void gptq_factor_release(struct gptq_factor *f)
{
	free(f->u);
	free(f->dead);
	*f = (struct gptq_factor){ 0 };
}

/* ---- the rows ---- */

struct job {
	const struct tensor *from;
	struct tensor *to;
	const struct gptq_factor *f;
	const struct quant_int *q;
	size_t rows, group;
	char *room;             /* lanes of stride bytes: ROWS rows of floats,
				 * of grids, of codes */
	size_t stride;
	double *loss;           /* a task's */
	int *bad;
};

/* A task's rows, where they are worked on. */
struct rows {
	size_t n, groups;
	struct int_grid *grid;
	float *w;
	uint8_t *code;
};

static struct rows rows_of(const struct job *j, char *room, size_t n)
{
	size_t groups = j->f->n / j->group;
	struct rows r = { n, groups, (struct int_grid *)room, NULL, NULL };

	r.w = (float *)(r.grid + ROWS * groups);
	r.code = (uint8_t *)(r.w + ROWS * j->f->n);
	return r;
}

static void load(const struct job *j, struct rows *r, size_t first)
{
	size_t n = j->f->n;

	for (size_t i = 0; i < r->n; i++) {
		float *w = r->w + i * n;
		const float *at = quant_input(j->from, w, (first + i) * n, n);

		if (at != w)
			memcpy(w, at, n * sizeof(*w));
		for (size_t k = 0; k < n; k++)
			w[k] = j->f->dead[k] ? 0 : w[k];
	}
}

/* Rounds w[i]; the rest of the row makes up for it. Returns e. */
static float round_one(const struct job *j, float *w, uint8_t *code,
		       struct int_grid *grid, size_t i)
{
	const float *u = j->f->u + i * j->f->n + i;
	struct int_grid *g = &grid[i / j->group];
	float e;

	if (i % j->group == 0)
		int_grid_find(g, &j->q->grid, w + i, j->group);
	code[i] = (uint8_t)int_grid_code(g, w[i]);
	e = (w[i] - int_grid_value(g, code[i])) / u[0];
	kernels()->vaxpy(w + i, -e, u, j->f->n - i);
	return e;
}

static int is_bad(const struct rows *r)
{
	for (size_t i = 0; i < r->n * r->groups; i++)
		if (!isfinite(r->grid[i].scale) || !isfinite(r->grid[i].zero))
			return 1;
	return 0;
}

static void run(void *ctx, size_t task, size_t lane)
{
	const struct job *j = ctx;
	size_t first = task * ROWS, n = j->f->n;
	struct rows r = rows_of(j, j->room + lane * j->stride,
				size_min(ROWS, j->rows - first));
	double loss = 0;

	load(j, &r, first);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < r.n; k++) {
			double e = (double)round_one(j, r.w + k * n,
						     r.code + k * n,
						     r.grid + k * r.groups, i);

			loss += e * e;
		}
	j->loss[task] = loss;
	j->bad[task] = is_bad(&r);
	for (size_t k = 0; k < r.n && !j->bad[task]; k++)
		quant_int_put(j->to, first + k, r.code + k * n,
			      r.grid + k * r.groups);
}

static int run_all(struct job *j, double *loss, struct pool *pool)
{
	size_t ntask = size_ceil(j->rows, ROWS), bad = 0;

	*loss = 0;
	pool_run(pool, ntask, run, j);
	for (size_t i = 0; i < ntask; i++) {
		*loss += j->loss[i];
		bad += j->bad[i] != 0;
	}
	if (!bad)
		return 0;
	TRY(quant_input_bad(j->from, 0));
	return err_set(E_DATA, "%s: the range of a group does not fit its "
		       "scale's type", j->from->name);
}

static int solve(struct job *j, double *loss, struct pool *pool)
{
	size_t ntask = size_ceil(j->rows, ROWS), n = j->f->n;
	int err;

	j->stride = size_align(ROWS * (n / j->group * sizeof(struct int_grid) +
				       n * (sizeof(float) + 1)), 64);
	j->room = malloc(pool_lanes(pool) * j->stride);
	j->loss = calloc(ntask + 1, sizeof(*j->loss));
	j->bad = calloc(ntask + 1, sizeof(*j->bad));
	err = j->room && j->loss && j->bad ?
	      run_all(j, loss, pool) :
	      err_set(E_NOMEM, "%s: out of memory", j->from->name);
	free(j->room);
	free(j->loss);
	free(j->bad);
	return err;
}

int gptq(struct tensor *to, const struct tensor *from,
	 const struct gptq_factor *f, const struct quant_int *q, double *loss,
	 struct pool *pool)
{
	struct job j = { .from = from, .to = to, .f = f, .q = q };
	int err;

	TRY(quant_input_check(from));
	if (tensor_cols(from) != f->n)
		return err_set(E_BUG, "%s: %zu columns, calibrated %zu",
			       from->name, tensor_cols(from), f->n);
	TRY(quant_int_group(&j.group, from, q));
	TRY(quant_int_shape(to, from, q));
	j.rows = from->count / f->n;
	err = solve(&j, loss, pool);
	if (err)
		tensor_release(to);
	return err;
}
