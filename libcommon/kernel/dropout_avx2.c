#include "kernel/dropout.h"

#include "kernel/lanes_avx2.h"

/*
 * rng_words() for eight counters at once: Philox4x32-10 (Salmon et al. 2011,
 * section 3.3), a register for each of the four words.
 */
struct words {
	__m256i w[4];
};

/* High and low halves of the products with m. */
static inline void multiply(__m256i a, __m256i m, __m256i *high, __m256i *low)
{
	__m256i even = _mm256_mul_epu32(a, m);
	__m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), m);

	*high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
	*low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}

static inline struct words philox(struct words c, const uint32_t key[2])
{
	const __m256i m0 = _mm256_set1_epi32((int)0xd2511f53);
	const __m256i m1 = _mm256_set1_epi32((int)0xcd9e8d57);
	uint32_t k0 = key[0], k1 = key[1];

	for (int round = 0; round < 10; round++) {
		__m256i high0, low0, high1, low1;

		multiply(c.w[0], m0, &high0, &low0);
		multiply(c.w[2], m1, &high1, &low1);
		c.w[0] = _mm256_xor_si256(_mm256_xor_si256(high1, c.w[1]),
					  _mm256_set1_epi32((int)k0));
		c.w[2] = _mm256_xor_si256(_mm256_xor_si256(high0, c.w[3]),
					  _mm256_set1_epi32((int)k1));
		c.w[1] = low1;
		c.w[3] = low0;
		k0 += 0x9e3779b9;
		k1 += 0xbb67ae85;
	}
	return c;
}

/* From word by word to counter by counter. */
static inline struct words in_order(struct words c)
{
	__m256i a = _mm256_unpacklo_epi32(c.w[0], c.w[1]); /* 0 1 | 4 5 */
	__m256i b = _mm256_unpackhi_epi32(c.w[0], c.w[1]); /* 2 3 | 6 7 */
	__m256i d = _mm256_unpacklo_epi32(c.w[2], c.w[3]);
	__m256i e = _mm256_unpackhi_epi32(c.w[2], c.w[3]);
	__m256i c04 = _mm256_unpacklo_epi64(a, d);
	__m256i c15 = _mm256_unpackhi_epi64(a, d);
	__m256i c26 = _mm256_unpacklo_epi64(b, e);
	__m256i c37 = _mm256_unpackhi_epi64(b, e);

	return (struct words){ {
		_mm256_permute2x128_si256(c04, c15, 0x20),
		_mm256_permute2x128_si256(c26, c37, 0x20),
		_mm256_permute2x128_si256(c04, c15, 0x31),
		_mm256_permute2x128_si256(c26, c37, 0x31),
	} };
}

/* Eight counters of generator r from (pos << 32 | first) on. */
static inline struct words draw(struct rng r, uint32_t pos, uint32_t first)
{
	const __m256i i = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
	struct words c = { {
		_mm256_add_epi32(_mm256_set1_epi32((int)first), i),
		_mm256_set1_epi32((int)pos),
		_mm256_set1_epi32((int)r.high),
		_mm256_set1_epi32((int)r.high2),
	} };

	return in_order(philox(c, r.key));
}

struct chance {
	__m256 least, up;       /* p, 1 / (1 - p) */
};

/* x where the words w keep it, scaled; 0 elsewhere. */
static inline __m256 pass(const struct chance *c, __m256 x, __m256i w)
{
	__m256 u = _mm256_cvtepi32_ps(_mm256_srli_epi32(w, 8));
	__m256 off;

	u = _mm256_mul_ps(u, _mm256_set1_ps(0x1p-24f));
	off = _mm256_cmp_ps(u, c->least, _CMP_LT_OQ);
	return _mm256_andnot_ps(off, _mm256_mul_ps(x, c->up));
}

static inline void pass_full(const struct chance *c, float *y, int add,
			     const float *x, __m256i w)
{
	__m256 v = pass(c, _mm256_loadu_ps(x), w);

	if (add)
		v = _mm256_add_ps(_mm256_loadu_ps(y), v);
	_mm256_storeu_ps(y, v);
}

static inline void pass_last(const struct chance *c, float *y, int add,
			     const float *x, __m256i w, __m256i m)
{
	__m256 v = pass(c, _mm256_maskload_ps(x, m), w);

	if (add)
		v = _mm256_add_ps(_mm256_maskload_ps(y, m), v);
	_mm256_maskstore_ps(y, m, v);
}

void dropout_avx2(float *y, int add, const float *x, size_t n, struct rng r,
		  uint32_t pos, float p)
{
	const struct chance c = { _mm256_set1_ps(p),
				  _mm256_set1_ps(1 / (1 - p)) };

	for (size_t i = 0; i < n; i += 32) {
		struct words w = draw(r, pos, (uint32_t)(i / 4));

		for (size_t j = 0; j < 4 && i + 8 * j < n; j++) {
			size_t at = i + 8 * j;

			if (at + 8 <= n)
				pass_full(&c, y + at, add, x + at, w.w[j]);
			else
				pass_last(&c, y + at, add, x + at, w.w[j],
					  mask8(n - at));
		}
	}
}
