/* Soft prompts, on the small models of golden/A: gradients are the slope of the
 * loss; packed, cut, cached and mixed, a sequence's bytes are its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "golden.h"
#include "model.h"
#include "trace.h"
#include "soft.h"

/* ---- the slope ---- */

static double move(struct model *m, const float *grad, float step)
{
	struct adapter_param *p = &m->adapters.at[0].param[0];
	double slope = 0;

	for (size_t e = 0; e < p->rows * p->cols; e++) {
		float d = grad[e] > 0 ? 1.0f : -1.0f;

		d *= (float)(e % 7 + 1) / 7;
		p->at[e] += step * d;
		slope += (double)grad[e] * d;
	}
	return slope;
}

static double loss_at(struct stage *s)
{
	struct trace t;
	double loss;

	trace(&s->m, &s->b, 0, &t);
	loss = t.loss;
	trace_release(&t);
	return loss;
}

static void gradients_are_the_slope(void **state)
{
	const float step = 2e-4f;

	(void)state;
	for (size_t i = 0; i < NMODEL; i++)
		for (size_t k = 0; k < NKIND; k++) {
			struct stage s;
			struct trace t;
			double slope, up, down;

			stage_open(&s, models[i], kinds[k], 2);
			plan(&s.m, s.b.batch.n, 1, 0);
			trace(&s.m, &s.b, 1, &t);
			slope = move(&s.m, t.grad, step);
			up = loss_at(&s);
			move(&s.m, t.grad, -2 * step);
			down = loss_at(&s);
			up = (up - down) / (2 * (double)step);
			if (!(slope > 0 &&
			      fabs(up - slope) <= 5e-3 * fabs(slope)))
				fail_msg("%s, %s: slope %g, differences %g",
					 models[i], kinds[k], slope, up);
			trace_release(&t);
			stage_close(&s);
		}
}

/* ---- the same bytes ---- */

static void same(const char *what, const float *a, const float *b, size_t n)
{
	if (memcmp(a, b, n * sizeof(*a)))
		fail_msg("%s: other bytes", what);
}

static void threads_and_recomputing_change_no_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMODEL; i++)
		for (size_t k = 0; k < NKIND; k++) {
			struct trace t[2];

			for (size_t way = 0; way < 2; way++) {
				struct stage s;

				stage_open(&s, models[i], kinds[k],
					   1 + 2 * way);
				plan(&s.m, s.b.batch.n, 1,
				     way ? program_layers(s.m.p) : 0);
				trace(&s.m, &s.b, 1, &t[way]);
				stage_close(&s);
			}
			same(models[i], t[0].logits, t[1].logits,
			     t[0].nlogits);
			same(models[i], t[0].grad, t[1].grad, t[0].ngrad);
			trace_release(&t[0]);
			trace_release(&t[1]);
		}
}

/* Sequence i alone, its own rows of a trace against those of the batch. */
static void check_alone(struct stage *s, const struct trace *all, size_t i,
			size_t prompt, size_t rows)
{
	size_t vocab = program_vocab(s->m.p), n;
	struct model_batch one;
	struct trace t;

	front_begin(&one, &s->plain);
	add_front(&one, &s->plain, i, prompt, rows);
	n = one.batch.n - rows;
	trace(&s->m, &one, 0, &t);
	same("alone", t.logits + rows * vocab,
	     all->logits + (s->b.start[i + 1] - n) * vocab, n * vocab);
	trace_release(&t);
	model_batch_release(&one);
}

/* Two prompts of different lengths, and none, in one batch. */
static void prompts_are_mixed_in_a_batch(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMODEL; i++)
		for (size_t k = 0; k < NKIND; k++) {
			static const size_t rows[] = { OTHER, ROWS, 0 };
			struct adapter_set other = { 0 };
			const struct adapter *at[2];
			struct stage s;
			struct trace all;

			stage_open(&s, models[i], kinds[k], 2);
			make_set(&other, &s.m, kinds[(k + i) % NKIND], OTHER,
				 11);
			at[0] = s.m.adapters.at;
			at[1] = other.at;
			assert_int_equal(program_prompts(s.m.p, at, 2), 0);
			s.b.batch.n = s.b.batch.nseq = 0;
			for (size_t j = 0; j < s.plain.batch.nseq; j++)
				add_front(&s.b, &s.plain, j, j == 0, rows[j]);
			plan(&s.m, s.b.batch.n, 0, 0);
			trace(&s.m, &s.b, 0, &all);
			for (size_t j = 0; j < s.plain.batch.nseq; j++)
				check_alone(&s, &all, j, j == 0, rows[j]);
			trace_release(&all);
			stage_close(&s);
			adapter_set_release(&other);
		}
}

static void check_cache(struct stage *s, struct kv_cache *kv,
			const struct trace *whole)
{
	size_t cols = program_hidden(s->m.p), n = s->b.start[1];
	size_t cut[] = { 0, 2, ROWS + 1, ROWS + 2, n };

	for (size_t i = 0; i + 1 < sizeof(cut) / sizeof(cut[0]); i++) {
		size_t start[2] = { 0, cut[i + 1] - cut[i] }, slot = 0;
		struct batch b = { .n = start[1], .nseq = 1,
				   .id = s->b.id + cut[i],
				   .pos = s->b.pos + cut[i], .start = start,
				   .sample = s->b.sample,
				   .target = s->b.target + cut[i] };
		struct program_pass pass = { .batch = &b, .kv = kv,
					     .slot = &slot };
		struct mat last = program_forward(s->m.p, &pass);

		same("cached", last.at, whole->last + cut[i] * cols,
		     b.n * cols);
	}
}

static void a_cache_goes_on_behind_a_prompt(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMODEL; i++)
		for (size_t k = 0; k < NKIND; k++) {
			struct stage s;
			struct trace whole;
			struct kv_cache *kv;

			stage_open(&s, models[i], kinds[k], 2);
			plan(&s.m, s.b.batch.n, 0, 0);
			trace(&s.m, &s.b, 0, &whole);
			assert_int_equal(kv_cache_new(&kv, s.m.p, 1,
						      s.b.batch.n), 0);
			check_cache(&s, kv, &whole);
			kv_cache_free(kv);
			trace_release(&whole);
			stage_close(&s);
		}
}

static void another_model_s_prompt_is_refused(void **state)
{
	(void)state;
	for (size_t k = 0; k < NKIND; k++) {
		struct model a, b;
		const struct adapter *at;

		model_open(&a, "A/llama", 1);
		model_open(&b, "A/gpt_neox", 1);
		make_set(&a.adapters, &a, kinds[k], ROWS, 7);
		at = a.adapters.at;
		if (program_hidden(a.p) != program_hidden(b.p) ||
		    !strcmp(kinds[k], "prefix")) {
			assert_int_equal(program_prompts(b.p, &at, 1),
					 E_CONFIG);
			assert_int_equal(program_nprompt(b.p), 0);
		}
		model_close(&b);
		model_close(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradients_are_the_slope),
		cmocka_unit_test(threads_and_recomputing_change_no_byte),
		cmocka_unit_test(prompts_are_mixed_in_a_batch),
		cmocka_unit_test(a_cache_goes_on_behind_a_prompt),
		cmocka_unit_test(another_model_s_prompt_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
