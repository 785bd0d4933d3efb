/* The laws of a program, on the small models of golden/A. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/program_parts.h"
#include "golden.h"
#include "model.h"

static const char *const models[] = { "A/llama", "A/llama3_tied", "A/mistral",
				      "A/qwen2", "A/qwen3", "A/llama_f16" };
enum { NMODEL = sizeof(models) / sizeof(models[0]) };

/* What a run leaves: hidden states, logits, gradients. */
struct trace {
	float *last, *logits, *grad;
	size_t nlast, nlogits, ngrad;
	double loss;
};

static void trace_release(struct trace *t)
{
	free(t->last);
	free(t->logits);
	free(t->grad);
}

static float *copy(const float *from, size_t n)
{
	float *to = malloc((n + 1) * sizeof(*to));

	assert_non_null(to);
	memcpy(to, from, n * sizeof(*to));
	return to;
}

static void take_gradients(const struct model *m, struct trace *t)
{
	size_t n = 0;

	for (size_t i = 0; i < m->adapters.n; i++)
		for (size_t k = 0; k < m->adapters.at[i].nparam; k++) {
			const struct adapter_param *a =
				&m->adapters.at[i].param[k];

			t->grad = realloc(t->grad, (n + a->rows * a->cols) *
						    sizeof(float));
			memcpy(t->grad + n, a->grad, a->rows * a->cols *
						     sizeof(float));
			n += a->rows * a->cols;
		}
	t->ngrad = n;
}

/* The sum of the losses; with dlogits their gradients. */
static double loss_of(const struct model_batch *b, const float *logits,
		      size_t vocab, float *dlogits)
{
	double sum = 0;

	for (size_t i = 0; i < b->batch.n; i++)
		if (b->target[i] != LABEL_NONE)
			sum += model_nll(logits + i * vocab, vocab,
					 (size_t)b->target[i],
					 dlogits ? dlogits + i * vocab : NULL,
					 1);
	return sum;
}

static void backward(struct model *m, const struct model_batch *b,
		     const struct program_pass *pass, struct mat last,
		     struct trace *t)
{
	size_t n = b->batch.n, vocab = program_vocab(m->p);
	float *dlogits = calloc(n * vocab, sizeof(float));
	float *dlast = calloc(n * program_hidden(m->p), sizeof(float));

	adapter_set_clear(&m->adapters);
	loss_of(b, t->logits, vocab, dlogits);
	program_logits_backward(m->p, last, mat_of(dlogits, n, vocab),
				mat_of(dlast, n, program_hidden(m->p)));
	program_backward(m->p, pass,
			 mat_of(dlast, n, program_hidden(m->p)));
	take_gradients(m, t);
	free(dlogits);
	free(dlast);
}

static void trace(struct model *m, const struct model_batch *b, int train,
		  struct trace *t)
{
	struct program_pass pass = { .batch = &b->batch, .train = train,
				     .step = 3 };
	size_t n = b->batch.n, vocab = program_vocab(m->p);
	struct mat last = program_forward(m->p, &pass);

	memset(t, 0, sizeof(*t));
	t->logits = calloc(n * vocab, sizeof(float));
	program_logits(m->p, last, mat_of(t->logits, n, vocab));
	t->last = copy(last.at, n * last.cols);
	t->nlast = n * last.cols;
	t->nlogits = n * vocab;
	t->loss = loss_of(b, t->logits, vocab, NULL);
	if (train)
		backward(m, b, &pass, last, t);
}

static void plan(struct model *m, size_t tokens, int train, size_t recompute)
{
	struct program_need need = { tokens, MODEL_SEQUENCES, tokens, train,
				     recompute };

	if (program_plan(m->p, m->pool, &need))
		fail_msg("%s", err_text());
}

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

static void adapt_one(struct model *m, const char *module, const char *kind)
{
	struct adapter_options o = { .kind = kind, .rank = 4, .alpha = 8 };
	const struct program_module *at;
	size_t n = program_modules(m->p, &at);

	for (size_t i = 0; i < n; i++) {
		struct adapter_site site = { at[i].name, at[i].weight->rows,
					     at[i].weight->cols, at[i].role };
		struct adapter *a;

		if (strcmp(module, at[i].name))
			continue;
		assert_int_equal(adapter_set_add(&m->adapters, &site, &o), 0);
		assert_int_equal(adapter_set_place(&m->adapters, 1), 0);
		a = &m->adapters.at[0];
		a->kind->init(a, at[i].weight, 1);
		assert_int_equal(program_adapt(m->p, &m->adapters), 0);
		return;
	}
	fail_msg("no module %s", module);
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

/* ---- gradients ---- */

static double loss_at(struct model *m, const struct model_batch *b)
{
	struct trace t;
	double loss;

	trace(m, b, 0, &t);
	loss = t.loss;
	trace_release(&t);
	return loss;
}

/* Moves every trained number by step times a fixed direction; returns the
 * gradient along it. */
static double move(struct model *m, const float *grad, float step)
{
	double slope = 0;
	size_t n = 0;

	for (size_t i = 0; i < m->adapters.n; i++)
		for (size_t k = 0; k < m->adapters.at[i].nparam; k++) {
			struct adapter_param *a = &m->adapters.at[i].param[k];

			for (size_t e = 0; e < a->rows * a->cols; e++, n++) {
				float d = grad[n] > 0 ? 1.0f : -1.0f;

				d *= (float)(n % 7 + 1) / 7;
				a->at[e] += step * d;
				slope += (double)grad[n] * d;
			}
		}
	return slope;
}

static void check_slope(struct model *m, const struct model_batch *b,
			const char *what, float step)
{
	struct trace t;
	double up, down, slope;

	plan(m, b->batch.n, 1, 0);
	trace(m, b, 1, &t);
	slope = move(m, t.grad, step);
	up = loss_at(m, b);
	move(m, t.grad, -2 * step);
	down = loss_at(m, b);
	up = (up - down) / (2 * (double)step);
	print_message("%s: slope %.6g, differences %.6g\n", what, slope, up);
	if (!(fabs(up - slope) <= 5e-3 * fabs(slope)))
		fail_msg("%s: slope %g, differences %g", what, slope, up);
	trace_release(&t);
}

static void gradients_are_the_slope(void **state)
{
	static const char *const modules[] = {
		"model.embed_tokens", "model.layers.0.self_attn.q_proj",
		"model.layers.0.self_attn.k_proj",
		"model.layers.0.self_attn.v_proj",
		"model.layers.0.self_attn.o_proj",
		"model.layers.0.mlp.gate_proj", "model.layers.0.mlp.up_proj",
		"model.layers.0.mlp.down_proj", "lm_head",
	};
	static const char *const on[] = { "A/llama", "A/llama3_tied",
					  "A/mistral", "A/qwen3" };

	(void)state;
	for (size_t k = 0; k < sizeof(on) / sizeof(on[0]); k++)
		for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]);
		     i++) {
			struct golden g;
			struct model m;
			struct model_batch b;

			golden_case(&g, on[k]);
			model_open(&m, on[k], 2);
			model_batch(&b, &g, 0, model_sequences(&g));
			adapt_one(&m, modules[i], "full");
			check_slope(&m, &b, modules[i], 2e-4f);
			model_batch_release(&b);
			model_close(&m);
			golden_close(&g);
		}
}

/* ---- the cache ---- */

struct feed {
	struct model *m;
	const struct model_batch *b;
	struct kv_cache *kv;
};

/* Tokens [first, last) of the batch's only sequence, into slot. */
static struct mat feed(const struct feed *f, size_t slot, size_t first,
		       size_t last)
{
	size_t start[2] = { 0, last - first };
	struct batch b = f->b->batch;
	struct program_pass pass = { .batch = &b, .kv = f->kv,
				     .slot = &slot };

	b.n = last - first;
	b.id += first;
	b.pos = NULL;
	b.start = start;
	return program_forward(f->m->p, &pass);
}

static void check_cache(struct feed *f, const struct trace *whole)
{
	size_t n = f->b->batch.n, cols = program_hidden(f->m->p);
	size_t cut[] = { 0, 5, 6, 7, 13, n };

	for (size_t i = 0; i + 1 < sizeof(cut) / sizeof(cut[0]); i++) {
		struct mat last = feed(f, 1, cut[i], cut[i + 1]);

		assert_memory_equal(last.at, whole->last + cut[i] * cols,
				    last.rows * cols * sizeof(float));
		assert_int_equal(kv_cache_len(f->kv, 1), cut[i + 1]);
	}
	/* Another sequence goes on from a part of it; it starts again. */
	kv_cache_fork(f->kv, 0, 1, 9);
	assert_memory_equal(feed(f, 0, 9, n).at, whole->last + 9 * cols,
			    (n - 9) * cols * sizeof(float));
	kv_cache_truncate(f->kv, 1, 3);
	assert_memory_equal(feed(f, 1, 3, 8).at, whole->last + 3 * cols,
			    5 * cols * sizeof(float));
}

static void a_cache_continues_as_one_pass(void **state)
{
	(void)state;
	for (size_t k = 0; k < NMODEL; k++) {
		struct golden g;
		struct model m;
		struct model_batch b;
		struct trace whole;
		struct feed f = { &m, &b, NULL };

		golden_case(&g, models[k]);
		model_open(&m, models[k], 2);
		model_batch(&b, &g, 0, 1);
		plan(&m, b.batch.n, 0, 0);
		trace(&m, &b, 0, &whole);
		assert_int_equal(kv_cache_new(&f.kv, m.p, 2, b.batch.n), 0);
		assert_int_equal(f.kv ? 1 : 0, 1);
		check_cache(&f, &whole);
		kv_cache_free(f.kv);
		trace_release(&whole);
		model_batch_release(&b);
		model_close(&m);
		golden_close(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sequence_is_the_same_packed_and_alone),
		cmocka_unit_test(threads_do_not_change_a_byte),
		cmocka_unit_test(recomputing_does_not_change_a_byte),
		cmocka_unit_test(what_lay_in_memory_before_does_not_matter),
		cmocka_unit_test(the_cost_is_what_the_plan_takes),
		cmocka_unit_test(recomputing_saves_memory),
		cmocka_unit_test(no_gradient_below_the_lowest_adapter),
		cmocka_unit_test(gradients_are_the_slope),
		cmocka_unit_test(a_cache_continues_as_one_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
