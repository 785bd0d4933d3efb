#include "train/profile.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct table {
	char *buf;
	size_t n;
	double steps, run;      /* of the program's run */
	double sum;
};

static void add(struct table *p, const char *format, ...)
{
	size_t left = PROFILE_TEXT - p->n;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(p->buf + p->n, left, format, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < left)
		p->n += (size_t)n;
}

static void number(struct table *p, double seconds)
{
	if (seconds > 0)
		add(p, " %9.4f", seconds / p->steps);
	else
		add(p, " %9s", "");
}

static void row(struct table *p, const struct program_time *t, double rest)
{
	double all = t->forward + t->again + t->backward + rest;

	if (all == 0)
		return;
	add(p, "%-12s", t->op);
	number(p, t->forward);
	number(p, t->again);
	number(p, t->backward);
	number(p, all);
	add(p, " %6.1f%%\n", 100 * all / p->run);
	p->sum += all;
}

static void rest(struct table *p, const char *name, double seconds)
{
	row(p, &(struct program_time){ .op = name }, seconds);
}

const char *profile_text(char *buf, struct trainer *t)
{
	struct table p = { buf, 0, (double)t->steps_run, t->time.run, 0 };
	size_t n;
	const struct program_time *op = program_profile(t->program, &n);
	const struct program_time *head = &op[n - 1];

	*buf = '\0';
	if (!t->steps_run)
		return buf;
	add(&p, "%-12s %9s %9s %9s %9s %7s\n", "seconds/step", "forward",
	    "again", "backward", "all", "share");
	for (size_t i = 0; i < n; i++)
		row(&p, &op[i], 0);
	rest(&p, "loss", t->time.loss - head->forward - head->backward);
	rest(&p, "optimizer", t->time.optimizer);
	rest(&p, "data", t->time.data);
	rest(&p, "output", t->time.output);
	rest(&p, "else", p.run - p.sum);
	rest(&p, "step", p.run);
	return buf;
}
