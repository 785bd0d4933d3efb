#include "quant/int_grid.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

enum { STEPS = 50, RUN = 256 };

struct range {
	float low, high;
};

/* NaN, if there is one, ends up in the range. */
static struct range range_of(const float *w, size_t n)
{
	struct range r = { w[0], w[0] };

	for (size_t i = 1; i < n; i++) {
		r.low = w[i] >= r.low ? r.low : w[i];
		r.high = w[i] <= r.high ? r.high : w[i];
		if (isnan(w[i]))
			return (struct range){ w[i], w[i] };
	}
	return r;
}

static float stored(float scale, enum dtype d)
{
	static const float least = 0x1p-24f; /* the smallest f16 above 0 */
	char raw[8];
	float x;

	dtype_from_f32(raw, d, &scale, 1);
	dtype_to_f32(&x, d, raw, 1);
	return x > 0 || !(scale > 0) ? x : least;
}

static void set_real(struct int_grid *g, const struct int_grid_rule *r,
		     struct range x)
{
	float scale = (x.high - x.low) / g->most;

	g->scale = scale == 0 ? 1 : stored(scale, r->scale);
	g->from = x.low;
	g->add = 0;
	g->zero = -x.low / g->scale;
}

static void set_whole(struct int_grid *g, const struct int_grid_rule *r,
		      struct range x, float stretch)
{
	float high = stretch * x.high, low = stretch * x.low;

	g->scale = stored((high - low) / g->most, r->scale);
	g->zero = rintf(-low / g->scale);
	if (g->zero > g->most)
		g->zero = g->most;
	g->from = 0;
	g->add = g->zero;
}

static void set_middle(struct int_grid *g, const struct int_grid_rule *r,
		       struct range x)
{
	float most = x.high > -x.low ? x.high : -x.low;

	g->scale = stored(2 * most / g->most, r->scale);
	g->zero = (g->most + 1) / 2;
	g->from = 0;
	g->add = g->zero;
}

static double disorder(const struct int_grid *g, const struct int_grid_rule *r,
		       const float *w, size_t n)
{
	uint16_t count[256] = { 0 };
	uint8_t code[RUN];

	for (size_t some; n; n -= some, w += some) {
		some = size_min(n, RUN);
		int_grid_codes(code, g, w, some);
		for (size_t i = 0; i < some; i++)
			count[code[i]]++;
	}
	return entropy_disorder(r->entropy, count, (size_t)1 << r->bits);
}

/* Candidate i's factor: of doubles, as numpy.linspace() has them. */
static float factor(int i)
{
	double step = i > STEPS ? (0.9 - 1) / STEPS : (1.1 - 1) / STEPS;
	int k = i > STEPS ? i - STEPS : i;

	if (k == STEPS)
		return i > STEPS ? 0.9f : 1.1f;
	return (float)(k * step + 1);
}

static void set_stretched(struct int_grid *g, const struct int_grid_rule *r,
			  struct range x, const float *w, size_t n)
{
	struct int_grid best = *g;
	double least = 0;

	for (int i = 0; i <= 2 * STEPS; i++) {
		double s;

		set_whole(g, r, x, factor(i));
		s = disorder(g, r, w, n);
		if (i && !(s < least))
			continue;
		least = s;
		best = *g;
	}
	*g = best;
}

void int_grid_find(struct int_grid *g, const struct int_grid_rule *r,
		   const float *w, size_t n)
{
	struct range x = range_of(w, n);

	*g = (struct int_grid){ .most = (float)((1 << r->bits) - 1) };
	if (!isfinite(x.low) || !isfinite(x.high)) {
		g->scale = NAN;
		return;
	}
	if (r->zero == GRID_REAL) {
		set_real(g, r, x);
		return;
	}
	x.low = x.low < 0 ? x.low : 0;
	x.high = x.high > 0 ? x.high : 0;
	if (x.low == 0 && x.high == 0)
		x = (struct range){ -1, 1 };
	if (r->zero == GRID_MIDDLE)
		set_middle(g, r, x);
	else if (r->entropy)
		set_stretched(g, r, x, w, n);
	else
		set_whole(g, r, x, 1);
}

void int_grid_codes(uint8_t *code, const struct int_grid *g, const float *w,
		    size_t n)
{
	for (size_t i = 0; i < n; i++)
		code[i] = (uint8_t)int_grid_code(g, w[i]);
}
