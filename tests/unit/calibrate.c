/* calibrate - a model by GPTQ is nearer to what it was than a rounded one */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/size.h"
#include "infer/calibrate.h"
#include "tests/unit/golden.h"
#include "tests/unit/model.h"

#include <math.h>

static const char *const models[] = { "A/llama", "A/qwen3", "A/gpt_neox",
				      "A/phi3" };
enum { TOKENS = 800, LENGTH = 48 };

static struct quant_int how = { { 3, GRID_REAL, DTYPE_F32, NULL }, 32 };

struct seen {
	size_t n, skip;
	int round;
	double error;
};

static int find(void *ctx, const char *name, const struct quant_int **to,
		int *gptq)
{
	struct seen *s = ctx;

	*to = !strstr(name, "layers.0.") || !s->skip ? &how : NULL;
	*gptq = !s->round;
	return 0;
}

static int done(void *ctx, const char *name, double error, double damp)
{
	struct seen *s = ctx;

	(void)name;
	assert_true(error > 0 && isfinite(error));
	assert_true(damp == 0.01);
	s->error += error;
	s->n++;
	return 0;
}

static void texts(struct samples *s)
{
	static uint32_t id[TOKENS];
	static int32_t label[TOKENS];

	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < TOKENS; i++)
		id[i] = (uint32_t)(i * 2654435761u >> 9) % 97;
	assert_int_equal(samples_add(s, id, label, TOKENS - 100), 0);
	assert_int_equal(samples_add(s, id + TOKENS - 100, label, 100), 0);
}

/* The last hidden states of the first tokens; free it. */
static float *states(struct tensor_set *base, const struct samples *s)
{
	struct program_need need = { LENGTH, 1, 1, 0, 0 };
	uint32_t pos[LENGTH];
	size_t start[2] = { 0, LENGTH };
	uint64_t sample[1] = { 0 };
	struct batch b = { .n = LENGTH, .nseq = 1, .id = s->id, .pos = pos,
			   .start = start, .sample = sample };
	struct program_pass pass = { .batch = &b };
	struct program *p;
	struct mat last;
	float *to;

	for (size_t i = 0; i < LENGTH; i++)
		pos[i] = (uint32_t)i;
	assert_int_equal(program_open(&p, base, NULL), 0);
	assert_int_equal(program_plan(p, NULL, &need), 0);
	last = program_forward(p, &pass);
	to = malloc(LENGTH * last.cols * sizeof(*to));
	assert_non_null(to);
	for (size_t i = 0; i < LENGTH; i++)
		memcpy(to + i * last.cols, mat_row(last, i),
		       last.cols * sizeof(*to));
	program_free(p);
	return to;
}

static double distance(const float *a, const float *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += pow((double)a[i] - (double)b[i], 2);
	return sqrt(sum / (double)n);
}

static size_t hidden_of(const struct tensor_set *base)
{
	const struct tensor *t = tensor_set_find(base, "model.norm.weight");

	if (!t)
		t = tensor_set_find(base, "gpt_neox.final_layer_norm.weight");
	assert_non_null(t);
	return t->count;
}

static void round_all(struct tensor_set *base)
{
	struct program *p;
	const struct program_module *m;
	char name[TENSOR_NAME];
	size_t n;

	assert_int_equal(program_open(&p, base, NULL), 0);
	n = program_modules(p, &m);
	for (size_t i = 0; i < n; i++) {
		struct tensor *t, q;

		if (m[i].role != ROLE_LINEAR)
			continue;
		snprintf(name, sizeof(name), "%s.weight", m[i].name);
		t = tensor_set_find(base, name);
		assert_int_equal(quant_int(&q, t, &how, NULL), 0);
		tensor_release(t);
		tensor_move(t, &q);
	}
	program_free(p);
}

static void check_model(const char *dir, const struct samples *data)
{
	struct tensor_set base = { 0 }, rounded = { 0 };
	struct seen seen = { 0 };
	struct calibrate c = { 0.01, TOKENS, LENGTH, find, done, &seen };
	float *was, *by_gptq, *by_rounding;
	size_t n;

	model_base(&base, dir);
	model_base(&rounded, dir);
	was = states(&base, data);
	n = LENGTH * hidden_of(&base);
	if (calibrate(&base, data, &c, NULL))
		fail_msg("%s: %s", dir, err_text());
	assert_true(seen.n > 4);
	round_all(&rounded);
	by_gptq = states(&base, data);
	by_rounding = states(&rounded, data);
	if (!(distance(by_gptq, was, n) <
	      0.9 * distance(by_rounding, was, n)))
		fail_msg("%s: %g by GPTQ, %g by rounding", dir,
			 distance(by_gptq, was, n),
			 distance(by_rounding, was, n));
	free(was);
	free(by_gptq);
	free(by_rounding);
	tensor_set_release(&base);
	tensor_set_release(&rounded);
}

static void nearer_than_rounding(void **state)
{
	struct samples data;

	(void)state;
	texts(&data);
	for (size_t i = 0; i < NELEM(models); i++)
		check_model(models[i], &data);
	samples_release(&data);
}

static void the_same_bytes_for_any_pool(void **state)
{
	struct tensor_set one = { 0 }, two = { 0 };
	struct seen seen = { .skip = 1 };
	struct calibrate c = { 0.01, TOKENS, LENGTH, find, done, &seen };
	struct samples data;
	struct pool *pool;
	size_t coded = 0;

	(void)state;
	texts(&data);
	assert_int_equal(pool_new(&pool, 3), 0);
	model_base(&one, models[0]);
	model_base(&two, models[0]);
	assert_int_equal(calibrate(&one, &data, &c, NULL), 0);
	assert_int_equal(calibrate(&two, &data, &c, pool), 0);
	for (size_t i = 0; i < one.n; i++) {
		coded += !tensor_is_plain(&one.at[i]);
		assert_int_equal(one.at[i].npart, two.at[i].npart);
		for (int k = 0; k < one.at[i].npart; k++)
			assert_memory_equal(one.at[i].part[k].data,
					    two.at[i].part[k].data,
					    one.at[i].part[k].bytes);
	}
	assert_int_equal(coded, seen.n / 2); /* layer 0 was left alone */
	assert_int_equal(coded, 7);
	samples_release(&data);
	tensor_set_release(&one);
	tensor_set_release(&two);
	pool_free(pool);
}

/* What is rounded by itself is what rounding alone gives. */
static void some_may_be_rounded(void **state)
{
	struct tensor_set one = { 0 }, two = { 0 };
	struct seen seen = { .round = 1 };
	struct calibrate c = { 0.01, TOKENS, LENGTH, find, done, &seen };
	struct samples data;

	(void)state;
	texts(&data);
	model_base(&one, models[0]);
	model_base(&two, models[0]);
	assert_int_equal(calibrate(&one, &data, &c, NULL), 0);
	assert_int_equal(seen.n, 0);
	round_all(&two);
	for (size_t i = 0; i < one.n; i++)
		for (int k = 0; k < one.at[i].npart; k++)
			assert_memory_equal(one.at[i].part[k].data,
					    two.at[i].part[k].data,
					    one.at[i].part[k].bytes);
	samples_release(&data);
	tensor_set_release(&one);
	tensor_set_release(&two);
}

static void bad_input_is_refused(void **state)
{
	struct tensor_set base = { 0 };
	struct seen seen = { 0 };
	struct calibrate c = { 0.01, TOKENS, LENGTH, find, done, &seen };
	struct samples data = { 0 };
	uint32_t id = 100000;
	int32_t label = 0;

	(void)state;
	model_base(&base, models[0]);
	assert_int_equal(calibrate(&base, &data, &c, NULL), E_DATA);
	assert_int_equal(samples_add(&data, &id, &label, 1), 0);
	assert_int_equal(calibrate(&base, &data, &c, NULL), E_DATA);
	assert_non_null(strstr(err_text(), "vocabulary"));
	data.id[0] = 1;
	how.group = 40;
	assert_int_equal(calibrate(&base, &data, &c, NULL), E_CONFIG);
	assert_int_equal(seen.n, 0);
	how.group = 32;
	round_all(&base);
	assert_int_equal(calibrate(&base, &data, &c, NULL), E_DATA);
	assert_non_null(strstr(err_text(), "quantised already"));
	samples_release(&data);
	tensor_set_release(&base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nearer_than_rounding),
		cmocka_unit_test(the_same_bytes_for_any_pool),
		cmocka_unit_test(some_may_be_rounded),
		cmocka_unit_test(bad_input_is_refused),
	};

	return cmocka_run_group_tests_name("calibrate", tests, NULL, NULL);
}
