/*
 * task_ppl - perplexity of a text, in windows
 *
 * Windows of --window tokens begin every --stride tokens; of each, only the
 * tokens that no window before has scored count. A window's first token
 * has nothing before it and is never scored. With stride = window there is
 * no overlap; the other way is Hugging Face's perplexity guide.
 */
#include <stdlib.h>

#include "base/io.h"
#include "base/math.h"
#include "base/size.h"
#include "infer/task.h"

enum { TEXT_BYTES = 1 << 30 };

struct text_sum {
	const struct task_run *run;
	double loss;
	size_t tokens;
	json_t *line;
};

static int add(void *ctx, size_t sample, const double *nll, size_t n)
{
	struct text_sum *s = ctx;
	const struct samples *w = s->run->samples;
	const int32_t *label = w->label + w->start[sample];

	for (size_t i = 1; i < n; i++) {
		if (label[i] == LABEL_NONE)
			continue;
		s->loss += nll[i];
		s->tokens++;
		if (s->line && json_array_append_new(s->line,
						     json_real(nll[i])))
			return err_set(E_NOMEM, "out of memory");
	}
	return 0;
}

/* Tokens [begin, end), of which those from fresh on count. */
static int add_window(struct samples *w, const struct text_ids *ids,
		      size_t begin, size_t end, size_t fresh)
{
	size_t n = end - begin;
	int32_t *label = malloc(n * sizeof(*label));
	int err;

	if (!label)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		label[i] = begin + i < fresh ? LABEL_NONE
					     : (int32_t)ids->at[begin + i];
	err = samples_add(w, ids->at + begin, label, n);
	free(label);
	return err;
}

static int cut(struct samples *w, const struct text_ids *ids,
	       const struct task_options *o)
{
	size_t stride = o->stride ? o->stride : o->window, fresh = 0, end;

	for (size_t begin = 0; begin < ids->n; begin += stride) {
		end = size_min(begin + o->window, ids->n);
		if (end - begin > 1)
			TRY(add_window(w, ids, begin, end, fresh));
		fresh = end;
		if (end == ids->n)
			break;
	}
	return 0;
}

static int put(const struct task_run *r, struct text_sum *sum)
{
	double loss;

	if (!sum->tokens)
		return err_set(E_DATA, "%s: too short to score",
			       r->options->data);
	loss = sum->loss / (double)sum->tokens;
	TRY(task_put(r, "loss", json_real(loss)));
	TRY(task_put(r, "ppl", json_finite(math_exp64(loss))));
	TRY(task_put(r, "tokens", json_integer((json_int_t)sum->tokens)));
	return sum->line ? r->sample(r->ctx, sum->line) : 0;
}

static int score(const struct task_run *r, const struct samples *windows)
{
	struct task_run run = *r;
	struct text_sum sum = { .run = &run };
	struct scorer_need need = {
		.tokens = r->options->window, .sequences = 1,
		.memory = r->options->memory,
	};
	struct scorer *s;
	int err;

	run.samples = windows;
	TRY(scorer_new(&s, r->program, r->pool, &need));
	if (r->sample)
		sum.line = json_array();
	err = score_samples(s, windows, add, &sum);
	scorer_free(s);
	if (!err)
		err = put(r, &sum);
	json_decref(sum.line);
	return err;
}

static int ppl(const struct task_run *r)
{
	const struct task_options *o = r->options;
	struct samples windows = { 0 };
	struct text_ids ids = { 0 };
	char *text;
	size_t size;
	int err;

	if (o->field)
		return err_set(E_USAGE, "--adapter-field: a text has no "
			       "fields; ppl takes one adapter after the "
			       "other");
	if (o->window < 2 || o->stride > o->window)
		return err_set(E_USAGE, "a window of %zu tokens every %zu",
			       o->window, o->stride);
	TRY(io_read_file(&text, &size, o->data, TEXT_BYTES));
	err = r->text->encode(r->text->ctx, text, size, 0, &ids);
	free(text);
	if (!err) {
		if (o->limit)
			ids.n = size_min(ids.n, o->limit);
		err = cut(&windows, &ids, o);
	}
	if (!err)
		err = score(r, &windows);
	free(ids.at);
	samples_release(&windows);
	return err;
}

const struct task task_ppl = {
	.name = "ppl",
	.brief = "perplexity of a text file",
	.run = ppl,
};
