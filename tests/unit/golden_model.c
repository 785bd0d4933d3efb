/* The real model, SmolLM2-135M-Instruct from its GGUF, against golden/G. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/io.h"
#include "formats/collect.h"
#include "golden.h"
#include "model.h"

static const double logit_tolerance = 1e-3, sum_tolerance = 5e-4;

static struct collection model;
static struct program *program;
static struct pool *pool;

static int open_model(void **state)
{
	char *path = getenv("WEFT_MODEL");
	char *paths[] = { path, NULL };
	struct program_need need = { 128, 1, 128, 0, 0 };

	(void)state;
	if (!path)
		return 0;
	if (collect(&model, paths) ||
	    program_open(&program, &model.base.tensors, NULL) ||
	    pool_new(&pool, 2) || program_plan(program, pool, &need)) {
		print_message("%s\n", err_text());
		return 1;
	}
	return 0;
}

static int close_model(void **state)
{
	(void)state;
	program_free(program);
	pool_free(pool);
	collection_release(&model);
	return 0;
}

struct row {
	double logit, sum, last;        /* the largest distances */
};

static void one_prompt(struct golden *g, int prompt, struct row *worst)
{
	char name[32];
	size_t n, vocab = program_vocab(program), start[2] = { 0 };
	const int64_t *id;
	uint32_t ids[128], pos[128];
	uint64_t sample = 0;
	struct batch b = { .nseq = 1, .id = ids, .pos = pos, .start = start,
			   .sample = &sample };
	struct program_pass pass = { .batch = &b };
	float *logits, *top, *sum, *last;
	const int32_t *at;

	snprintf(name, sizeof(name), "%d.ids", prompt);
	id = golden_i64(g, name, &n);
	assert_true(n <= 128);
	for (size_t i = 0; i < n; i++) {
		ids[i] = (uint32_t)id[i];
		pos[i] = (uint32_t)i;
	}
	b.n = start[1] = n;
	logits = malloc(n * vocab * sizeof(*logits));
	program_logits(program, program_forward(program, &pass),
		       mat_of(logits, n, vocab));
	snprintf(name, sizeof(name), "%d.top_logits", prompt);
	top = golden_f32(g, name, NULL);
	snprintf(name, sizeof(name), "%d.logsumexp", prompt);
	sum = golden_f32(g, name, NULL);
	snprintf(name, sizeof(name), "%d.last_logits", prompt);
	last = golden_f32(g, name, NULL);
	snprintf(name, sizeof(name), "%d.top_ids", prompt);
	at = golden_raw(g, name, NULL);
	for (size_t i = 0; i < n; i++) {
		const float *row = logits + i * vocab;
		double s = model_nll(row, vocab, 0, NULL, 0) + row[0];

		worst->sum = fmax(worst->sum, fabs(s - sum[i]));
		for (size_t k = 0; k < 20; k++)
			worst->logit = fmax(worst->logit,
					    fabs(row[at[i * 20 + k]] -
						 top[i * 20 + k]));
	}
	for (size_t k = 0; k < vocab; k++)
		worst->last = fmax(worst->last,
				   fabs(logits[(n - 1) * vocab + k] -
					last[k]));
	free(logits);
}

static void logits_are_the_reference(void **state)
{
	struct golden g;
	struct row worst = { 0 };
	int i = 0;
	char name[32] = "0.ids";

	(void)state;
	if (!program) {
		print_message("WEFT_MODEL is not set\n");
		skip();
	}
	golden_case(&g, "G/logits");
	for (; golden_has(&g, name); i++) {
		one_prompt(&g, i, &worst);
		snprintf(name, sizeof(name), "%d.ids", i + 1);
	}
	golden_close(&g);
	print_message("G/logits: %d prompts, top %.3g, last row %.3g (at most "
		      "%g), logsumexp %.3g (at most %g)\n", i, worst.logit,
		      worst.last, logit_tolerance, worst.sum, sum_tolerance);
	assert_true(i > 0);
	assert_true(worst.logit <= logit_tolerance);
	assert_true(worst.last <= logit_tolerance);
	assert_true(worst.sum <= sum_tolerance);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logits_are_the_reference),
	};

	return cmocka_run_group_tests(tests, open_model, close_model);
}
