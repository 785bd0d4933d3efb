/*
 * task_mc - multiple choice by log-likelihood
 *
 * A record is {"prompt" (or "context"): text, "choices": [...], "answer" (or
 * "gold"): index or letter}; with "question" instead, the context is
 * "Question: <question>\nAnswer:". A choice continues the context after one
 * space. acc takes the largest log-likelihood, acc_norm the largest divided
 * by the choice's characters; of equals, the first. With few-shot, the first
 * records of the file are shown solved before every other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "infer/choice.h"
#include "infer/task.h"

struct mc {
	const struct task_run *run;
	struct scorer *s;
	char *shots;            /* solved records, each with a blank line */
	size_t nshot, n;
	double acc, acc_norm;
};

/* "a" "b" "c" as one allocated string; NULL: out of memory. */
static char *join(const char *a, const char *b, const char *c)
{
	size_t size = strlen(a) + strlen(b) + strlen(c) + 1;
	char *text = malloc(size);

	if (text)
		snprintf(text, size, "%s%s%s", a, b, c);
	return text;
}

static char *context_of(json_t *record)
{
	const char *text = json_text(record, "prompt", NULL);

	if (!text)
		text = json_text(record, "context", NULL);
	if (text)
		return join(text, "", "");
	text = json_text(record, "question", NULL);
	return text ? join("Question: ", text, "\nAnswer:") : NULL;
}

static long gold_of(json_t *record, size_t nchoice)
{
	json_t *gold = json_object_get(record, "answer");
	const char *letter;
	long i;

	if (!gold)
		gold = json_object_get(record, "gold");
	letter = json_string_value(gold);
	if (letter && letter[0] && !letter[1])
		i = letter[0] - (letter[0] >= 'a' ? 'a' : 'A');
	else if (json_is_integer(gold))
		i = (long)json_integer_value(gold);
	else
		return -1;
	return i >= 0 && (size_t)i < nchoice ? i : -1;
}

/* Unicode characters of UTF-8. */
static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static int check(json_t *record, const char *context)
{
	json_t *choices = json_object_get(record, "choices"), *each;
	size_t i, n = json_array_size(choices);

	if (!context)
		return err_set(E_DATA, "no \"prompt\", \"context\" or "
			       "\"question\"");
	if (n < 2 || n >= CHOICES)
		return err_set(E_DATA, "%zu choices, want 2 to %d", n,
			       CHOICES - 1);
	json_array_foreach(choices, i, each)
		if (!json_string_value(each) || !*json_string_value(each))
			return err_set(E_DATA, "choice %zu is no text", i + 1);
	if (gold_of(record, n) < 0)
		return err_set(E_DATA, "no \"answer\" among %zu choices", n);
	return 0;
}

static const char *gap_before(const char *choice)
{
	return *choice == ' ' || *choice == '\n' ? "" : " ";
}

static int add_shot(struct mc *m, json_t *record, const char *context)
{
	json_t *choices = json_object_get(record, "choices");
	long gold = gold_of(record, json_array_size(choices));
	const char *right = json_string_value(json_array_get(choices,
							     (size_t)gold));
	char *solved = join(context, gap_before(right), right);
	char *all = solved ? join(m->shots ? m->shots : "", solved, "\n\n")
			   : NULL;

	free(solved);
	free(m->shots);
	m->shots = all;
	m->nshot++;
	return all ? 0 : err_set(E_NOMEM, "out of memory");
}

static int encode(struct mc *m, const char *text, struct text_ids *ids)
{
	return m->run->text->encode(m->run->text->ctx, text, strlen(text),
				    0, ids);
}

/* Scores all choices behind the context. */
static int score(struct mc *m, const char *context, json_t *choices,
		 struct choice_score *out)
{
	struct choice_sequence seq[CHOICES] = { { 0 } };
	struct text_ids ids[CHOICES] = { { 0 } }, alone = { 0 };
	size_t n = json_array_size(choices);
	int err = encode(m, context, &alone);

	for (size_t i = 0; i < n && !err; i++) {
		const char *c = json_string_value(json_array_get(choices, i));
		char *text = join(context, gap_before(c), c);

		err = text ? encode(m, text, &ids[i])
			   : err_set(E_NOMEM, "out of memory");
		free(text);
		seq[i] = (struct choice_sequence){ ids[i].at, ids[i].n };
	}
	if (!err)
		err = choice_scores(m->s, seq, n, alone.n, out);
	for (size_t i = 0; i < n; i++)
		free(ids[i].at);
	free(alone.at);
	return err;
}

static int log_record(struct mc *m, json_t *record, long gold,
		      const struct choice_score *score, size_t n, int right,
		      int right_norm)
{
	json_t *o = json_object(), *each = json_array();
	int err;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(each, json_pack("[f,b]",
						      score[i].loglik,
						      score[i].greedy));
	if (!o || json_object_set_new(o, "doc_id",
				      json_integer((json_int_t)m->n)) ||
	    json_object_set(o, "doc", record) ||
	    json_object_set_new(o, "target", json_integer(gold)) ||
	    json_object_set_new(o, "resps", each) ||
	    json_object_set_new(o, "acc", json_integer(right)) ||
	    json_object_set_new(o, "acc_norm", json_integer(right_norm)))
		err = err_set(E_NOMEM, "out of memory");
	else
		err = m->run->sample(m->run->ctx, o);
	json_decref(o);
	return err;
}

static int judge(struct mc *m, json_t *record,
		 const struct choice_score *score)
{
	json_t *choices = json_object_get(record, "choices");
	size_t n = json_array_size(choices), best = 0, best_norm = 0;
	double norm[CHOICES];
	long gold = gold_of(record, n);
	int right, right_norm;

	for (size_t i = 0; i < n; i++) {
		const char *c = json_string_value(json_array_get(choices, i));

		norm[i] = score[i].loglik / (double)characters(c);
		if (score[i].loglik > score[best].loglik)
			best = i;
		if (norm[i] > norm[best_norm])
			best_norm = i;
	}
	right = best == (size_t)gold;
	right_norm = best_norm == (size_t)gold;
	m->acc += right;
	m->acc_norm += right_norm;
	if (m->run->sample)
		TRY(log_record(m, record, gold, score, n, right, right_norm));
	m->n++;
	return 0;
}

/* When the records are in memory, which the plan counts. */
static int begin(struct mc *m)
{
	const struct task_options *o = m->run->options;
	struct scorer_need need = {
		.tokens = o->window, .sequences = CHOICES,
		.cache_tokens = o->window, .slots = CHOICES,
		.memory = o->memory,
	};

	return m->s ? 0 : scorer_new(&m->s, m->run->program, m->run->pool,
				     &need);
}

static int take(void *ctx, json_t *record, size_t number)
{
	struct choice_score scores[CHOICES];
	struct mc *m = ctx;
	char *context = context_of(record), *whole;
	int err = check(record, context);

	if (!err && number < m->run->options->fewshot) {
		err = add_shot(m, record, context);
	} else if (!err) {
		err = begin(m);
		if (!err)
			err = task_prompt(m->run, m->s, record);
		whole = err ? NULL :
			join(m->shots ? m->shots : "", context, "");
		if (!err)
			err = whole ? score(m, whole, json_object_get(
						    record, "choices"), scores)
				    : err_set(E_NOMEM, "out of memory");
		free(whole);
		if (!err)
			err = judge(m, record, scores);
	}
	free(context);
	return err;
}

static int mc(const struct task_run *r)
{
	struct mc m = { .run = r };
	size_t limit = r->options->limit;
	int err;

	err = task_records(r->options->data,
			   limit ? limit + r->options->fewshot : 0, take, &m);
	scorer_free(m.s);
	free(m.shots);
	TRY(err);
	if (!m.n)
		return err_set(E_DATA, "%s: no record is left to be asked",
			       r->options->data);
	TRY(task_put_mean(r, "mc", "acc", m.acc, m.acc, m.n));
	return task_put_mean(r, "mc", "acc_norm", m.acc_norm, m.acc_norm, m.n);
}

const struct task task_mc = {
	.name = "mc",
	.brief = "multiple choice by log-likelihood: acc, acc_norm",
	.run = mc,
};
