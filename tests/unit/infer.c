/* infer - drawing tokens, and requirements on results */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "infer/require.h"
#include "infer/sample.h"

enum { VOCAB = 8 };
static const float logits[VOCAB] = { 0, 2, 1, 2, -1, 0.5f, -3, 1.5f };

static uint32_t draw(struct sampling how, const uint32_t *seen, size_t n,
		     uint64_t number)
{
	float copy[VOCAB];
	struct sampler *s;
	uint32_t id;

	memcpy(copy, logits, sizeof(copy));
	assert_int_equal(sampler_new(&s, &how, VOCAB), 0);
	id = sampler_next(s, copy, seen, n, number);
	sampler_free(s);
	return id;
}

static const struct sampling plain = {
	.temperature = 1, .top_p = 1, .repetition_penalty = 1, .seed = 7,
};

static void greedy_takes_the_first_of_equals(void **state)
{
	struct sampling how = plain;

	(void)state;
	how.temperature = 0;
	assert_int_equal(draw(how, NULL, 0, 0), 1);
	how.repetition_penalty = 1.5;
	assert_int_equal(draw(how, (const uint32_t[]){ 1, 1 }, 2, 0), 3);
}

/* The share of each token among many draws is its probability. */
static void draws_follow_the_probabilities(void **state)
{
	/* softmax of the logits, to 4 digits */
	static const double p[VOCAB] = { 0.0396, 0.2925, 0.1076, 0.2925,
					 0.0146, 0.0653, 0.0020, 0.1774 };
	enum { N = 20000 };
	size_t count[VOCAB] = { 0 };
	float copy[VOCAB];
	struct sampler *s;

	(void)state;
	assert_int_equal(sampler_new(&s, &plain, VOCAB), 0);
	for (uint64_t i = 0; i < N; i++) {
		memcpy(copy, logits, sizeof(copy));
		count[sampler_next(s, copy, NULL, 0, i)]++;
	}
	sampler_free(s);
	for (size_t i = 0; i < VOCAB; i++) {
		double share = (double)count[i] / N;

		if (share < p[i] - 0.015 || share > p[i] + 0.015)
			fail_msg("token %zu: %.4f, want %.4f", i, share, p[i]);
	}
}

static void cuts_leave_only_the_likeliest(void **state)
{
	struct sampling k = plain, p = plain;

	(void)state;
	k.top_k = 2;
	p.top_p = 0.6; /* 0.2925 + 0.2925 = 0.585: a third one is needed */
	for (uint64_t i = 0; i < 500; i++) {
		uint32_t a = draw(k, NULL, 0, i), b = draw(p, NULL, 0, i);

		assert_true(a == 1 || a == 3);
		assert_true(b == 1 || b == 3 || b == 7);
	}
	p.top_p = 1e-9;
	assert_int_equal(draw(p, NULL, 0, 3), 1);
}

static void a_seed_and_a_number_make_the_draw(void **state)
{
	struct sampling other = plain;
	int differ = 0;

	(void)state;
	other.seed = 8;
	for (uint64_t i = 0; i < 100; i++) {
		assert_int_equal(draw(plain, NULL, 0, i),
				 draw(plain, NULL, 0, i));
		differ += draw(plain, NULL, 0, i) != draw(other, NULL, 0, i);
	}
	assert_true(differ > 10);
}

static void values_out_of_range_are_refused(void **state)
{
	struct sampling bad[4] = { plain, plain, plain, plain };
	struct sampler *s;

	(void)state;
	bad[0].temperature = -1;
	bad[1].top_p = 0;
	bad[2].top_p = 1.5;
	bad[3].repetition_penalty = 0;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(sampler_new(&s, &bad[i], VOCAB), E_USAGE);
}

static void a_requirement_is_found_and_compared(void **state)
{
	static const char text[] =
		"{\"loss\": 1.5, \"results\": {\"mc\": {\"acc,none\": 0.25,"
		" \"acc_stderr,none\": 0.1}}}";
	static const struct {
		const char *text;
		int status;
	} row[] = {
		{ "loss<=1.5", 0 },      { "loss<1.5", E_NO },
		{ "loss>=1.5", 0 },      { "loss>1", 0 },
		{ "loss<=1", E_NO },     { "acc>=0.25", 0 },
		{ "mc.acc<0.3", 0 },     { "acc,none>0.3", E_NO },
		{ "ppl<=3", E_NO },      { "loss", E_USAGE },
		{ "loss<=", E_USAGE },   { "<=3", E_USAGE },
		{ "loss<=3x", E_USAGE }, { "loss<=nan", E_USAGE },
	};
	json_t *result;

	(void)state;
	assert_int_equal(json_parse(&result, text, strlen(text)), 0);
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++)
		if (require_check(result, row[i].text) != row[i].status)
			fail_msg("%s", row[i].text);
	json_decref(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(greedy_takes_the_first_of_equals),
		cmocka_unit_test(draws_follow_the_probabilities),
		cmocka_unit_test(cuts_leave_only_the_likeliest),
		cmocka_unit_test(a_seed_and_a_number_make_the_draw),
		cmocka_unit_test(values_out_of_range_are_refused),
		cmocka_unit_test(a_requirement_is_found_and_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
