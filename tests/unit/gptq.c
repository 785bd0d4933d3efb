/* gptq - codes and output errors against the reference's */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/size.h"
#include "quant/gptq.h"
#include "tests/unit/golden.h"
#include "weight/weight.h"

#include <math.h>

static const char *const cases[] = { "E/gptq_b4", "E/gptq_b3", "E/gptq_b2" };

static void matrix(struct tensor *t, struct golden *g)
{
	size_t shape[GOLDEN_RANK], n;
	const float *w = golden_f32(g, "W", &n);

	golden_shape(g, "W", shape);
	assert_int_equal(tensor_init(t, "w", ROLE_LINEAR, DTYPE_F32, 2, shape),
			 0);
	assert_int_equal(tensor_alloc(t), 0);
	memcpy(t->part[0].data, w, n * sizeof(*w));
}

static struct quant_int how_of(struct golden *g)
{
	return (struct quant_int){
		.grid = { (int)json_number(g->json, "bits", 0), GRID_WHOLE,
			  DTYPE_F32, NULL },
		.group = (size_t)json_number(g->json, "group", 0),
	};
}

/* tr(D H D^T) / 2 over D's rows: the mean square of D x, H being 2 / N X^T X,
 * times the rows. */
static double output_error(struct golden *g, const float *d, size_t rows,
			   size_t n)
{
	const float *h = golden_f32(g, "hessian", NULL);
	double sum = 0;

	for (size_t o = 0; o < rows; o++)
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < n; k++)
				sum += (double)d[o * n + i] *
				       (double)h[i * n + k] *
				       (double)d[o * n + k];
	return sum / 2 / (double)rows;
}

static double error_of(struct golden *g, const struct tensor *x,
		       const struct tensor *t)
{
	size_t cols = tensor_cols(x);
	float *v = calloc(x->count, sizeof(*v));
	double error;

	assert_int_equal(weight_decode(t, v, 0, t->count), 0);
	for (size_t i = 0; i < t->count; i++)
		v[i] -= ((const float *)x->part[0].data)[i];
	error = output_error(g, v, t->count / cols, cols);
	free(v);
	return error;
}

static double codes_that_differ(struct golden *g, const struct tensor *t)
{
	const uint8_t *want = golden_raw(g, "q", NULL);
	const uint8_t *q = t->part[t->node[0].part].data;
	size_t differ = 0, bits = (size_t)t->node[0].bits;

	for (size_t e = 0; e < t->count; e++) {
		unsigned code = 0;

		for (size_t b = e * bits; b < (e + 1) * bits; b++)
			code = code << 1 | (q[b / 8] >> (7 - b % 8) & 1);
		differ += code != want[e];
	}
	return (double)differ / (double)t->count;
}

static void check_case(const char *name)
{
	struct gptq_factor f;
	struct quant_int how;
	struct tensor x, t, plain;
	struct golden g;
	double loss, want, error;

	golden_case(&g, name);
	matrix(&x, &g);
	how = how_of(&g);
	assert_int_equal(gptq_factor(&f, golden_f32(&g, "hessian", NULL),
				     tensor_cols(&x),
				     json_number(g.json, "damp", 0)), 0);
	assert_true(f.damp == json_number(g.json, "damp", 0));
	assert_true(f.dead[3] && !f.dead[2]);
	assert_int_equal(gptq(&t, &x, &f, &how, &loss, NULL), 0);
	golden_report(name, "share of codes that differ",
		      codes_that_differ(&g, &t), 0.01);
	want = json_number(g.json, "output_mse", 0);
	error = error_of(&g, &x, &t);
	golden_report(name, "output error, relative",
		      fabs(error / want - 1), 0.01);
	want = json_number(g.json, "loss", 0);
	golden_report(name, "loss, relative", fabs(loss / 2 / want - 1), 1e-3);
	assert_int_equal(quant_int(&plain, &x, &how, NULL), 0);
	golden_report(name, "output error of rounding, relative",
		      fabs(error_of(&g, &x, &plain) / json_number(
			      g.json, "output_mse_round_to_nearest", 0) - 1),
		      0.01);
	assert_true(error < error_of(&g, &x, &plain));
	tensor_release(&x);
	tensor_release(&t);
	tensor_release(&plain);
	gptq_factor_release(&f);
	golden_close(&g);
}

static void the_reference(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++)
		check_case(cases[i]);
}

static void the_same_bytes_for_any_pool(void **state)
{
	struct gptq_factor f;
	struct quant_int how;
	struct tensor x, one, two;
	struct golden g;
	struct pool *pool;
	double loss, again;

	(void)state;
	golden_case(&g, cases[1]);
	matrix(&x, &g);
	how = how_of(&g);
	assert_int_equal(pool_new(&pool, 3), 0);
	assert_int_equal(gptq_factor(&f, golden_f32(&g, "hessian", NULL),
				     tensor_cols(&x), 0.01), 0);
	assert_int_equal(gptq(&one, &x, &f, &how, &loss, NULL), 0);
	assert_int_equal(gptq(&two, &x, &f, &how, &again, pool), 0);
	assert_true(loss == again);
	for (int i = 0; i < one.npart; i++)
		assert_memory_equal(one.part[i].data, two.part[i].data,
				    one.part[i].bytes);
	((float *)x.part[0].data)[100] = NAN;
	tensor_release(&two);
	assert_int_equal(gptq(&two, &x, &f, &how, &again, pool), E_DATA);
	assert_non_null(strstr(err_text(), "is NaN"));
	tensor_release(&x);
	tensor_release(&one);
	gptq_factor_release(&f);
	pool_free(pool);
	golden_close(&g);
}

/* Products that are not positive definite get more damping; NaN is an error. */
static void hard_products(void **state)
{
	float h[4] = { 1, 1.5f, 1.5f, 1 };
	struct gptq_factor f;

	(void)state;
	assert_int_equal(gptq_factor(&f, h, 2, 0.01), 0);
	assert_true(f.damp > 0.5 && f.damp < 2);
	gptq_factor_release(&f);
	h[0] = NAN;
	assert_int_equal(gptq_factor(&f, h, 2, 0.01), E_DATA);
	gptq_factor_release(&f);
	h[0] = h[3] = 0; /* nothing came in: plain rounding */
	h[1] = h[2] = 0;
	assert_int_equal(gptq_factor(&f, h, 2, 0.01), 0);
	assert_true(f.dead[0] && f.dead[1] && f.u[1] == 0);
	gptq_factor_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reference),
		cmocka_unit_test(the_same_bytes_for_any_pool),
		cmocka_unit_test(hard_products),
	};

	return cmocka_run_group_tests_name("gptq", tests, NULL, NULL);
}
