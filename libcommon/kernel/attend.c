#include "kernel/attention.h"

#include "base/math.h"
#include "base/size.h"
#include "kernel/lanes.h"

#include <math.h>
#include <string.h>

static float dot(const float *x, const float *y, size_t d)
{
	float s = 0;

	for (size_t i = 0; i < d; i++)
		s = fmaf(x[i], y[i], s);
	return s;
}

/* The score, and with softcap the tanh in it. */
static float score(const struct attention *a, const float *q, const float *k,
		   float *t)
{
	float s = dot(q, k, a->head_dim) * a->scale;

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

/* Query q at position at; k and v are its head's in the first key. */
static float attend_row(const struct attention *a, float *out, const float *q,
			const float *k, const float *v, size_t at)
{
	struct row r = { -INFINITY, 0, out };
	float s[ATTENTION_TILE], t, sum;
	size_t next;

	memset(out, 0, a->head_dim * sizeof(*out));
	for (size_t j = attention_first(a, at); j <= at; j = next) {
		next = (j / ATTENTION_TILE + 1) * ATTENTION_TILE;
		next = size_min(next, at + 1);
		for (size_t i = j; i < next; i++)
			s[i - j] = score(a, q, k + i * a->kstride, &t);
		take_tile(&r, s, next - j, j, v + j * a->vstride, a->vstride,
			  a->head_dim);
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
	size_t start = a->start[t->seq], past = 0;
	const float *k = a->k + start * a->kstride;
	const float *v = a->v + start * a->vstride;

	(void)scratch;
	if (a->past) {
		k = a->past[t->seq].k;
		v = a->past[t->seq].v;
		past = a->past[t->seq].len - (a->start[t->seq + 1] - start);
	}
	k += t->kv_head * d;
	v += t->kv_head * d;
	for (size_t i = t->first; i < t->first + t->count; i++)
		for (size_t g = 0; g < group; g++) {
			size_t head = t->kv_head * group + g;
			size_t row = start + i;

			a->lse[row * a->heads + head] = attend_row(
				a, a->out + row * a->ostride + head * d,
				a->q + row * a->qstride + head * d, k, v,
				past + i);
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

	p = math_exp(score(a, r->q, k, &t) - r->lse);
	ds = p * (dot(r->dout, v, a->head_dim) - r->delta);
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
