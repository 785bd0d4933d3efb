/*
 * What is counted of written answers. exact_match is that of Hugging Face's
 * evaluate package, which lm-evaluation-harness uses; exact and f1 are
 * SQuAD's (Rajpurkar et al. 2016, and the script of version 2.0).
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "infer/task_file.h"

/* text with each match of re replaced by `by`; text is consumed. */
static int replace(char **text, struct regex *re, const char *by)
{
	size_t size = strlen(*text), n, from = 0, done = 0, s, e;
	char *out = NULL;
	FILE *to = open_memstream(&out, &n);
	int found = 1, err = 0;

	if (!to)
		return err_set(E_NOMEM, "out of memory");
	while (!err && found && from <= size) {
		err = regex_search(re, *text, size, from, &found, &s, &e);
		if (err || !found)
			break;
		fwrite(*text + done, 1, s - done, to);
		fputs(by, to);
		done = e;
		from = e > s ? e : e + 1;
		while (from < size && ((*text)[from] & 0xc0) == 0x80)
			from++;
	}
	fputs(*text + done, to);
	if (fclose(to) && !err)
		err = err_set(E_NOMEM, "out of memory");
	if (err) {
		free(out);
		return err;
	}
	free(*text);
	*text = out;
	return 0;
}

/* Python's string.punctuation, or string.digits. */
static void leave_out(char *text, int (*is)(int c))
{
	char *to = text;

	for (; *text; text++)
		if ((unsigned char)*text >= 0x80 || !is((unsigned char)*text))
			*to++ = *text;
	*to = 0;
}

static int lower(const struct task_run *r, char **text)
{
	char *out;

	TRY(r->text->lower(r->text->ctx, *text, &out));
	free(*text);
	*text = out;
	return 0;
}

/* As the metric says. */
static int alike(const struct task_run *r, const struct task_metric *m,
		 char **text)
{
	for (size_t i = 0; i < m->nignore; i++)
		TRY(replace(text, m->ignore[i], ""));
	if (m->ignore_case)
		TRY(lower(r, text));
	if (m->ignore_punctuation)
		leave_out(*text, ispunct);
	if (m->ignore_numbers)
		leave_out(*text, isdigit);
	return 0;
}

/* SQuAD's: lower case, no punctuation, no articles, single spaces, which are
 * left at the ends too. */
static int squad(const struct task_run *r, const struct task_spec *s,
		 char **text)
{
	TRY(lower(r, text));
	leave_out(*text, ispunct);
	TRY(replace(text, s->articles, " "));
	return replace(text, s->blanks, " ");
}

/* The next word, up to a space; *n is 0 at the end. */
static const char *word(const char *text, size_t *n)
{
	text += strspn(text, " ");
	*n = strcspn(text, " ");
	return text;
}

static size_t count(const char *text)
{
	size_t words = 0, n;

	for (text = word(text, &n); n; text = word(text + n, &n))
		words++;
	return words;
}

/* Words that both have, as often as both have them; b is spoilt. */
static size_t common(const char *a, char *b)
{
	size_t same = 0, n, m;

	for (a = word(a, &n); n; a = word(a + n, &n)) {
		const char *w = word(b, &m);

		while (m && (m != n || memcmp(a, w, n)))
			w = word(w + m, &m);
		if (!m)
			continue;
		same++;
		memset(b + (w - b), ' ', m);
	}
	return same;
}

static double exact_of(const char *a, const char *b)
{
	size_t n, m;

	do {
		a = word(a, &n);
		b = word(b, &m);
		if (n != m || memcmp(a, b, n))
			return 0;
		a += n;
		b += m;
	} while (n);
	return 1;
}

static double f1_of(const char *answer, char *target)
{
	size_t na = count(answer), nt = count(target), same;
	double precision, recall;

	if (!na || !nt)
		return na == nt;
	same = common(answer, target);
	if (!same)
		return 0;
	precision = (double)same / (double)na;
	recall = (double)same / (double)nt;
	return 2 * precision * recall / (precision + recall);
}

/* Against one target; both texts are ours. */
static int score(const struct task_run *r, const struct task_spec *s,
		 const struct task_metric *m, char **answer, char **target,
		 double *x)
{
	if (!strcmp(m->name, "exact_match")) {
		TRY(alike(r, m, answer));
		TRY(alike(r, m, target));
		*x = !strcmp(*answer, *target);
		return 0;
	}
	TRY(squad(r, s, answer));
	TRY(squad(r, s, target));
	*x = !strcmp(m->name, "f1") ? f1_of(*answer, *target)
				    : exact_of(*answer, *target);
	return 0;
}

int task_agrees(const struct task_run *r, const struct task_spec *s,
		const struct task_metric *m, const char *answer,
		json_t *targets, double *best)
{
	json_t *each;
	size_t i;
	int err = 0;

	*best = 0;
	json_array_foreach(targets, i, each) {
		char *a = strdup(answer), *t = strdup(json_string_value(each));
		double x = 0;

		if (!err)
			err = a && t ? score(r, s, m, &a, &t, &x)
				     : err_set(E_NOMEM, "out of memory");
		*best = x > *best ? x : *best;
		free(a);
		free(t);
	}
	return err;
}
