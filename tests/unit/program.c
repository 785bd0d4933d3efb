/* The laws of a program, on the small models of golden/A. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/program_parts.h"
#include "golden.h"
#include "model.h"
#include "trace.h"

static void same(const struct trace *a, const struct trace *b)
{
	assert_int_equal(a->nlast, b->nlast);
	assert_int_equal(a->ngrad, b->ngrad);
	assert_memory_equal(a->last, b->last, a->nlast * sizeof(float));
	assert_memory_equal(a->logits, b->logits, a->nlogits * sizeof(float));
	if (a->ngrad)
		assert_memory_equal(a->grad, b->grad,
				    a->ngrad * sizeof(float));
}

static void set_dropout(struct model *m, float p)
{
	for (size_t i = 0; i < m->adapters.n; i++)
		m->adapters.at[i].dropout = p;
}

/* ---- same bytes ---- */

static void a_sequence_is_the_same_packed_and_alone(void **state)
{
	(void)state;
	for (size_t k = 0; k < NMODEL; k++) {
		struct golden g;
		struct model m;
		struct model_batch all, one;
		struct trace a, b;
		size_t at = 0, n;

		golden_case(&g, models[k]);
		n = model_sequences(&g);
		model_open(&m, models[k], 2);
		model_batch(&all, &g, 0, n);
		plan(&m, all.batch.n, 0, 0);
		trace(&m, &all, 0, &a);
		for (size_t i = 0; i < n; i++) {
			model_batch(&one, &g, i, 1);
			trace(&m, &one, 0, &b);
			assert_memory_equal(a.last + at, b.last,
					    b.nlast * sizeof(float));
			at += b.nlast;
			trace_release(&b);
			model_batch_release(&one);
		}
		assert_int_equal(at, a.nlast);
		trace_release(&a);
		model_batch_release(&all);
		model_close(&m);
		golden_close(&g);
	}
}

/* rms(a - b) / rms(a) */
static double relative(const float *a, const float *b, size_t n)
{
	double d = 0, s = 0;

	for (size_t i = 0; i < n; i++) {
		d += pow((double)a[i] - b[i], 2);
		s += pow(a[i], 2);
	}
	return sqrt(d / s);
}

static void packed_gradients_are_the_sum_of_single_ones(void **state)
{
	(void)state;
	for (size_t k = 0; k < NMODEL; k++) {
		struct golden g;
		struct model m;
		struct model_batch b;
		struct trace all, one;
		float *sum;
		size_t n;

		golden_case(&g, models[k]);
		n = model_sequences(&g);
		model_open(&m, models[k], 2);
		model_adapt(&m, models[k]);
		set_dropout(&m, 0.2f);
		model_batch(&b, &g, 0, n);
		plan(&m, b.batch.n, 1, 0);
		trace(&m, &b, 1, &all);
		model_batch_release(&b);
		sum = calloc(all.ngrad, sizeof(*sum));
		for (size_t i = 0; i < n; i++) {
			model_batch(&b, &g, i, 1);
			trace(&m, &b, 1, &one);
			for (size_t e = 0; e < one.ngrad; e++)
				sum[e] += one.grad[e];
			trace_release(&one);
			model_batch_release(&b);
		}
		assert_true(relative(all.grad, sum, all.ngrad) < 1e-6);
		free(sum);
		trace_release(&all);
		model_close(&m);
		golden_close(&g);
	}
}

static void traced(const char *dir, size_t threads, size_t recompute,
		   float dropout, struct trace *t)
{
	struct golden g;
	struct model m;
	struct model_batch b;

	golden_case(&g, dir);
	model_open(&m, dir, threads);
	model_adapt(&m, dir);
	set_dropout(&m, dropout);
	model_batch(&b, &g, 0, model_sequences(&g));
	plan(&m, b.batch.n, 1, recompute);
	trace(&m, &b, 1, t);
	model_batch_release(&b);
	model_close(&m);
	golden_close(&g);
}

static void threads_do_not_change_a_byte(void **state)
{
	(void)state;
	for (size_t k = 0; k < NMODEL; k++) {
		struct trace a, b;

		traced(models[k], 1, 0, 0.1f, &a);
		for (size_t threads = 2; threads <= 3; threads++) {
			traced(models[k], threads, 0, 0.1f, &b);
			same(&a, &b);
			trace_release(&b);
		}
		trace_release(&a);
	}
}

static void recomputing_does_not_change_a_byte(void **state)
{
	(void)state;
	for (size_t k = 0; k < NMODEL; k++) {
		struct trace a, b;

		traced(models[k], 2, 0, 0.1f, &a);
		for (size_t layers = 1; layers <= 3; layers++) {
			traced(models[k], 2, layers, 0.1f, &b);
			same(&a, &b);
			trace_release(&b);
		}
		trace_release(&a);
	}
}

/* Memory that a pass reads and did not write would show here. */
static void what_lay_in_memory_before_does_not_matter(void **state)
{
	(void)state;
	for (size_t k = 0; k < NMODEL; k++) {
		struct golden g;
		struct model m;
		struct model_batch b;
		struct trace first, again;

		golden_case(&g, models[k]);
		model_open(&m, models[k], 2);
		model_adapt(&m, models[k]);
		model_batch(&b, &g, 0, model_sequences(&g));
		plan(&m, b.batch.n + 7, 1, 1);
		trace(&m, &b, 1, &first);
		memset(m.p->pieces, 0xff, m.p->plan->activations);
		memset(m.p->run.space, 0xff, m.p->plan->space);
		memset(m.p->run.scratch, 0xff, m.p->plan->scratch);
		trace(&m, &b, 1, &again);
		same(&first, &again);
		trace_release(&first);
		trace_release(&again);
		model_batch_release(&b);
		model_close(&m);
		golden_close(&g);
	}
}

/* ---- memory ---- */

enum { LONG = 700, GUARD = 1 << 20 };

/* So many tokens in two sequences, or more where they must be shorter. */
static void long_batch(struct model_batch *b, const struct program *p)
{
	size_t nseq = program_longest(p) < LONG / 2 ? 7 : 2;
	uint32_t vocab = (uint32_t)program_vocab(p);

	memset(b, 0, sizeof(*b));
	b->id = calloc(LONG, sizeof(*b->id));
	b->pos = calloc(LONG, sizeof(*b->pos));
	b->target = calloc(LONG, sizeof(*b->target));
	for (uint32_t i = 0; i < LONG; i++) {
		b->id[i] = i * 37 % vocab;
		b->pos[i] = i % (LONG / (uint32_t)nseq);
		b->target[i] = (int32_t)b->id[i];
	}
	for (size_t i = 0; i <= nseq; i++)
		b->start[i] = LONG / nseq * i;
	b->batch = (struct batch){ LONG, nseq, b->id, b->pos, b->start,
				   b->sample, b->target, LONG };
}

static unsigned char *guarded(size_t bytes)
{
	unsigned char *at = aligned_alloc(64, (bytes + GUARD + 63) / 64 * 64);

	assert_non_null(at);
	memset(at + bytes, 0xa5, GUARD);
	return at;
}

static void check_guard(const unsigned char *at, size_t bytes)
{
	for (size_t i = 0; i < GUARD; i++)
		if (at[bytes + i] != 0xa5)
			fail_msg("written %zu bytes past the end", i);
}

static void nothing_is_written_past_the_plan(void **state)
{
	(void)state;
	for (size_t k = 0; k < NMODEL; k++) {
		struct model m;
		struct model_batch b;
		struct trace t;
		unsigned char *space, *scratch, *pieces;

		model_open(&m, models[k], 2);
		model_adapt(&m, models[k]);
		set_dropout(&m, 0.1f);
		long_batch(&b, m.p);
		plan(&m, LONG, 1, 1);
		m.p->run.space = space = guarded(m.p->plan->space);
		scratch = guarded(m.p->plan->scratch);
		m.p->run.scratch = (float *)(void *)scratch;
		m.p->pieces = pieces = guarded(m.p->plan->activations);
		trace(&m, &b, 1, &t);
		check_guard(space, m.p->plan->space);
		check_guard(scratch, m.p->plan->scratch);
		check_guard(pieces, m.p->plan->activations);
		free(space);
		free(scratch);
		free(pieces);
		trace_release(&t);
		model_batch_release(&b);
		model_close(&m);
	}
}

static void the_cost_is_what_the_plan_takes(void **state)
{
	(void)state;
	for (size_t k = 0; k < NMODEL; k++)
		for (size_t recompute = 0; recompute < 3; recompute++) {
			struct program_need need = { 100, 3, 17, 1,
						     recompute };
			struct bytes_plan bytes;
			struct model m;

			model_open(&m, models[k], 2);
			model_adapt(&m, models[k]);
			program_cost(m.p, m.pool, &need, &bytes);
			assert_int_equal(program_plan(m.p, m.pool, &need), 0);
			assert_int_equal(m.p->arena.size, m.p->arena.used);
			assert_int_equal(m.p->arena.size,
					 bytes.by[BYTES_ACTIVATIONS] +
					 bytes.by[BYTES_WORKSPACE]);
			assert_true(bytes.by[BYTES_WEIGHTS] > 0);
			model_close(&m);
		}
}

static uint64_t activations(struct model *m, size_t tokens, int train,
			    size_t recompute)
{
	struct program_need need = { tokens, 1, 0, train, recompute };
	struct bytes_plan bytes;

	program_cost(m->p, m->pool, &need, &bytes);
	return bytes.by[BYTES_ACTIVATIONS];
}

static void recomputing_saves_memory(void **state)
{
	struct model m;

	(void)state;
	/* Three layers, of which the last gains nothing: it is read at once. */
	model_open(&m, "A/mistral", 1);
	model_adapt(&m, "A/mistral");
	assert_true(activations(&m, 512, 1, 2) < activations(&m, 512, 1, 1));
	assert_true(activations(&m, 512, 1, 1) < activations(&m, 512, 1, 0));
	assert_true(activations(&m, 512, 0, 0) < activations(&m, 512, 1, 2));
	model_close(&m);
}

static size_t backward_calls(struct model *m, size_t *lowest)
{
	const struct plan *p = m->p->plan;
	size_t n = 0;

	*lowest = SIZE_MAX;
	for (size_t i = 0; i < p->ncall; i++) {
		const struct op_node *node = &m->p->node[p->call[i].node].op;

		if (p->call[i].turn != TURN_BACKWARD)
			continue;
		n++;
		if (node->layer < *lowest)
			*lowest = node->layer;
	}
	return n;
}

static void no_gradient_below_the_lowest_adapter(void **state)
{
	struct model m;
	size_t lowest;

	(void)state;
	model_open(&m, "A/llama", 1);
	adapt_one(&m, "model.layers.1.mlp.down_proj", "lora");
	plan(&m, 16, 1, 0);
	/* the last norm, the residual's sum, the product: nothing else */
	assert_int_equal(backward_calls(&m, &lowest), 3);
	assert_int_equal(lowest, 1);
	model_close(&m);

	model_open(&m, "A/llama", 1);
	adapt_one(&m, "lm_head", "full");
	plan(&m, 16, 1, 0);
	assert_int_equal(backward_calls(&m, &lowest), 0);
	model_close(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sequence_is_the_same_packed_and_alone),
		cmocka_unit_test(packed_gradients_are_the_sum_of_single_ones),
		cmocka_unit_test(threads_do_not_change_a_byte),
		cmocka_unit_test(recomputing_does_not_change_a_byte),
		cmocka_unit_test(what_lay_in_memory_before_does_not_matter),
		cmocka_unit_test(nothing_is_written_past_the_plan),
		cmocka_unit_test(the_cost_is_what_the_plan_takes),
		cmocka_unit_test(recomputing_saves_memory),
		cmocka_unit_test(no_gradient_below_the_lowest_adapter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
