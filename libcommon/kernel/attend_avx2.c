#include "kernel/attend_avx2.h"
#include "kernel/softcap.h"

enum { TILE = ATTENTION_TILE };

/*
 * A task's rows are its queries' heads, query by query: the heads of a group
 * share the tile. State of a row: its queries (scaled nowhere), its output so
 * far, m and l as in the header.
 */
struct task {
	const struct attention *a;
	size_t group, rows, d, wide;
	size_t first;           /* position of the first query */
	float *turned;          /* (d, TILE) */
	const float *keys;      /* (d, TILE): turned, or where they are */
	const float *values;    /* (TILE, wide): a copy, or where they are */
	size_t vstride;
	float *copy;            /* (TILE, wide) */
	float *q, *o;           /* (rows, wide) */
	float *m, *l;           /* (rows) */
	float *s;               /* (BLOCK_ROWS, TILE) */
};

static size_t position(const struct task *t, size_t row)
{
	return t->first + row / t->group;
}

/* Six rows' scores of columns [c, c + 16), not yet scaled. */
static void scores(const struct task *t, size_t row, size_t c)
{
	struct left q = { t->q + row * t->wide, t->wide, 1 };
	struct right k = { t->keys + c, TILE };
	__m256 s[BLOCK_ROWS][2];

	block_zero(s);
	chains(s, q, k, t->d);
#pragma GCC unroll 6
	for (int r = 0; r < BLOCK_ROWS; r++) {
		_mm256_storeu_ps(t->s + r * TILE + c, s[r][0]);
		_mm256_storeu_ps(t->s + r * TILE + c + 8, s[r][1]);
	}
}

/* Scales the scores of a row, hides those out of its span, and returns the
 * largest. all: the columns in use, multiples of 16. */
static float largest(const struct task *t, float *s, struct span p,
		     struct span all, float m)
{
	const __m256 by = _mm256_set1_ps(t->a->scale);
	const __m256 hidden = _mm256_set1_ps(-INFINITY);
	int whole = p.low <= all.low && p.high >= all.high;
	__m256 most = _mm256_set1_ps(m), x;

	for (size_t j = all.low; j < all.high; j += 8)
		_mm256_storeu_ps(s + j,
				 _mm256_mul_ps(_mm256_loadu_ps(s + j), by));
	if (t->a->softcap)
		softcap_avx2(s + all.low, s + all.low, t->a->softcap,
			     all.high - all.low);
	for (size_t j = all.low; j < all.high; j += 8) {
		x = _mm256_loadu_ps(s + j);
		if (!whole) {
			x = _mm256_blendv_ps(hidden, x,
					     seen(j, p.low, p.high));
			_mm256_storeu_ps(s + j, x);
		}
		most = _mm256_max_ps(x, most);
	}
	return max8(most);
}

/* s = exp(s - m); returns the sum. */
static float exponentials(float *s, struct span all, float m)
{
	const __m256 by = _mm256_set1_ps(m);
	__m256 low = _mm256_setzero_ps(), high = low, x, y;

	for (size_t j = all.low; j < all.high; j += 16) {
		x = exp8_low(_mm256_sub_ps(_mm256_loadu_ps(s + j), by));
		y = exp8_low(_mm256_sub_ps(_mm256_loadu_ps(s + j + 8), by));
		_mm256_storeu_ps(s + j, x);
		_mm256_storeu_ps(s + j + 8, y);
		low = _mm256_add_ps(low, x);
		high = _mm256_add_ps(high, y);
	}
	return sum16(low, high);
}

/* Scores to probabilities (but for the sum) of rows [row, row + n), whose
 * spans are p; fall: by what the outputs so far shrink. */
static void weigh(const struct task *t, size_t row, size_t n,
		  const struct span *p, struct span all, float fall[8])
{
	float m[8], change[8] = { 0 };

	for (size_t r = 0; r < n; r++) {
		if (p[r].low == p[r].high)
			continue;
		m[r] = largest(t, t->s + r * TILE, p[r], all, t->m[row + r]);
		change[r] = t->m[row + r] - m[r];
		t->m[row + r] = m[r];
	}
	_mm256_storeu_ps(fall, exp8_low(_mm256_loadu_ps(change)));
	for (size_t r = 0; r < n; r++) {
		float *s = t->s + r * TILE, *l = &t->l[row + r];

		if (p[r].low == p[r].high)
			memset(s + all.low, 0,
			       (all.high - all.low) * sizeof(*s));
		else
			*l = fmaf(*l, fall[r], exponentials(s, all, m[r]));
	}
}

/* o = o fall + s values, columns [c, c + 16), over the keys of p. */
static void mix(const struct task *t, size_t row, size_t c, struct span p,
		const float fall[8])
{
	struct left s = { t->s + p.low, TILE, 1 };
	struct right v = { t->values + p.low * t->vstride + c, t->vstride };
	float *o = t->o + row * t->wide + c;
	__m256 x[BLOCK_ROWS][2];

#pragma GCC unroll 6
	for (size_t r = 0; r < BLOCK_ROWS; r++) {
		__m256 by = _mm256_set1_ps(fall[r]);
		__m256 zero = _mm256_setzero_ps();
		float *at = o + r * t->wide;

		x[r][0] = _mm256_fmadd_ps(_mm256_loadu_ps(at), by, zero);
		x[r][1] = _mm256_fmadd_ps(_mm256_loadu_ps(at + 8), by, zero);
	}
	chains(x, s, v, p.high - p.low);
#pragma GCC unroll 6
	for (size_t r = 0; r < BLOCK_ROWS; r++) {
		_mm256_storeu_ps(o + r * t->wide, x[r][0]);
		_mm256_storeu_ps(o + r * t->wide + 8, x[r][1]);
	}
}

/* Six rows, or the last, meet the tile that starts at key tile. */
static void meet(const struct task *t, size_t row, size_t tile)
{
	size_t n = size_min(t->rows - row, BLOCK_ROWS);
	struct span p[BLOCK_ROWS], any, all;
	float fall[8];

	for (size_t r = 0; r < n; r++)
		p[r] = span_of(t->a, position(t, row + r), tile, TILE);
	any = (struct span){ p[0].low, p[n - 1].high };
	if (any.low >= any.high)
		return;
	all.low = any.low & ~(size_t)(BLOCK_COLS - 1);
	all.high = size_align(any.high, BLOCK_COLS);
	for (size_t c = all.low; c < all.high; c += BLOCK_COLS)
		scores(t, row, c);
	weigh(t, row, n, p, all, fall);
	for (size_t c = 0; c < t->wide; c += BLOCK_COLS)
		mix(t, row, c, any, fall);
}

static void finish(const struct task *t, size_t row, float *out, float *lse)
{
	float by = 1 / t->l[row];
	const float *o = t->o + row * t->wide;

	for (size_t i = 0; i < t->d; i++)
		out[i] = o[i] * by;
	*lse = t->m[row] + math_log(t->l[row]);
}

static struct task task_begin(const struct attention *a,
			      const struct attention_task *k, float *scratch)
{
	size_t group = a->heads / a->kv_heads, rows = k->count * group;
	size_t wide = size_align(a->head_dim, BLOCK_COLS);
	size_t room = size_ceil(rows, BLOCK_ROWS) * BLOCK_ROWS;
	struct task t = { .a = a, .group = group, .rows = rows,
			  .d = a->head_dim, .wide = wide };

	t.turned = scratch;
	t.copy = t.turned + wide * TILE;
	t.s = t.copy + wide * TILE;
	t.q = t.s + BLOCK_ROWS * TILE;
	t.o = t.q + room * wide;
	t.m = t.o + room * wide;
	t.l = t.m + room;
	memset(t.q + rows * wide, 0, (room - rows) * wide * sizeof(float));
	memset(t.o, 0, room * wide * sizeof(float));
	for (size_t i = 0; i < room; i++) {
		t.m[i] = -INFINITY;
		t.l[i] = 0;
	}
	return t;
}

/* Keys that are kept turned stay where they are, and values whose few rows, a
 * cached step's, do not repay a copy. */
static void take_tile(struct task *t, struct attention_tile x, size_t n)
{
	t->keys = x.k;
	if (x.element == 1) {
		tile_transpose(t->turned, TILE, x.k, x.key, n, t->d);
		t->keys = t->turned;
	}
	t->values = x.v;
	t->vstride = x.value;
	if (t->rows <= 4 * BLOCK_ROWS && t->d == t->wide)
		return;
	tile_copy(t->copy, t->wide, x.v, x.value, n, t->d);
	t->values = t->copy;
	t->vstride = t->wide;
}

void attend_avx2(const struct attention *a, const struct attention_task *k,
		 float *scratch)
{
	struct task t = task_begin(a, k, scratch);
	size_t row = a->start[k->seq] + k->first, end;
	size_t head = k->kv_head * t.group, d = t.d;
	const float *q = a->q + row * a->qstride + head * d;

	t.first = attention_at(a, k);
	for (size_t i = 0; i < k->count; i++)
		tile_copy(t.q + i * t.group * t.wide, t.wide,
			  q + i * a->qstride, d, t.group, d);
	end = t.first + k->count;
	for (size_t at = attention_first(a, t.first) / TILE * TILE; at < end;
	     at += TILE) {
		size_t n = size_min(end - at, TILE);

		take_tile(&t, attention_tile(a, k, at), n);
		for (size_t r = 0; r < t.rows; r += BLOCK_ROWS)
			meet(&t, r, at);
	}
	for (size_t r = 0; r < t.rows; r++) {
		size_t i = row + r / t.group, h = head + r % t.group;

		finish(&t, r, a->out + i * a->ostride + h * d,
		       a->lse + i * a->heads + h);
	}
}
