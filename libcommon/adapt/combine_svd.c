#include "adapt/combine_svd.h"

#include <math.h>
#include <stdlib.h>

#include "adapt/adapt_lora.h"
#include "base/lapack.h"
#include "base/size.h"

/* to (m, n) = x (m, k) y^T (n, k). */
static void product(float *to, const float *x, const float *y, size_t m,
		    size_t n, size_t k)
{
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < n; j++) {
			double sum = 0;

			for (size_t l = 0; l < k; l++)
				sum += (double)x[i * k + l] *
				       (double)y[j * k + l];
			to[i * n + j] = (float)sum;
		}
}

static void transpose(float *to, const float *from, size_t rows, size_t cols)
{
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < cols; j++)
			to[j * rows + i] = from[i * cols + j];
}

/* What svd works with, for B (out, sum) and A (sum, in). */
struct core {
	size_t kb, ka, k;       /* columns of Q_b, Q_a; the lesser */
	float *qb, *rb, *qa, *ra, *at, *core, *u, *s, *vt;
	float *room;
};

static int core_room(struct core *c, size_t out, size_t in, size_t sum)
{
	c->kb = size_min(out, sum);
	c->ka = size_min(in, sum);
	c->k = size_min(c->kb, c->ka);
	c->room = calloc(out * c->kb + c->kb * sum + in * c->ka +
			 c->ka * sum + in * sum + c->kb * c->ka +
			 c->kb * c->k + c->k + c->k * c->ka, sizeof(float));
	if (!c->room)
		return err_set(E_NOMEM, "out of memory");
	c->qb = c->room;
	c->rb = c->qb + out * c->kb;
	c->qa = c->rb + c->kb * sum;
	c->ra = c->qa + in * c->ka;
	c->at = c->ra + c->ka * sum;
	c->core = c->at + in * sum;
	c->u = c->core + c->kb * c->ka;
	c->s = c->u + c->kb * c->k;
	c->vt = c->s + c->k;
	return 0;
}

/* B A = Q_b (R_b R_a^T) Q_a^T, and the middle is small. */
static int decompose(struct core *c, float *b, const float *a, size_t out,
		     size_t in, size_t sum)
{
	transpose(c->at, a, sum, in);
	TRY(lapack_qr(c->qb, c->rb, b, out, sum));
	TRY(lapack_qr(c->qa, c->ra, c->at, in, sum));
	product(c->core, c->rb, c->ra, c->kb, c->ka, sum);
	return lapack_svd(c->u, c->s, c->vt, c->core, c->kb, c->ka);
}

/* The first values, each factor with the root. */
static void take_first(const struct core *c, struct adapter *to)
{
	float *a = to->param[LORA_A].at, *b = to->param[LORA_B].at;
	size_t in = to->param[LORA_A].cols;

	for (size_t r = 0; r < to->rank && r < c->k; r++) {
		double root = sqrt((double)c->s[r]);

		for (size_t j = 0; j < in; j++) {
			double x = 0;

			for (size_t l = 0; l < c->ka; l++)
				x += (double)c->vt[r * c->ka + l] *
				     (double)c->qa[j * c->ka + l];
			a[r * in + j] = (float)(root * x);
		}
		for (size_t i = 0; i < to->out; i++) {
			double x = 0;

			for (size_t l = 0; l < c->kb; l++)
				x += (double)c->qb[i * c->kb + l] *
				     (double)c->u[l * c->k + r];
			b[i * to->rank + r] = (float)(root * x);
		}
	}
}

int combine_svd(struct adapter *to, const float *a, float *b, size_t sum)
{
	struct core core = { 0 };
	size_t in = to->param[LORA_A].cols;
	int err = core_room(&core, to->out, in, sum);

	if (!err)
		err = decompose(&core, b, a, to->out, in, sum);
	if (!err)
		take_first(&core, to);
	free(core.room);
	return err;
}
