/*
 * Rotary angles: whatever the scaling is called, it comes down to a vector of
 * frequencies and a factor for cos and sin. The steps are those of
 * transformers' modeling_rope_utils, in f32 where it has f32, so that the
 * angles are the same.
 */
#include "arch/program_parts.h"
#include "base/math.h"
#include "base/size.h"
#include "kernel/rope.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double two_pi = 6.283185307179586;

struct scaling {
	const struct program *p;
	const char *group;
	double theta, factor, original;
	size_t dim;
};

static double member(const struct scaling *s, const char *name, double none)
{
	return family_member(s->p->c, s->group, name, none);
}

static int lacks(const struct scaling *s, const char *name)
{
	return err_set(E_DATA, "config.json: the rope scaling has no %s "
		       "(%s.%s)", name, s->group, name);
}

static int needs(const struct scaling *s, const char *name)
{
	return member(s, name, 0) > 0 ? 0 : lacks(s, name);
}

static int scale_none(const struct scaling *s, struct angles *a)
{
	(void)s;
	(void)a;
	return 0;
}

static int scale_linear(const struct scaling *s, struct angles *a)
{
	TRY(needs(s, "factor"));
	for (size_t i = 0; i < a->half; i++)
		a->freq[i] /= (float)s->factor;
	return 0;
}

/* Llama 3.1: long waves are stretched, short ones stay, those between blend. */
static int scale_llama3(const struct scaling *s, struct angles *a)
{
	double low = member(s, "low", 0), high = member(s, "high", 0);

	TRY(needs(s, "factor"));
	TRY(needs(s, "original"));
	TRY(needs(s, "low"));
	TRY(needs(s, "high"));
	if (high == low)
		return err_set(E_DATA, "config.json: low_freq_factor and "
			       "high_freq_factor are the same");
	for (size_t i = 0; i < a->half; i++) {
		float wave = (float)two_pi / a->freq[i];
		float slow = a->freq[i] / (float)s->factor, smooth;

		if (wave > (float)(s->original / low)) {
			a->freq[i] = slow;
		} else if (!(wave < (float)(s->original / high))) {
			smooth = ((float)s->original / wave - (float)low) /
				 (float)(high - low);
			a->freq[i] = (1 - smooth) * a->freq[i] /
				     (float)s->factor +
				     smooth * a->freq[i];
		}
	}
	return 0;
}

/* The dimension that turns so many times in the original length. */
static double yarn_dim(const struct scaling *s, double turns)
{
	return (double)s->dim * math_log64(s->original / (turns * two_pi)) /
	       (2 * math_log64(s->theta));
}

static double yarn_mscale(double factor, double m)
{
	return factor <= 1 ? 1 : 0.1 * m * math_log64(factor) + 1;
}

static double yarn_attention(const struct scaling *s)
{
	double m = member(s, "mscale", 0), all = member(s, "all", 0);

	if (member(s, "attention", 0) > 0)
		return member(s, "attention", 0);
	if (m > 0 && all > 0)
		return yarn_mscale(s->factor, m) /
		       yarn_mscale(s->factor, all);
	return yarn_mscale(s->factor, 1);
}

/* Peng et al. 2023, arXiv:2309.00071. */
static int scale_yarn(const struct scaling *s, struct angles *a)
{
	double low, high;

	TRY(needs(s, "factor"));
	TRY(needs(s, "original"));
	if (!(s->theta > 1))
		return lacks(s, "theta above 1");
	low = yarn_dim(s, member(s, "fast", 32));
	high = yarn_dim(s, member(s, "slow", 1));
	if (member(s, "truncate", 1) != 0) {
		low = floor(low);
		high = ceil(high);
	}
	low = low > 0 ? low : 0;
	if (high > (double)s->dim - 1)
		high = (double)s->dim - 1;
	if (low == high)
		high += 0.001;
	for (size_t i = 0; i < a->half; i++) {
		float ramp = ((float)i - (float)low) / (float)(high - low);
		float keep, f = a->freq[i];

		ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
		keep = 1 - ramp;
		a->freq[i] = f / (float)s->factor * (1 - keep) + f * keep;
	}
	a->scale = (float)yarn_attention(s);
	return 0;
}

/* Ding et al. 2024, arXiv:2402.13753: each frequency has a divisor, for as
 * long as the original length; beyond it there are others, which no sequence
 * of ours reaches (program_longest()). */
static int scale_longrope(const struct scaling *s, struct angles *a)
{
	size_t n = 0;
	const double *by = family_list(s->p->c, s->group, "short_factor", &n);
	double factor = s->factor;

	TRY(needs(s, "original"));
	if (!by || n != a->half)
		return err_set(E_DATA, "config.json: the rope scaling has %zu "
			       "short_factor, want %zu", n, a->half);
	for (size_t i = 0; i < n; i++) {
		float e = (float)(2 * i) / (float)s->dim;

		if (!(by[i] > 0))
			return lacks(s, "short_factor above 0");
		a->freq[i] = 1 / ((float)by[i] *
				  (float)math_pow64(s->theta, e));
	}
	if (!(factor > 0))
		factor = member(s, "longest", s->original) / s->original;
	a->scale = (float)member(s, "attention", factor <= 1 ? 1 :
		sqrt(1 + math_log64(factor) / math_log64(s->original)));
	a->longest = (size_t)fmin(s->original, 1e9);
	return 0;
}

static const struct {
	const char *name;
	int (*scale)(const struct scaling *s, struct angles *a);
} types[] = {
	{ "default", scale_none },
	{ "linear", scale_linear },
	{ "llama3", scale_llama3 },
	{ "yarn", scale_yarn },
	{ "longrope", scale_longrope },
	{ "su", scale_longrope },
};

static int scale_by_type(const struct scaling *s, struct angles *a)
{
	char name[2 * FAMILY_NAME] = { 0 };
	const char *type = "default";

	strncpy(name, s->group, FAMILY_NAME);
	strcat(name, ".type");
	if (family_has(s->p->c, name))
		type = family_text(s->p->c, name);
	if (!type)
		return err_set(E_DATA, "config.json: the rope type is not a "
			       "text");
	for (size_t i = 0; i < NELEM(types); i++)
		if (!strcmp(types[i].name, type))
			return types[i].scale(s, a);
	return err_set(E_DATA, "config.json: rope scaling \"%s\" is not known",
		       type);
}

static int fill(const struct scaling *s, struct angles *a)
{
	a->half = s->dim / 2;
	a->scale = 1;
	a->longest = SIZE_MAX;
	a->freq = malloc(a->half * sizeof(*a->freq));
	if (!a->freq)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < a->half; i++) {
		float e = (float)(2 * i) / (float)s->dim;

		a->freq[i] = 1 / (float)math_pow64(s->theta, e);
	}
	TRY(scale_by_type(s, a));
	for (size_t i = 0; i < a->half; i++)
		if (!isfinite(a->freq[i]) || !isfinite(a->scale))
			return err_set(E_DATA, "config.json: the rope's "
				       "numbers (%s) give angles that are no "
				       "numbers", s->group);
	return 0;
}

static int cannot_turn(double dim, double head_dim)
{
	return err_set(E_DATA, "config.json: rope cannot turn %g of %g "
		       "elements", dim, head_dim);
}

int program_angles(struct program *p, const char *group, double head_dim,
		   size_t *at)
{
	struct scaling s = { .p = p, .group = group };
	struct angles *a = &p->angles[p->nangles];
	double dim = floor(family_member(p->c, group, "dim", head_dim));

	for (*at = 0; *at < p->nangles; ++*at)
		if (!strcmp(p->angles[*at].group, group)) {
			dim = 2 * (double)p->angles[*at].half;
			return dim <= head_dim ? 0 : cannot_turn(dim, head_dim);
		}
	if (p->nangles == PROGRAM_TABLES)
		return err_set(E_DATA, "more than %d kinds of rope",
			       PROGRAM_TABLES);
	s.theta = member(&s, "theta", 0);
	s.factor = member(&s, "factor", 0);
	s.original = member(&s, "original", 0);
	if (!(s.theta > 0))
		return lacks(&s, "theta");
	if (!(dim >= 2 && dim <= head_dim && head_dim <= 65536) ||
	    dim != 2 * floor(dim / 2))
		return cannot_turn(dim, head_dim);
	s.dim = (size_t)dim;
	p->nangles++;
	memcpy(a->group, group, strlen(group));
	return fill(&s, a);
}

static size_t table_floats(const struct angles *a, size_t positions)
{
	return size_align(positions * a->half, 16);
}

size_t angles_bytes(const struct program *p, size_t positions)
{
	size_t n = 0;

	for (size_t i = 0; i < p->nangles; i++)
		n += 2 * table_floats(&p->angles[i], positions);
	return n * sizeof(float);
}

void angles_fill(const struct program *p, struct op_rope_table *table,
		 float *at, size_t positions)
{
	for (size_t i = 0; i < p->nangles; i++) {
		const struct angles *a = &p->angles[i];
		size_t n = table_floats(a, positions);

		rope_table(at, at + n, positions, a->freq, a->half, a->scale);
		table[i] = (struct op_rope_table){ at, at + n, a->half };
		at += 2 * n;
	}
}
