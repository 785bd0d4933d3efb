/* multiple_choice: the continuation that the model finds likeliest. */
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "infer/choice.h"
#include "infer/task_file.h"

enum { ACC, ACC_NORM, ACC_BYTES, EXACT };

static const char *const names[] = { "acc", "acc_norm", "acc_bytes",
				     "exact_match" };

/* A choice behind its context, as tokens. */
struct option {
	struct text_ids ids;
	size_t context;         /* tokens of it that are the context's */
	char *text;             /* with the delimiter */
};

struct asking {
	struct option option[CHOICES];
	struct choice_score score[CHOICES];
	size_t n;
};

static int start(struct file_run *f)
{
	struct scorer_need need = {
		.tokens = f->window + 1, .sequences = CHOICES,
		.cache_tokens = f->window + 1, .slots = CHOICES,
		.memory = f->run->options->memory,
	};

	return scorer_new(&f->s, f->run->program, f->run->pool, &need);
}

static char *join(const char *a, size_t n, const char *b)
{
	size_t size = n + strlen(b) + 1;
	char *text = malloc(size);

	if (text) {
		memcpy(text, a, n);
		memcpy(text + n, b, size - n);
	}
	return text;
}

/* Where the white space at the end of a context begins. */
static size_t trimmed(const char *text)
{
	size_t n = strlen(text);

	while (n && strchr(" \t\r\n\v\f", text[n - 1]))
		n--;
	return n;
}

/* Without any context the tokens stand behind the model's prefix. */
static int encode_alone(struct file_run *f, struct option *o)
{
	int64_t prefix = f->run->text->prefix;
	uint32_t *more;

	TRY(file_encode(f, o->text, &o->ids));
	if (prefix < 0)
		return err_set(E_DATA, "no context, and the tokenizer has "
			       "neither BOS nor end of text to stand for it");
	o->context = 1;
	if (o->ids.n && o->ids.at[0] == (uint32_t)prefix)
		return 0;
	more = realloc(o->ids.at, (o->ids.n + 1) * sizeof(*more));
	if (!more)
		return err_set(E_NOMEM, "out of memory");
	memmove(more + 1, more, o->ids.n * sizeof(*more));
	more[0] = (uint32_t)prefix;
	o->ids.at = more;
	o->ids.n++;
	return 0;
}

/* The tokens of both together, split at the number of those of the context
 * without its last blanks, which go with the choice. */
static int encode(struct file_run *f, struct option *o, const char *context)
{
	size_t n = trimmed(context);
	struct text_ids alone = { 0 };
	char *whole, *head;
	int err;

	if (!*context)
		return encode_alone(f, o);
	whole = join(context, strlen(context), o->text);
	head = join(context, n, "");
	err = whole && head ? file_encode(f, whole, &o->ids)
			    : err_set(E_NOMEM, "out of memory");
	if (!err)
		err = file_encode(f, head, &alone);
	o->context = alone.n;
	free(alone.at);
	free(whole);
	free(head);
	return err;
}

/* What is too long loses its beginning; did it? */
static int shorten(struct file_run *f, struct option *o)
{
	size_t most = size_min(f->window + 1, program_longest(f->run->program));
	size_t cut = o->ids.n > most ? o->ids.n - most : 0;

	cut = size_min(cut, o->context - (o->context > 0));
	memmove(o->ids.at, o->ids.at + cut,
		(o->ids.n - cut) * sizeof(*o->ids.at));
	o->ids.n -= cut;
	o->context -= cut;
	return cut > 0;
}

/* All at once, where they have the context in common. */
static int score_all(struct file_run *f, struct asking *a)
{
	struct choice_sequence seq[CHOICES];
	size_t first, n;

	for (size_t i = 0; i < a->n; i++)
		seq[i] = (struct choice_sequence){ a->option[i].ids.at,
						   a->option[i].ids.n };
	for (first = 0; first < a->n; first += n) {
		n = 1;
		while (first + n < a->n && a->option[first + n].context ==
		       a->option[first].context)
			n++;
		TRY(choice_scores(f->s, seq + first, n,
				  a->option[first].context,
				  a->score + first));
	}
	return 0;
}

static int read_options(struct file_run *f, struct asking *a, json_t *choices,
			const char *context)
{
	const char *gap = f->chat ? "" : f->spec.target_delimiter;
	int cut = 0;

	a->n = json_array_size(choices);
	if (a->n < 2 || a->n >= CHOICES)
		return err_set(E_DATA, "%zu choices, want 2 to %d", a->n,
			       CHOICES - 1);
	for (size_t i = 0; i < a->n; i++) {
		const char *c = json_string_value(json_array_get(choices, i));
		struct option *o = &a->option[i];

		o->text = join(gap, strlen(gap), c);
		if (!o->text)
			return err_set(E_NOMEM, "out of memory");
		TRY(encode(f, o, context));
		cut |= shorten(f, o);
	}
	f->truncated += (size_t)cut;
	return score_all(f, a);
}

/* ---- metrics ---- */

/* Unicode characters of UTF-8; a choice may be empty, which divides by 0. */
static double characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return (double)n;
}

/* The choice that is best by that metric; of equals the first. */
static size_t best_of(const struct asking *a, json_t *choices, int metric)
{
	size_t best = 0;
	double most = 0;

	for (size_t i = 0; i < a->n; i++) {
		const char *c = json_string_value(json_array_get(choices, i));
		double x = a->score[i].loglik;

		if (metric == ACC_NORM)
			x /= characters(c);
		if (metric == ACC_BYTES)
			x /= (double)strlen(c);
		if (i && !(x > most))
			continue;
		most = x;
		best = i;
	}
	return best;
}

static double value_of(const struct asking *a, json_t *choices,
		       const char *name, size_t gold)
{
	int metric = ACC;

	while (strcmp(names[metric], name))
		metric++;
	if (metric == EXACT)
		return a->score[gold].greedy;
	return best_of(a, choices, metric) == gold;
}

static json_t *responses(const struct asking *a, int nested)
{
	json_t *all = json_array();

	for (size_t i = 0; i < a->n; i++) {
		json_t *one = json_pack("[f,b]", a->score[i].loglik,
					a->score[i].greedy);

		(void)json_array_append_new(all, nested ?
					    json_pack("[o]", one) : one);
	}
	return all;
}

static json_t *line(struct file_run *f, const struct asking *a,
		    const char *context, const double *value)
{
	json_t *arguments = json_array(), *o = json_object();

	for (size_t i = 0; i < a->n; i++)
		(void)json_array_append_new(arguments, json_pack(
			"[s,s]", context, a->option[i].text));
	(void)json_object_set_new(o, "arguments", arguments);
	(void)json_object_set_new(o, "resps", responses(a, 1));
	(void)json_object_set_new(o, "filtered_resps", responses(a, 0));
	for (size_t i = 0; i < f->spec.nmetric; i++)
		(void)json_object_set_new(o, f->spec.metric[i].name,
					  json_finite(value[i]));
	return o;
}

static int judge(struct file_run *f, json_t *doc, const struct asking *a,
		 json_t *choices, const char *context)
{
	double value[TASK_METRICS];
	json_t *targets;
	size_t gold;
	int err = 0;

	TRY(task_targets(&f->spec, doc, choices, &targets));
	gold = (size_t)json_integer_value(json_array_get(targets, 0));
	for (size_t i = 0; i < f->spec.nmetric; i++) {
		value[i] = value_of(a, choices, f->spec.metric[i].name, gold);
		file_count(f, 0, i, value[i]);
	}
	if (f->run->sample)
		err = file_log(f, doc, json_array_get(targets, 0), 0,
			       line(f, a, context, value));
	json_decref(targets);
	return err;
}

static int choose(struct file_run *f, json_t *doc, const char *context)
{
	struct asking a = { 0 };
	json_t *choices = NULL;
	int err = task_prompt(f->run, f->s, doc);

	if (!err)
		err = task_choices(&f->spec, doc, &choices);

	if (!err)
		err = read_options(f, &a, choices, context);
	if (!err)
		err = judge(f, doc, &a, choices, context);
	for (size_t i = 0; i < CHOICES; i++) {
		free(a.option[i].ids.at);
		free(a.option[i].text);
	}
	json_decref(choices);
	return err;
}

const struct task_type task_choose = {
	.name = "multiple_choice",
	.metrics = "acc acc_norm acc_bytes exact_match",
	.usual = { "acc", "acc_norm" }, .more = 1,
	.start = start, .ask = choose,
};
