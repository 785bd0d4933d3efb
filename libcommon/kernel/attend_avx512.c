#include "kernel/attend_avx512.h"
#include "kernel/softcap.h"

enum {
	TILE = ATTENTION_TILE,
	FEW_ROWS = 3,           /* a cached step's, which would waste half */
};

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

/* Rows' scores of columns from c on. */
INLINE void scores(const struct task *t, size_t row, size_t c, int rows,
		   int vectors)
{
	const __m512 by = _mm512_set1_ps(t->a->scale);
	struct left q = { t->q + row * t->wide, t->wide, 1 };
	struct right k = { t->keys + c, TILE };
	block s;

	block_zero(s, vectors);
	chains_of(s, q, k, t->d, rows, vectors);
#pragma GCC unroll 6
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
		for (int j = 0; j < vectors; j++)
			_mm512_storeu_ps(t->s + r * TILE + c + VECTOR * j,
					 _mm512_mul_ps(s[r][j], by));
}

/* The largest score of a row, none of those out of its span, which it hides.
 * all: the columns in use, multiples of 16. */
static float largest(const struct task *t, float *s, struct span p,
		     struct span all, float m)
{
	const __m512 hidden = _mm512_set1_ps(-INFINITY);
	__m512 most = _mm512_set1_ps(m);

	if (t->a->softcap)
		softcap_avx512(s + all.low, s + all.low, t->a->softcap,
			       all.high - all.low);
	for (size_t j = all.low; j < all.high; j += VECTOR) {
		__mmask16 in = seen(j, p.low, p.high);
		__m512 x = _mm512_loadu_ps(s + j);

		if (in != 0xffff) {
			x = _mm512_mask_mov_ps(hidden, in, x);
			_mm512_storeu_ps(s + j, x);
		}
		most = _mm512_max_ps(x, most);
	}
	return max16(most);
}

/* s = exp(s - m); returns the sum. */
static float exponentials(float *s, struct span all, float m)
{
	const __m512 by = _mm512_set1_ps(m);
	__m512 sum = _mm512_setzero_ps();

	for (size_t j = all.low; j < all.high; j += VECTOR) {
		__m512 x = exp16_low(_mm512_sub_ps(_mm512_loadu_ps(s + j), by));

		_mm512_storeu_ps(s + j, x);
		sum = _mm512_add_ps(sum, x);
	}
	return sum16(sum);
}

/* Scores to probabilities (but for the sum) of rows [row, row + n), whose
 * spans are p; fall: by what the outputs so far shrink. */
static void weigh(const struct task *t, size_t row, size_t n,
		  const struct span *p, struct span all, float fall[VECTOR])
{
	float m[BLOCK_ROWS], change[VECTOR] = { 0 };

	for (size_t r = 0; r < n; r++) {
		if (p[r].low == p[r].high)
			continue;
		m[r] = largest(t, t->s + r * TILE, p[r], all, t->m[row + r]);
		change[r] = t->m[row + r] - m[r];
		t->m[row + r] = m[r];
	}
	_mm512_storeu_ps(fall, exp16_low(_mm512_loadu_ps(change)));
	for (size_t r = 0; r < n; r++) {
		float *s = t->s + r * TILE, *l = &t->l[row + r];

		if (p[r].low == p[r].high)
			memset(s + all.low, 0,
			       (all.high - all.low) * sizeof(*s));
		else
			*l = fmaf(*l, fall[r], exponentials(s, all, m[r]));
	}
}

/* o = o fall + s values, columns from c on, over the keys of p. */
INLINE void mix(const struct task *t, size_t row, size_t c, struct span p,
		const float *fall, int rows, int vectors)
{
	struct left s = { t->s + p.low, TILE, 1 };
	struct right v = { t->values + p.low * t->vstride + c, t->vstride };
	float *o = t->o + row * t->wide + c, *at;
	const __m512 zero = _mm512_setzero_ps();
	block x;

#pragma GCC unroll 6
	for (int r = 0; r < rows; r++) {
		at = o + (size_t)r * t->wide;
#pragma GCC unroll 4
		for (int j = 0; j < vectors; j++)
			x[r][j] = _mm512_fmadd_ps(
				_mm512_loadu_ps(at + VECTOR * j),
				_mm512_set1_ps(fall[r]), zero);
	}
	chains_of(x, s, v, p.high - p.low, rows, vectors);
#pragma GCC unroll 6
	for (int r = 0; r < rows; r++) {
		at = o + (size_t)r * t->wide;
#pragma GCC unroll 4
		for (int j = 0; j < vectors; j++)
			_mm512_storeu_ps(at + VECTOR * j, x[r][j]);
	}
}

/* Six rows, or the last, meet the tile that starts at key tile. */
static void meet(const struct task *t, size_t row, size_t tile)
{
	size_t n = size_min(t->rows - row, BLOCK_ROWS);
	struct span p[BLOCK_ROWS] = { { 0, 0 } }, any, all;
	float fall[VECTOR];

	for (size_t r = 0; r < n; r++)
		p[r] = span_of(t->a, position(t, row + r), tile, TILE);
	any = (struct span){ p[0].low, p[n - 1].high };
	if (any.low >= any.high)
		return;
	all.low = any.low & ~(size_t)(VECTOR - 1);
	all.high = size_align(any.high, VECTOR);
	if (n <= FEW_ROWS)
		WITH_VECTORS(vectors_of(all.high - all.low), scores, t, row,
			     all.low, FEW_ROWS);
	else
		WITH_VECTORS(vectors_of(all.high - all.low), scores, t, row,
			     all.low, BLOCK_ROWS);
	weigh(t, row, n, p, all, fall);
	for (size_t c = 0; c < t->wide; c += BLOCK_VECTORS * VECTOR)
		if (n <= FEW_ROWS)
			WITH_VECTORS(vectors_of(t->wide - c), mix, t, row, c,
				     any, fall, FEW_ROWS);
		else
			WITH_VECTORS(vectors_of(t->wide - c), mix, t, row, c,
				     any, fall, BLOCK_ROWS);
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
	size_t wide = size_align(a->head_dim, VECTOR);
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
static void take_tile(struct task *t, struct attention_tile x, size_t n,
		      int more)
{
	struct ahead ahead = { { x.v, more ? x.k + TILE * x.key : NULL },
			       { x.value, x.key } };

	t->keys = x.k;
	if (x.element == 1) {
		tile_turn(t->turned, TILE, x.k, x.key, n, t->d, ahead);
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

void attend_avx512(const struct attention *a, const struct attention_task *k,
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

		take_tile(&t, attention_tile(a, k, at), n, at + n < end);
		for (size_t r = 0; r < t.rows; r += BLOCK_ROWS)
			meet(&t, r, at);
	}
	for (size_t r = 0; r < t.rows; r++) {
		size_t i = row + r / t.group, h = head + r % t.group;

		finish(&t, r, a->out + i * a->ostride + h * d,
		       a->lse + i * a->heads + h);
	}
}
