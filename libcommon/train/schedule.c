#include "train/schedule.h"

#include <math.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"

static const double pi = 3.14159265358979323846;

static uint64_t at_least_1(uint64_t x)
{
	return x ? x : 1;
}

/* Steps after warm-up. */
static double decay_steps(const struct schedule *s)
{
	return s->total > s->warmup ? (double)(s->total - s->warmup) : 1;
}

static double warm(const struct schedule *s, uint64_t step)
{
	return (double)step / (double)at_least_1(s->warmup);
}

static double constant(const struct schedule *s, uint64_t step)
{
	(void)s;
	(void)step;
	return 1;
}

static double constant_with_warmup(const struct schedule *s, uint64_t step)
{
	return step < s->warmup ? warm(s, step) : 1;
}

static double linear(const struct schedule *s, uint64_t step)
{
	if (step < s->warmup)
		return warm(s, step);
	return step < s->total ? (double)(s->total - step) / decay_steps(s) :
				 0;
}

static double cosine(const struct schedule *s, uint64_t step)
{
	double q;

	if (step < s->warmup)
		return warm(s, step);
	q = (double)(step - s->warmup) / decay_steps(s);
	return fmax(0, 0.5 * (1 + math_cos64(pi * q)));
}

static double cosine_with_min_lr(const struct schedule *s, uint64_t step)
{
	if (step < s->warmup)
		return warm(s, step);
	return fmax(0, cosine(s, step) * (1 - s->least) + s->least);
}

static const struct schedule_kind kinds[] = {
	{ "constant", constant },
	{ "constant_with_warmup", constant_with_warmup },
	{ "linear", linear },
	{ "cosine", cosine },
	{ "cosine_with_min_lr", cosine_with_min_lr },
};

const struct schedule_kind *schedule_at(size_t i)
{
	return i < NELEM(kinds) ? &kinds[i] : NULL;
}

const struct schedule_kind *schedule_find(const char *name)
{
	for (size_t i = 0; i < NELEM(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

double schedule_factor(const struct schedule *s, uint64_t step)
{
	return s->kind->factor(s, step);
}

uint64_t schedule_warmup(uint64_t total, double ratio)
{
	double steps = (double)total * ratio, whole = floor(steps);

	return (uint64_t)whole + (whole < steps);
}
