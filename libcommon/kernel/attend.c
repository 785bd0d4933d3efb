#include "kernel/attention.h"

#include "base/math.h"
#include "base/size.h"
#include "kernel/lanes.h"

#include <math.h>
#include <string.h>

/* x's elements lie together, y's by apart. */
static float dot(const float *x, const float *y, size_t by, size_t d)
{
	float s = 0;

	for (size_t i = 0; i < d; i++)
		s = fmaf(x[i], y[i * by], s);
	return s;
}

/* The score, and with softcap the tanh in it. */
static float score(const struct attention *a, const float *q, const float *k,
		   size_t by, float *t)
{
	float s = dot(q, k, by, a->head_dim) * a->scale;

	if (!a->softcap)
		return s;
	*t = math_tanh(s / a->softcap);
	return a->softcap * *t;
}

/* The state of a row: largest score, sum, and its output unscaled. */
struct row {
	float m, l;
	float *o;
};

/* Keys [0, n) of a tile, with scores s; the first stands in lane 'lane'. */
static void take_tile(struct row *r, float *s, size_t n, size_t first,
		      const float *v, size_t vstride, size_t d)
{
	float lane[LANES] = { 0 }, m = r->m, c;

	for (size_t j = 0; j < n; j++)
		m = s[j] > m ? s[j] : m;
	c = math_exp(r->m - m);
	for (size_t j = 0; j < n; j++) {
		s[j] = math_exp(s[j] - m);
		lane[(first + j) % LANES] += s[j];
	}
	r->l = fmaf(r->l, c, lanes_sum(lane));
	r->m = m;
	for (size_t i = 0; i < d; i++)
		r->o[i] = fmaf(r->o[i], c, 0);
	for (size_t j = 0; j < n; j++, v += vstride)
		for (size_t i = 0; i < d; i++)
			r->o[i] = fmaf(s[j], v[i], r->o[i]);
}

/* Query q at position at. */
static float attend_row(const struct attention *a,
			const struct attention_task *k, float *out,
			const float *q, size_t at)
{
	struct row r = { -INFINITY, 0, out };
	float s[ATTENTION_TILE], t, sum;
	size_t next;

	memset(out, 0, a->head_dim * sizeof(*out));
	for (size_t j = attention_first(a, at); j <= at; j = next) {
		size_t tile = j / ATTENTION_TILE * ATTENTION_TILE;
		struct attention_tile x = attention_tile(a, k, tile);

		next = size_min(tile + ATTENTION_TILE, at + 1);
		for (size_t i = j; i < next; i++)
			s[i - j] = score(a, q, x.k + (i - tile) * x.key,
					 x.element, &t);
		take_tile(&r, s, next - j, j, x.v + (j - tile) * x.value,
			  x.value, a->head_dim);
	}
	r.l = 1 / (sum = r.l);
	for (size_t i = 0; i < a->head_dim; i++)
		out[i] *= r.l;
	return r.m + math_log(sum);
}

void attend_c(const struct attention *a, const struct attention_task *t,
	      float *scratch)
{
	size_t group = a->heads / a->kv_heads, d = a->head_dim;
	size_t start = a->start[t->seq] + t->first, at = attention_at(a, t);

	(void)scratch;
	for (size_t i = 0; i < t->count; i++)
		for (size_t g = 0; g < group; g++) {
			size_t head = t->kv_head * group + g;
			size_t row = start + i;

			a->lse[row * a->heads + head] = attend_row(
				a, t, a->out + row * a->ostride + head * d,
				a->q + row * a->qstride + head * d, at + i);
		}
}

/* What a query's pairs with its keys need. */
struct pair {
	const float *q, *dout;
	float *dq;
	float lse, delta;
};

static float delta_of(const float *dout, const float *out, size_t d)
{
	float lane[LANES] = { 0 };

	for (size_t i = 0; i < d; i++)
		lane[i % LANES] = fmaf(dout[i], out[i], lane[i % LANES]);
	return lanes_sum(lane);
}

static void pair_backward(const struct attention *a, const struct pair *r,
			  const float *k, const float *v, float *dk, float *dv)
{
	float t = 0, p, ds;

	p = math_exp(score(a, r->q, k, 1, &t) - r->lse);
	ds = p * (dot(r->dout, v, 1, a->head_dim) - r->delta);
	if (a->softcap)
		ds *= fmaf(-t, t, 1);
	ds *= a->scale;
	for (size_t i = 0; i < a->head_dim; i++) {
		r->dq[i] = fmaf(ds, k[i], r->dq[i]);
		dk[i] = fmaf(ds, r->q[i], dk[i]);
		dv[i] = fmaf(p, r->dout[i], dv[i]);
	}
}

void attend_backward_c(const struct attention *a,
		       const struct attention_grad *g, size_t seq, size_t head,
		       float *dk, float *dv, float *scratch)
{
	size_t d = a->head_dim, wide = a->heads * d;
	size_t at = head * d, kat = head / (a->heads / a->kv_heads) * d;
	size_t start = a->start[seq], n = a->start[seq + 1] - start;

	(void)scratch;
	for (size_t i = start; i < start + n; i++) {
		memset(dk + i * wide + at, 0, d * sizeof(*dk));
		memset(dv + i * wide + at, 0, d * sizeof(*dv));
	}
	for (size_t i = 0; i < n; i++) {
		size_t row = start + i;
		struct pair r = {
			.q = a->q + row * a->qstride + at,
			.dout = g->dout + row * g->dostride + at,
			.dq = g->dq + row * g->dqstride + at,
			.lse = a->lse[row * a->heads + head],
		};

		r.delta = delta_of(r.dout, a->out + row * a->ostride + at, d);
		memset(r.dq, 0, d * sizeof(*r.dq));
		for (size_t j = attention_first(a, i); j <= i; j++) {
			size_t key = start + j;

			pair_backward(a, &r, a->k + key * a->kstride + kat,
				      a->v + key * a->vstride + kat,
				      dk + key * wide + at,
				      dv + key * wide + at);
		}
	}
}
