/*
 * loglikelihood_rolling: the likelihood of whole texts, by the word, the byte
 * and the bit.
 *
 * The first window is all tokens up to its length behind the model's prefix
 * token; each further one predicts what follows, with as many tokens before
 * it as fit, and at least one. So each token is predicted once.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"
#include "infer/task_file.h"

struct rolling {
	struct samples windows;
	size_t *doc;            /* (windows.n) whose each is */
	double *loglik;         /* (f->n) of each record */
	size_t *words, *bytes;  /* (f->n) */
	size_t room;
	size_t prompt;          /* of the record in hand */
};

static int start(struct file_run *f)
{
	struct rolling *r = calloc(1, sizeof(*r));

	f->own = r;
	f->chat = 0; /* nothing is asked */
	if (f->run->text->prefix < 0)
		return err_set(E_DATA, "the tokenizer has neither BOS nor end "
			       "of text to begin with");
	if (!r)
		return err_set(E_NOMEM, "out of memory");
	r->loglik = calloc(f->n + 1, sizeof(*r->loglik));
	r->words = calloc(f->n + 1, sizeof(*r->words));
	r->bytes = calloc(f->n + 1, sizeof(*r->bytes));
	return r->loglik && r->words && r->bytes
		       ? 0 : err_set(E_NOMEM, "out of memory");
}

/* Tokens [from, end) of all, of which those from fresh on count. */
static int add(struct file_run *f, const uint32_t *id, size_t from,
	       size_t fresh, size_t end)
{
	struct rolling *r = f->own;
	size_t n = end - from, room;
	int32_t *label = malloc(n * sizeof(*label));
	size_t *doc;
	int err;

	if (!label)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		label[i] = from + i < fresh ? LABEL_NONE
					    : (int32_t)id[from + i];
	err = samples_add(&r->windows, id + from, label, n);
	if (!err)
		err = samples_prompt(&r->windows, (uint32_t)r->prompt);
	free(label);
	TRY(err);
	if (r->windows.n > r->room) {
		room = 2 * r->windows.n;
		doc = realloc(r->doc, room * sizeof(*doc));
		if (!doc)
			return err_set(E_NOMEM, "out of memory");
		r->doc = doc;
		r->room = room;
	}
	r->doc[r->windows.n - 1] = f->number;
	return 0;
}

/* id[0] is the prefix, id[1] to id[n] are the text's. */
static int cut(struct file_run *f, const uint32_t *id, size_t n)
{
	size_t most = size_min(f->window,
			       program_longest(f->run->program) - 1);

	for (size_t done = 0, end; done < n; done = end) {
		end = size_min(n, done + most);
		TRY(add(f, id, end > most ? end - most : 0, done + 1,
			end + 1));
	}
	return 0;
}

/* Pieces that white space leaves, as Python's re.split() gives them. */
static int count_words(struct file_run *f, const char *text, size_t *words)
{
	size_t size = strlen(text), from = 0, s, e;
	int found = 1;

	for (*words = 1; found; from = e) {
		TRY(regex_search(f->spec.blanks, text, size, from, &found, &s,
				 &e));
		if (!found)
			break;
		++*words;
	}
	return 0;
}

static int take(struct file_run *f, const char *text)
{
	struct rolling *r = f->own;
	struct text_ids ids = { 0 };
	uint32_t *id;
	int err;

	TRY(count_words(f, text, &r->words[f->number]));
	r->bytes[f->number] = strlen(text);
	TRY(file_encode(f, text, &ids));
	id = malloc((ids.n + 1) * sizeof(*id));
	err = id ? 0 : err_set(E_NOMEM, "out of memory");
	if (!err) {
		id[0] = (uint32_t)f->run->text->prefix;
		if (ids.n)
			memcpy(id + 1, ids.at, ids.n * sizeof(*id));
		err = cut(f, id, ids.n);
	}
	free(id);
	free(ids.at);
	return err;
}

static int ask(struct file_run *f, json_t *doc, const char *context)
{
	struct rolling *r = f->own;
	json_t *targets;
	int err;

	(void)context;
	TRY(by_field_number(&r->prompt, f->run->options->field, doc));
	TRY(task_targets(&f->spec, doc, NULL, &targets));
	err = take(f, json_string_value(json_array_get(targets, 0)));
	json_decref(targets);
	return err;
}

/* ---- at the end ---- */

static int sum_up(void *ctx, size_t window, const double *nll, size_t n)
{
	struct file_run *f = ctx;
	struct rolling *r = f->own;
	const int32_t *label = r->windows.label + r->windows.start[window];

	for (size_t i = 1; i < n; i++)
		if (label[i] != LABEL_NONE)
			r->loglik[r->doc[window]] -= nll[i];
	return 0;
}

static int score(struct file_run *f)
{
	struct rolling *r = f->own;
	struct scorer_need need = {
		.tokens = f->window + 1, .sequences = 64,
		.memory = f->run->options->memory,
	};

	TRY(scorer_new(&f->s, f->run->program, f->run->pool, &need));
	return score_samples(f->s, &r->windows, sum_up, f);
}

static int log_all(struct file_run *f)
{
	const struct rolling *r = f->own;

	for (f->number = 0; f->number < f->n; f->number++) {
		json_t *doc = json_array_get(f->docs, f->number), *targets;
		double x = r->loglik[f->number];
		int err;

		TRY(task_targets(&f->spec, doc, NULL, &targets));
		err = file_log(f, doc, json_array_get(targets, 0), 0,
			       json_pack("{s:[[f]],s:[f]}", "resps", x,
					 "filtered_resps", x));
		json_decref(targets);
		TRY(err);
	}
	return 0;
}

/* Means by weight have no standard error in that harness. */
static int end(struct file_run *f)
{
	const struct rolling *r = f->own;
	double loglik = 0, words = 0, bytes = 0, x;

	if (!r->windows.n)
		return err_set(E_DATA, "%s: the texts are empty",
			       f->spec.data);
	TRY(score(f));
	for (size_t i = 0; i < f->n; i++) {
		loglik += r->loglik[i];
		words += (double)r->words[i];
		bytes += (double)r->bytes[i];
	}
	for (size_t i = 0; i < f->spec.nmetric; i++) {
		const char *name = f->spec.metric[i].name;

		if (!strcmp(name, "word_perplexity"))
			x = math_exp64(-loglik / words);
		else if (!strcmp(name, "byte_perplexity"))
			x = math_exp64(-loglik / bytes);
		else
			x = -loglik / bytes / 0.69314718055994530942;
		TRY(file_put(f, name, "none", x, json_string("N/A")));
	}
	return f->run->sample ? log_all(f) : 0;
}

static void release(struct file_run *f)
{
	struct rolling *r = f->own;

	if (!r)
		return;
	samples_release(&r->windows);
	free(r->doc);
	free(r->loglik);
	free(r->words);
	free(r->bytes);
	free(r);
}

const struct task_type task_roll = {
	.name = "loglikelihood_rolling",
	.metrics = "word_perplexity byte_perplexity bits_per_byte",
	.usual = { "word_perplexity", "byte_perplexity", "bits_per_byte" },
	.start = start, .ask = ask, .end = end, .release = release,
};
