/*
 * trace - what a pass over a small model leaves, for tests that compare
 *
 * Include it after "model.h".
 */
#ifndef UNIT_TRACE_H
#define UNIT_TRACE_H

static const char *const models[] = { "A/llama", "A/llama3_tied", "A/mistral",
				      "A/qwen2", "A/qwen3", "A/llama_f16",
				      "A/olmo2", "A/stablelm", "A/gemma2",
				      "A/gemma3", "A/phi3", "A/gpt_neox",
				      "A/gpt2", "A/starcoder2", "A/falcon",
				      "A/falcon_old", "A/granite", "A/cohere" };
enum { NMODEL = sizeof(models) / sizeof(models[0]) };

/* What a run leaves: hidden states, logits, gradients. */
struct trace {
	float *last, *logits, *grad;
	size_t nlast, nlogits, ngrad;
	double loss;
};

static inline void trace_release(struct trace *t)
{
	free(t->last);
	free(t->logits);
	free(t->grad);
}

static inline float *copy(const float *from, size_t n)
{
	float *to = malloc((n + 1) * sizeof(*to));

	assert_non_null(to);
	memcpy(to, from, n * sizeof(*to));
	return to;
}

static inline void take_gradients(const struct model *m, struct trace *t)
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
static inline double loss_of(const struct model_batch *b, const float *logits,
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

static inline void backward(struct model *m, const struct model_batch *b,
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
	adapter_set_gathered(&m->adapters);
	take_gradients(m, t);
	free(dlogits);
	free(dlast);
}

static inline void trace(struct model *m, const struct model_batch *b,
			 int train, struct trace *t)
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

static inline void plan(struct model *m, size_t tokens, int train,
			size_t recompute)
{
	struct program_need need = { tokens, MODEL_SEQUENCES, tokens, train,
				     recompute };

	if (program_plan(m->p, m->pool, &need))
		fail_msg("%s", err_text());
}

/* config: what the kind reads of it, or NULL. */
static inline void adapt_with(struct model *m, const char *module,
			      const char *kind, json_t *config)
{
	struct adapter_options o = { .kind = kind, .rank = 4, .alpha = 8,
				     .extra = config };
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
		assert_int_equal(a->kind->init(a, at[i].weight, 1), 0);
		assert_int_equal(program_adapt(m->p, &m->adapters), 0);
		return;
	}
	fail_msg("no module %s", module);
}

static inline void adapt_one(struct model *m, const char *module,
			     const char *kind)
{
	adapt_with(m, module, kind, NULL);
}

#endif
