/* adapt - laws that every kind keeps, beside a dense weight */
#include "adapt/adapt_kind.h"
#include "adapt/spec.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { OUT = 28, IN = 36, ROWS = 9, RANK = 5, BATCH = 2,
       GROUP = 6 };

static _Alignas(64) float dense[OUT * IN], x[ROWS * IN], dy[ROWS * OUT],
	y[ROWS * OUT], dx[ROWS * IN], keep[ROWS * 64], scratch[ROWS * IN];
static const uint32_t ids[ROWS] = { 3, 1, 4, 1, 5, 9, 2, 6, 5 };
static const uint32_t pos[ROWS] = { 0, 1, 2, 3, 4, 0, 1, 2, 3 };
static const size_t starts[BATCH + 1] = { 0, 5, ROWS };
static const uint64_t sample[BATCH] = { 11, 7 };
static const struct batch batch = { .n = ROWS, .nseq = BATCH, .id = ids,
				    .pos = pos, .start = starts,
				    .sample = sample };

struct bench {
	json_t *config;         /* what kinds read of it */
	struct adapter_set set;
	struct tensor tensor;
	struct weight weight;
	struct adapt_pass pass;
	void *space;
};

static void random_fill(float *to, size_t n, const char *name, float size)
{
	struct rng r = rng_of(1, name);

	for (size_t i = 0; i < n; i++)
		to[i] = (2 * rng_uniform(r, i) - 1) * size;
}

/* What the kind takes for constant: slopes are measured beside it. */
static void refresh(struct bench *b)
{
	struct adapter *a = &b->set.at[0];

	if (a->kind->refresh)
		assert_int_equal(a->kind->refresh(a, &b->weight, NULL), 0);
}

static void setup(struct bench *b, const char *kind, double dropout)
{
	*b = (struct bench){ .config = json_pack(
		"{s:{s:[i,i,i]}}", "trainable_token_indices", "q", 3, 27,
		0) };
	struct adapter_options o = { .kind = kind, .rank = RANK, .alpha = 8,
				     .dropout = dropout,
				     .extra = b->config };
	struct adapter_site site = { "m.q", OUT, IN, ROLE_LINEAR, GROUP };
	size_t dims[2] = { OUT, IN }, space;

	random_fill(dense, OUT * IN, "w", 0.5f);
	random_fill(x, ROWS * IN, "x", 1);
	random_fill(dy, ROWS * OUT, "dy", 1);
	assert_int_equal(tensor_init(&b->tensor, "m.q.weight", ROLE_LINEAR,
				     DTYPE_F32, 2, dims), 0);
	b->tensor.part[0].data = dense;
	assert_int_equal(weight_bind(&b->weight, &b->tensor), 0);
	assert_int_equal(adapter_set_add(&b->set, &site, &o), 0);
	assert_int_equal(adapter_set_place(&b->set, 1), 0);
	b->set.at[0].seed = 5;
	assert_int_equal(b->set.at[0].kind->init(&b->set.at[0], &b->weight,
						 42), 0);
	refresh(b);
	space = gemm_space(NULL, ROWS, 4 * (OUT + IN), 2);
	b->space = aligned_alloc(64, (space + 63) / 64 * 64);
	b->pass = (struct adapt_pass){
		.space = b->space, .batch = &batch, .step = 3,
		.keep = mat_of(keep, ROWS, b->set.at[0].keep),
		.scratch = mat_of(scratch, ROWS, IN),
	};
}

static void teardown(struct bench *b)
{
	b->tensor.part[0].data = NULL;
	tensor_release(&b->tensor);
	adapter_set_release(&b->set);
	json_decref(b->config);
	free(b->space);
}

static const struct weight *used(const struct bench *b)
{
	const struct adapter *a = &b->set.at[0];

	return a->kind->weight ? a->kind->weight(a) : &b->weight;
}

static void forward(struct bench *b)
{
	const struct adapter *a = &b->set.at[0];
	struct mat mx = mat_of(x, ROWS, IN), my = mat_of(y, ROWS, OUT);
	struct gemm_output o = { .y = y, .stride = OUT, .n = OUT, .nterm = 1 };

	o.term[0] = weight_term(used(b), x, IN, GEMM_NT);
	if (a->kind->forward)
		a->kind->forward(a, &b->pass, mx, &o);
	gemm(NULL, b->space, ROWS, &o, 1);
	if (a->kind->after)
		a->kind->after(a, &b->pass, &b->weight, my, mx);
}

static void backward(struct bench *b)
{
	const struct adapter *a = &b->set.at[0];
	struct mat mx = mat_of(x, ROWS, IN), mdy = mat_of(dy, ROWS, OUT);
	struct gemm_output o = { .y = dx, .stride = IN, .n = IN, .nterm = 1 };

	if (a->kind->before)
		a->kind->before(a, &b->pass, &b->weight, mdy, mx);
	o.term[0] = weight_term(used(b), dy, OUT, GEMM_NN);
	if (a->kind->backward)
		a->kind->backward(a, &b->pass, mdy, mx, &o);
	gemm(NULL, b->space, ROWS, &o, 1);
	if (a->kind->finish)
		a->kind->finish(a, &b->pass, mdy, mx,
				mat_of(dx, ROWS, IN));
}

/* sum y dy: its slopes are the gradients. */
static double loss(struct bench *b)
{
	double sum = 0;

	forward(b);
	for (size_t i = 0; i < ROWS * OUT; i++)
		sum += (double)y[i] * (double)dy[i];
	return sum;
}

static void check_slope(struct bench *b, const char *what, float *p,
			const float *g, size_t n)
{
	const float step = 0x1p-6f;

	for (size_t i = 0; i < n; i += 1 + n / 40) {
		float was = p[i];
		double up, down, slope;

		p[i] = was + step;
		up = loss(b);
		p[i] = was - step;
		down = loss(b);
		p[i] = was;
		slope = (up - down) / (2 * (double)step);
		if (fabs(slope - (double)g[i]) > 2e-3 * (1 + fabs(slope)))
			fail_msg("%s %s[%zu]: gradient %g, slope %g",
				 b->set.at[0].kind->name, what, i,
				 (double)g[i], slope);
	}
}

static int is_elsewhere(const struct adapter_kind *kind)
{
	return kind->front || (kind->gather && !kind->forward &&
			       !kind->after);
}

/* Every parameter away from its first value, so that none is zero. */
static void stir(struct adapter *a)
{
	for (size_t k = 0; k < a->nparam; k++) {
		struct adapter_param *p = &a->param[k];

		if (!p->state)
			random_fill(p->at, p->rows * p->cols, p->name, 0.4f);
	}
}

static void check_gradients(const char *kind, double dropout)
{
	struct bench b;
	struct adapter *a;
	static float dx0[ROWS * IN], dy0[ROWS * OUT];

	setup(&b, kind, dropout);
	a = &b.set.at[0];
	stir(a);
	refresh(&b);
	forward(&b);
	memcpy(dy0, dy, sizeof(dy));
	backward(&b);
	memcpy(dy, dy0, sizeof(dy));
	memcpy(dx0, dx, sizeof(dx));
	check_slope(&b, "x", x, dx0, ROWS * IN);
	for (size_t k = 0; k < a->nparam; k++)
		if (!a->param[k].state)
			check_slope(&b, a->param[k].name, a->param[k].at,
				    a->param[k].grad,
				    a->param[k].rows * a->param[k].cols);
	teardown(&b);
}

static void gradient_is_the_slope(void **state)
{
	(void)state;
	for (size_t k = 0; adapter_kind_at(k); k++) {
		if (is_elsewhere(adapter_kind_at(k)))
			continue; /* program_slope, soft */
		check_gradients(adapter_kind_at(k)->name, 0);
		check_gradients(adapter_kind_at(k)->name, 0.3);
	}
}

static void a_fresh_adapter_changes_nothing(void **state)
{
	static float plain[ROWS * OUT];
	struct bench b;

	(void)state;
	for (size_t k = 0; adapter_kind_at(k); k++) {
		if (is_elsewhere(adapter_kind_at(k)))
			continue; /* program_slope, soft */
		struct gemm_output o = { .y = plain, .stride = OUT, .n = OUT,
					 .nterm = 1 };

		setup(&b, adapter_kind_at(k)->name, 0);
		o.term[0] = weight_term(&b.weight, x, IN, GEMM_NT);
		gemm(NULL, b.space, ROWS, &o, 1);
		forward(&b);
		assert_memory_equal(y, plain, sizeof(plain));
		teardown(&b);
	}
}

/* y is what the merged weights, and the layer's bias, make of x. */
static void check_merged(struct bench *b, float scale)
{
	static _Alignas(64) float merged[OUT * IN], ym[ROWS * OUT];
	const struct adapter *a = &b->set.at[0];
	const struct gemm_dense d = { merged, OUT, IN, IN };
	struct gemm_output o = { .y = ym, .stride = OUT, .n = OUT,
				 .nterm = 1, .term = {
		{ x, IN, IN, gemm_pack_dense, &d, GEMM_NT } } };
	float bias[OUT] = { 0 };

	memcpy(merged, dense, sizeof(dense));
	assert_int_equal(a->kind->merge(a, &b->weight, scale, merged, 0, 7),
			 0);
	assert_int_equal(a->kind->merge(a, &b->weight, scale, merged + 7 * IN,
					7, OUT - 7), 0);
	gemm(NULL, b->space, ROWS, &o, 1);
	if (a->kind->merge_bias)
		a->kind->merge_bias(a, scale, bias);
	for (size_t i = 0; i < ROWS * OUT; i++)
		assert_true(fabsf(ym[i] + bias[i % OUT] - y[i]) < 2e-5f);
}

static void merged_equals_unmerged(void **state)
{
	struct bench b;

	(void)state;
	for (size_t k = 0; adapter_kind_at(k); k++) {
		if (is_elsewhere(adapter_kind_at(k)))
			continue; /* program_slope, soft */
		setup(&b, adapter_kind_at(k)->name, 0);
		stir(&b.set.at[0]);
		refresh(&b);
		forward(&b);
		check_merged(&b, 1);
		teardown(&b);
	}
}

/* Of a kind with a scale, part of the update is the same merged and beside. */
static void a_scale_is_that_of_the_update(void **state)
{
	struct bench b;
	size_t n = 0;

	(void)state;
	for (size_t k = 0; adapter_kind_at(k); k++) {
		const struct adapter_kind *kind = adapter_kind_at(k);

		if (!kind->scales || is_elsewhere(kind))
			continue;
		setup(&b, kind->name, 0);
		stir(&b.set.at[0]);
		b.set.at[0].scale *= -0.75f;
		forward(&b);
		b.set.at[0].scale /= -0.75f;
		check_merged(&b, -0.75f);
		teardown(&b);
		n++;
	}
	assert_true(n >= 5);
}

static void dropout_keeps_the_mean_and_repeats(void **state)
{
	static float first[ROWS * IN];
	struct bench b;
	size_t zero = 0;
	double ratio = 0;

	(void)state;
	setup(&b, "lora", 0.25);
	adapter_drop(&b.set.at[0], &b.pass, mat_of(x, ROWS, IN));
	memcpy(first, scratch, sizeof(scratch));
	memset(scratch, 0, sizeof(scratch));
	adapter_drop(&b.set.at[0], &b.pass, mat_of(x, ROWS, IN));
	assert_memory_equal(first, scratch, sizeof(first));
	for (size_t i = 0; i < ROWS * IN; i++) {
		zero += first[i] == 0;
		ratio += first[i] == 0 ? 0 : (double)(first[i] / x[i]);
	}
	assert_in_range(zero, 55, 107); /* of 324: a quarter, 3 sigma */
	assert_true(fabs(ratio / (double)(ROWS * IN - zero) - 4. / 3) < 1e-6);
	b.pass.step++;
	adapter_drop(&b.set.at[0], &b.pass, mat_of(x, ROWS, IN));
	assert_memory_not_equal(first, scratch, sizeof(first));
	b.pass.batch = NULL;
	assert_ptr_equal(adapter_drop(&b.set.at[0], &b.pass,
				      mat_of(x, ROWS, IN)).at, x);
	teardown(&b);
}

static void an_embedding_gathers_its_rows_gradients(void **state)
{
	struct adapter_options o = { .kind = "full" };
	struct adapter_site site = { "m.e", 10, IN, ROLE_EMBED };
	struct adapter_set s = { 0 };
	const struct adapter *a;

	(void)state;
	assert_int_equal(adapter_set_add(&s, &site, &o), 0);
	assert_int_equal(adapter_set_place(&s, 1), 0);
	random_fill(x, ROWS * IN, "x", 1);
	a = &s.at[0];
	a->kind->scatter(a, ids, mat_of(x, ROWS, IN));
	for (size_t j = 0; j < IN; j++) {
		assert_true(a->param[0].grad[0 * IN + j] == 0);
		assert_true(a->param[0].grad[3 * IN + j] == x[j]);
		assert_true(a->param[0].grad[IN + j] ==
			    x[IN + j] + x[3 * IN + j]);
	}
	adapter_set_release(&s);
}

static void what_does_not_fit_is_refused(void **state)
{
	static const struct adapter_options bad[] = {
		{ .kind = "lora", .rank = 0 },
		{ .kind = "lora", .rank = IN + 1 },
		{ .kind = "lora", .rank = 4, .dropout = 1 },
		{ .kind = "nonesuch", .rank = 4 },
	};
	struct adapter_site site = { "m.q", OUT, IN, ROLE_LINEAR };
	struct adapter_set s = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(adapter_set_add(&s, &site, &bad[i]),
				 E_CONFIG);
	site.role = ROLE_EMBED;
	assert_int_equal(adapter_set_add(&s, &site, &(struct adapter_options){
					 .kind = "dora", .rank = 4 }),
			 E_CONFIG);
	assert_non_null(strstr(err_text(), "lora can"));
	assert_int_equal(s.n, 0);
	adapter_set_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradient_is_the_slope),
		cmocka_unit_test(a_fresh_adapter_changes_nothing),
		cmocka_unit_test(merged_equals_unmerged),
		cmocka_unit_test(a_scale_is_that_of_the_update),
		cmocka_unit_test(dropout_keeps_the_mean_and_repeats),
		cmocka_unit_test(an_embedding_gathers_its_rows_gradients),
		cmocka_unit_test(what_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
