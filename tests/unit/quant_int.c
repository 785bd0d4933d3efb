/* quant_int - against the reference's codes, and the laws of the storage */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/size.h"
#include "quant/quant_int.h"
#include "tests/unit/golden.h"
#include "weight/weight.h"

#include <math.h>

static struct entropy table;

/* A plain f32 matrix of these values. */
static void matrix(struct tensor *t, const float *w, size_t rows, size_t cols)
{
	size_t shape[2] = { rows, cols };

	assert_int_equal(tensor_init(t, "w", ROLE_LINEAR, DTYPE_F32, 2, shape),
			 0);
	assert_int_equal(tensor_alloc(t), 0);
	memcpy(t->part[0].data, w, rows * cols * sizeof(float));
}

static void random_matrix(struct tensor *t, size_t rows, size_t cols)
{
	float *w = malloc(rows * cols * sizeof(*w));

	assert_non_null(w);
	for (size_t i = 0; i < rows * cols; i++)
		w[i] = (float)((int)(i * 2654435761u >> 7 & 0xffff) - 30000) *
		       (1 + (float)(i / 32 % 17)) * 1e-6f;
	matrix(t, w, rows, cols);
	free(w);
}

static const void *part(const struct tensor *t, int node)
{
	return t->part[t->node[node].part].data;
}

/* Codes of the tensor, a byte each, by another way than it was written. */
static unsigned code_at(const struct tensor *t, size_t e)
{
	const uint8_t *q = part(t, 0);
	unsigned code = 0;

	for (int i = 0; i < t->node[0].bits; i++) {
		size_t bit = e * (size_t)t->node[0].bits + (size_t)i;

		code = code << 1 | (q[bit / 8] >> (7 - bit % 8) & 1);
	}
	return code;
}

static size_t codes_that_differ(const struct tensor *t, struct golden *g)
{
	const uint8_t *want = golden_raw(g, "q", NULL);
	size_t n = 0;

	for (size_t e = 0; e < t->count; e++)
		n += code_at(t, e) != want[e];
	return n;
}

static double largest(const float *got, const float *want, size_t n)
{
	double most = 0;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, fabs((double)got[i] - (double)want[i]) /
					  fmax(1, fabs((double)want[i])));
	return most;
}

static void check_case(const char *name, enum int_grid_zero zero,
		       const struct entropy *entropy)
{
	struct quant_int q = { .grid = { .zero = zero, .scale = DTYPE_F32,
					 .entropy = entropy } };
	size_t shape[GOLDEN_RANK], n;
	struct tensor x, t;
	struct golden g;
	float *decoded;
	const float *want;

	golden_case(&g, name);
	golden_shape(&g, "W", shape);
	q.grid.bits = (int)json_number(g.json, "bits", 0);
	q.group = (size_t)json_number(g.json, "group", 0);
	matrix(&x, golden_f32(&g, "W", NULL), shape[0], shape[1]);
	assert_int_equal(quant_int(&t, &x, &q, NULL), 0);
	golden_report(name, "codes that differ",
		      (double)codes_that_differ(&t, &g), 0);
	want = golden_f32(&g, "scale", &n);
	golden_report(name, "scales", largest(part(&t, 1), want, n), 0);
	want = golden_f32(&g, "zero", &n);
	if (zero == GRID_REAL)
		golden_report(name, "zeros", largest(part(&t, 2), want, n), 0);
	for (size_t i = 0; zero == GRID_WHOLE && i < n; i++)
		assert_true(((const uint8_t *)part(&t, 2))[i] == want[i]);
	decoded = calloc(x.count, sizeof(*decoded));
	assert_int_equal(weight_decode(&t, decoded, 0, x.count), 0);
	want = golden_f32(&g, "dequantised", NULL);
	golden_report(name, "values", largest(decoded, want, x.count), 5e-7);
	free(decoded);
	tensor_release(&x);
	tensor_release(&t);
	golden_close(&g);
}

static void the_reference_s_codes(void **state)
{
	(void)state;
	check_case("E/qalora_b4", GRID_REAL, NULL);
	check_case("E/qalora_b3", GRID_REAL, NULL);
	check_case("E/qalora_b2", GRID_REAL, NULL);
	check_case("E/icq_int4", GRID_WHOLE, &table);
	check_case("E/icq_int3", GRID_WHOLE, &table);
}

/* No value is further from its weight than half a step. */
static void check_error(const struct quant_int *q, const struct tensor *x)
{
	static float v[24 * 96];
	const float *w = x->part[0].data;
	struct tensor t;
	size_t group;

	if (quant_int(&t, x, q, NULL))
		fail_msg("%s", err_text());
	group = t.node[0].block;
	assert_int_equal(weight_decode(&t, v, 0, x->count), 0);
	for (size_t i = 0; i < x->count; i += group) {
		float scale, most = 0;

		dtype_to_f32(&scale, t.node[1].dtype, (const char *)part(&t, 1)
			     + i / group * dtype_bits(t.node[1].dtype) / 8, 1);
		for (size_t k = i; k < i + group; k++)
			most = fmaxf(most, fabsf(v[k] - w[k]));
		/* a rounded scale moves the ends of the range */
		assert_true(most <= scale * (q->grid.scale == DTYPE_F32 ?
					     0.5001f : 1.6f));
		assert_true(most >= scale * 0.01f);
	}
	tensor_release(&t);
}

static void an_error_of_half_a_step_at_most(void **state)
{
	static const enum dtype types[] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16 };
	static const size_t groups[] = { 32, 16, 0 };
	static const int bits[] = { 2, 3, 4, 8 };
	struct tensor x;

	(void)state;
	random_matrix(&x, 24, 96);
	for (size_t i = 0; i < 3 * 4 * 2 * 3; i++)
		check_error(&(struct quant_int){
			.grid = { .bits = bits[i / 3 % 4],
				  .zero = (enum int_grid_zero)(i / 12 % 2),
				  .scale = types[i / 24] },
			.group = groups[i % 3] }, &x);
	tensor_release(&x);
}

static void a_zero_in_the_middle_is_stored_once(void **state)
{
	struct quant_int q = { { 4, GRID_MIDDLE, DTYPE_F16, NULL }, 32 };
	struct tensor x, t;
	float v[2 * 32], w[2 * 32] = { 0 };

	(void)state;
	w[3] = -7.5f;
	w[32 + 3] = 4;
	matrix(&x, w, 2, 32);
	assert_int_equal(quant_int(&t, &x, &q, NULL), 0);
	assert_int_equal(t.npart, 2);
	assert_int_equal(t.node[2].kind, STORE_CONST);
	assert_int_equal(weight_decode(&t, v, 0, 64), 0);
	assert_true(v[0] == 0 && v[40] == 0 && v[3] == -8);
	tensor_release(&x);
	tensor_release(&t);
}

/* Rows that do not begin on a byte, more than a task's, from threads. */
static void the_same_bytes_for_any_pool(void **state)
{
	struct quant_int q = { { 3, GRID_REAL, DTYPE_F32, NULL }, 5 };
	struct tensor x, one, two;
	struct pool *pool;

	(void)state;
	random_matrix(&x, 331, 35);
	assert_int_equal(pool_new(&pool, 3), 0);
	assert_int_equal(quant_int(&one, &x, &q, NULL), 0);
	assert_int_equal(quant_int(&two, &x, &q, pool), 0);
	for (int i = 0; i < one.npart; i++)
		assert_memory_equal(one.part[i].data, two.part[i].data,
				    one.part[i].bytes);
	pool_free(pool);
	tensor_release(&x);
	tensor_release(&one);
	tensor_release(&two);
}

static void bad_input_is_refused(void **state)
{
	struct quant_int q = { { 4, GRID_REAL, DTYPE_F32, NULL }, 32 };
	struct tensor x, t;
	float *w;

	(void)state;
	random_matrix(&x, 9, 96);
	w = x.part[0].data;
	w[7 * 96 + 40] = NAN;
	assert_int_equal(quant_int(&t, &x, &q, NULL), E_DATA);
	assert_string_equal(err_text(), "w: element [7, 40] is NaN");
	w[7 * 96 + 40] = -INFINITY;
	assert_int_equal(quant_int(&t, &x, &q, NULL), E_DATA);
	assert_string_equal(err_text(), "w: element [7, 40] is -infinity");
	w[7 * 96 + 40] = 3e38f;
	w[7 * 96 + 41] = -3e38f;
	assert_int_equal(quant_int(&t, &x, &q, NULL), E_DATA);
	assert_non_null(strstr(err_text(), "range"));
	w[7 * 96 + 40] = w[7 * 96 + 41] = 0;
	q.group = 36;
	assert_int_equal(quant_int(&t, &x, &q, NULL), E_CONFIG);
	assert_non_null(strstr(err_text(), "--group 32"));
	tensor_release(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reference_s_codes),
		cmocka_unit_test(an_error_of_half_a_step_at_most),
		cmocka_unit_test(a_zero_in_the_middle_is_stored_once),
		cmocka_unit_test(the_same_bytes_for_any_pool),
		cmocka_unit_test(bad_input_is_refused),
	};

	entropy_init(&table);
	return cmocka_run_group_tests_name("quant_int", tests, NULL, NULL);
}
