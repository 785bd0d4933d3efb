#include "kernel/attend_avx2.h"
#include "kernel/x16_avx2.h"

/*
 * Tiles of 48 queries by 48 keys, key tiles outside, both upward: a chain over
 * queries (dk, dv) or over keys (dq) then goes on where the tile before it
 * left off, so the size of tiles does not show in the bits.
 */
enum { TILE = 48 };

/* What has chains stands alone: all in one function, they want for registers,
 * and a tenth is lost. */
#define ALONE static __attribute__((noinline))

struct head {
	const struct attention *a;
	size_t d, wide;
	size_t queries, keys;   /* the tile's first query and key */
	size_t nquery, nkey;
	float *q, *dout;        /* (TILE, wide) */
	float *kt, *vt;         /* (d, TILE), transposed */
	float *k;               /* (TILE, wide) */
	float *p, *ds;          /* (TILE, TILE) query by key */
	float lse[TILE], delta[TILE];
};

static float delta_of(const float *dout, const float *out, size_t d)
{
	x16 sum = x16_set(0);

	for (size_t i = 0; i < d; i += 16) {
		x16 x = x16_load(dout + i, d - i);

		x = x16_fma(x, x16_load(out + i, d - i), sum);
		sum = x16_keep(sum, x, d - i);
	}
	return x16_sum(sum);
}

/* The scores s of a block become the probabilities p, and, with softcap, the
 * slope of the cap goes where ds will be. */
static void cap(const struct head *h, float *p, float *ds)
{
	const x16 softcap = x16_set(h->a->softcap), one = x16_set(1);

	for (size_t r = 0; r < BLOCK_ROWS * TILE; r += TILE)
		for (size_t j = r; j < r + BLOCK_COLS; j += 16) {
			x16 t = x16_div(x16_load(p + j, 16), softcap);

			t = x16_tanh(t);
			x16_store(p + j, 16, x16_mul(softcap, t));
			x16_store(ds + j, 16, x16_fnma(t, t, one));
		}
}

static inline void weigh(const struct head *h, size_t row, size_t c, float *p)
{
	for (size_t r = 0; r < BLOCK_ROWS; r++) {
		struct span s = { 0, 0 };
		__m256 lse = _mm256_set1_ps(h->lse[row + r]);

		if (row + r < h->nquery)
			s = span_of(h->a, h->queries + row + r, h->keys,
				    h->nkey);
		for (size_t j = 0; j < BLOCK_COLS; j += 8) {
			float *at = p + r * TILE + j;
			__m256 x = _mm256_sub_ps(_mm256_loadu_ps(at), lse);

			x = _mm256_and_ps(exp8_low(x),
					  seen(c + j, s.low, s.high));
			_mm256_storeu_ps(at, x);
		}
	}
}

/* p and ds of six queries and sixteen keys. */
ALONE void block(const struct head *h, size_t row, size_t c)
{
	const __m256 scale = _mm256_set1_ps(h->a->scale);
	struct left q = { h->q + row * h->wide, h->wide, 1 };
	struct left g = { h->dout + row * h->wide, h->wide, 1 };
	struct right k = { h->kt + c, TILE }, v = { h->vt + c, TILE };
	float *p = h->p + row * TILE + c, *ds = h->ds + row * TILE + c;
	__m256 x[BLOCK_ROWS][2];

	block_zero(x);
	chains(x, q, k, h->d);
#pragma GCC unroll 6
	for (size_t r = 0; r < BLOCK_ROWS; r++)
		for (size_t j = 0; j < 2; j++)
			_mm256_storeu_ps(p + r * TILE + 8 * j,
					 _mm256_mul_ps(x[r][j], scale));
	if (h->a->softcap)
		cap(h, p, ds);
	weigh(h, row, c, p);
	block_zero(x);
	chains(x, g, v, h->d);
#pragma GCC unroll 6
	for (size_t r = 0; r < BLOCK_ROWS; r++)
		for (size_t j = 0; j < 2; j++) {
			size_t at = r * TILE + 8 * j;
			__m256 y = _mm256_set1_ps(h->delta[row + r]);

			y = _mm256_mul_ps(_mm256_loadu_ps(p + at),
					  _mm256_sub_ps(x[r][j], y));
			if (h->a->softcap)
				y = _mm256_mul_ps(y, _mm256_loadu_ps(ds + at));
			_mm256_storeu_ps(ds + at, _mm256_mul_ps(y, scale));
		}
}

/* The keys that some of rows [row, row + BLOCK_ROWS) see. */
static struct span keys_of(const struct head *h, size_t row)
{
	size_t last = size_min(row + BLOCK_ROWS, h->nquery) - 1;
	struct span s = span_of(h->a, h->queries + row, h->keys, h->nkey);

	s.high = span_of(h->a, h->queries + last, h->keys, h->nkey).high;
	s.low = size_min(s.low, s.high);
	return s;
}

/* The queries that see some of keys [key, key + BLOCK_ROWS). */
static struct span queries_of(const struct head *h, size_t key)
{
	size_t first = h->keys + key, last = first + BLOCK_ROWS - 1;
	struct span s = { 0, h->nquery };

	if (first > h->queries)
		s.low = size_min(first - h->queries, h->nquery);
	last = size_min(last, h->keys + h->nkey - 1);
	if (h->a->window && last + h->a->window < h->queries + h->nquery)
		s.high = last + h->a->window > h->queries ?
				 last + h->a->window - h->queries :
				 0;
	if (s.low > s.high)
		s.low = s.high;
	return s;
}

/* dq of the tile's queries goes on. */
ALONE void add_queries(const struct head *h, float *dq, size_t stride)
{
	for (size_t row = 0; row < h->nquery; row += BLOCK_ROWS) {
		struct span s = keys_of(h, row);
		struct left ds = { h->ds + row * TILE + s.low, TILE, 1 };

		if (s.low == s.high)
			continue;
		for (size_t c = 0; c < h->d; c += BLOCK_COLS) {
			struct right k = { h->k + s.low * h->wide + c,
					   h->wide };
			struct place p = { dq + row * stride + c, stride,
					   h->nquery - row, h->d - c };

			block_add(p, ds, k, s.high - s.low);
		}
	}
}

/* dk, dv of the tile's keys go on: weight^T times the queries' rows x. */
ALONE void add_keys(const struct head *h, float *dk, size_t stride,
		    const float *weight, const float *x)
{
	for (size_t key = 0; key < h->nkey; key += BLOCK_ROWS) {
		struct span s = queries_of(h, key);
		struct left w = { weight + s.low * TILE + key, 1, TILE };

		if (s.low == s.high)
			continue;
		for (size_t c = 0; c < h->d; c += BLOCK_COLS) {
			struct right r = { x + s.low * h->wide + c, h->wide };
			struct place p = { dk + key * stride + c, stride,
					   h->nkey - key, h->d - c };

			block_add(p, w, r, s.high - s.low);
		}
	}
}

static void take_queries(struct head *h, const struct attention_grad *g,
			 size_t row, size_t head)
{
	const struct attention *a = h->a;
	size_t at = head * h->d;
	const float *out = a->out + row * a->ostride + at;
	size_t left = (TILE - h->nquery) * h->wide;

	tile_copy(h->q, h->wide, a->q + row * a->qstride + at, a->qstride,
		  h->nquery, h->d);
	tile_copy(h->dout, h->wide, g->dout + row * g->dostride + at,
		  g->dostride, h->nquery, h->d);
	memset(h->q + h->nquery * h->wide, 0, left * sizeof(float));
	memset(h->dout + h->nquery * h->wide, 0, left * sizeof(float));
	memset(h->lse, 0, sizeof(h->lse));
	memset(h->delta, 0, sizeof(h->delta));
	for (size_t i = 0; i < h->nquery; i++) {
		h->lse[i] = a->lse[(row + i) * a->heads + head];
		h->delta[i] = delta_of(h->dout + i * h->wide,
				       out + i * a->ostride, h->d);
	}
}

static void take_keys(struct head *h, size_t row, size_t at)
{
	const struct attention *a = h->a;
	const float *k = a->k + row * a->kstride + at;
	const float *v = a->v + row * a->vstride + at;

	tile_copy(h->k, h->wide, k, a->kstride, h->nkey, h->d);
	tile_transpose(h->kt, TILE, k, a->kstride, h->nkey, h->d);
	tile_transpose(h->vt, TILE, v, a->vstride, h->nkey, h->d);
}

/* Outside of the blocks that are computed p and ds are zeros. */
static void weights(const struct head *h)
{
	memset(h->p, 0, TILE * TILE * sizeof(float));
	memset(h->ds, 0, TILE * TILE * sizeof(float));
	for (size_t row = 0; row < h->nquery; row += BLOCK_ROWS) {
		struct span s = keys_of(h, row);

		for (size_t c = s.low / BLOCK_COLS * BLOCK_COLS; c < s.high;
		     c += BLOCK_COLS)
			block(h, row, c);
	}
}

static struct head head_begin(const struct attention *a, float *scratch)
{
	size_t wide = size_align(a->head_dim, BLOCK_COLS);
	struct head h = { .a = a, .d = a->head_dim, .wide = wide };

	h.q = scratch;
	h.dout = h.q + TILE * wide;
	h.k = h.dout + TILE * wide;
	h.kt = h.k + TILE * wide;
	h.vt = h.kt + TILE * wide;
	h.p = h.vt + TILE * wide;
	h.ds = h.p + TILE * TILE;
	return h;
}

static void zero_rows(float *x, size_t stride, size_t n, size_t d)
{
	for (size_t i = 0; i < n; i++)
		memset(x + i * stride, 0, d * sizeof(*x));
}

void attend_backward_avx2(const struct attention *a,
			  const struct attention_grad *g, size_t seq,
			  size_t head, float *dk, float *dv, float *scratch)
{
	struct head h = head_begin(a, scratch);
	size_t start = a->start[seq], n = a->start[seq + 1] - start;
	size_t wide = a->heads * h.d, at = head * h.d;
	size_t kat = head / (a->heads / a->kv_heads) * h.d;
	float *dq = g->dq + start * g->dqstride + at, *share;

	dk += start * wide + at;
	dv += start * wide + at;
	zero_rows(dq, g->dqstride, n, h.d);
	zero_rows(dk, wide, n, h.d);
	zero_rows(dv, wide, n, h.d);
	for (h.keys = 0; h.keys < n; h.keys += TILE) {
		h.nkey = size_min(n - h.keys, TILE);
		take_keys(&h, start + h.keys, kat);
		for (h.queries = h.keys; h.queries < n; h.queries += TILE) {
			if (attention_first(a, h.queries) >= h.keys + h.nkey)
				break;
			h.nquery = size_min(n - h.queries, TILE);
			take_queries(&h, g, start + h.queries, head);
			weights(&h);
			add_queries(&h, dq + h.queries * g->dqstride,
				    g->dqstride);
			share = dk + h.keys * wide;
			add_keys(&h, share, wide, h.ds, h.q);
			share = dv + h.keys * wide;
			add_keys(&h, share, wide, h.p, h.dout);
		}
	}
}
