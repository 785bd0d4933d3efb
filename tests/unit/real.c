/* real - the logits of the real model (golden G), when WEFT_MODEL is there */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/collect.h"
#include "golden.h"
#include "infer/model.h"
#include "infer/score.h"

static struct collection in;
static struct model model;
static struct scorer *scorer;
static struct pool *pool;

static int setup(void **state)
{
	struct scorer_need need = { .tokens = 64, .sequences = 1 };
	char *path = getenv("WEFT_MODEL");
	char *paths[] = { path, NULL };

	(void)state;
	if (!path || !*path)
		return 0;
	if (collect_decoded(&in, paths) ||
	    model_open(&model, &in.base.tensors, NULL, NULL) ||
	    pool_new(&pool, 2) ||
	    scorer_new(&scorer, model.program, pool, &need)) {
		printf("# %s\n", err_text());
		return 1;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scorer_free(scorer);
	pool_free(pool);
	model_release(&model);
	collection_release(&in);
	return 0;
}

static double logsumexp(const float *x, size_t n)
{
	double top = x[0], sum = 0;

	for (size_t i = 1; i < n; i++)
		top = x[i] > top ? x[i] : top;
	for (size_t i = 0; i < n; i++)
		sum += exp(x[i] - top);
	return top + log(sum);
}

static double logit_off, sum_off; /* largest differences so far */

static void check_row(const float *row, const float *top, const int32_t *id,
		      size_t ntop, double lse)
{
	size_t vocab = program_vocab(model.program);

	for (size_t i = 0; i < ntop; i++)
		logit_off = fmax(logit_off, fabs((double)row[id[i]] - top[i]));
	sum_off = fmax(sum_off, fabs(logsumexp(row, vocab) - lse));
}

static void check_prompt(struct golden *g, size_t prompt)
{
	size_t n, ntop, rows;
	char name[32];
	const int64_t *ids;
	const int32_t *id;
	const float *top, *lse;

	snprintf(name, sizeof(name), "%zu.ids", prompt);
	ids = golden_i64(g, name, &n);
	snprintf(name, sizeof(name), "%zu.top_logits", prompt);
	top = golden_f32(g, name, &ntop);
	snprintf(name, sizeof(name), "%zu.top_ids", prompt);
	id = golden_raw(g, name, NULL);
	snprintf(name, sizeof(name), "%zu.logsumexp", prompt);
	lse = golden_f32(g, name, &rows);
	assert_int_equal(rows, n);
	ntop /= n;
	for (size_t len = 1; len <= n; len++) {
		struct feed *f = scorer_feed(scorer);
		uint32_t prefix[64];
		struct mat row;

		assert_true(len <= 64);
		for (size_t i = 0; i < len; i++)
			prefix[i] = (uint32_t)ids[i];
		feed_clear(f, NULL);
		feed_add(f, prefix, NULL, len, 0, 0);
		row = scorer_last(scorer);
		check_row(row.at, top + (len - 1) * ntop,
			  id + (len - 1) * ntop, ntop, lse[len - 1]);
	}
}

static void logits_equal_the_reference(void **state)
{
	struct golden g;

	(void)state;
	if (!scorer)
		skip();
	golden_case(&g, "G/logits");
	for (size_t i = 0;
	     i < json_array_size(json_object_get(g.json, "prompts")); i++)
		check_prompt(&g, i);
	golden_close(&g);
	/* The tolerances that golden states. */
	golden_report("G/logits", "top 20 logits", logit_off, 1e-3);
	golden_report("G/logits", "logsumexp", sum_off, 5e-4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logits_equal_the_reference),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
