#include "kernel/blocks.h"

#include <immintrin.h>

#include "base/bytes.h"

#define INLINE static inline __attribute__((always_inline))

INLINE float half_at(const uint8_t *p)
{
	return _cvtsh_ss(le16_get(p));
}

INLINE __m256i load(const uint8_t *p)
{
	return _mm256_loadu_si256((const void *)p);
}

INLINE __m256i nibbles(const uint8_t *q)
{
	__m128i b = _mm_loadu_si128((const void *)q);

	return _mm256_and_si256(_mm256_set1_epi8(15), _mm256_inserti128_si256(
		_mm256_castsi128_si256(b), _mm_srli_epi16(b, 4), 1));
}

INLINE __m256i shifted(const uint8_t *q, size_t bits, char mask)
{
	__m128i count = _mm_cvtsi32_si128((int)bits);

	return _mm256_and_si256(_mm256_srl_epi16(load(q), count),
				_mm256_set1_epi8(mask));
}

/* 16 where the unit's bit of a byte is set. */
INLINE __m256i fifth_of_unit(const uint8_t *h, size_t u)
{
	return _mm256_slli_epi16(shifted(h, u, 1), 4);
}

/* 16 where bit i of 32 is set. */
INLINE __m256i fifth(const uint8_t *high)
{
	const __m256i byte = _mm256_setr_epi8(
		0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,
		2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
	const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
	__m256i w = _mm256_set1_epi32((int)le32_get(high));

	w = _mm256_and_si256(_mm256_shuffle_epi8(w, byte), bit);
	return _mm256_and_si256(_mm256_cmpeq_epi8(w, bit),
				_mm256_set1_epi8(16));
}

/* A unit's codes, and s and p of its halves. */
struct unit {
	__m256i code;
	float scale[2], plus[2];
};

/* What a block's units share. */
struct head {
	float d, dmin;
	uint64_t scale, least;  /* k_scale() and k_least(), a byte a unit */
};

INLINE struct head plain(const uint8_t *b)
{
	(void)b;
	return (struct head){ 0 };
}

INLINE struct head head_at(const uint8_t *d, const uint8_t *dmin)
{
	return (struct head){ .d = half_at(d), .dmin = half_at(dmin) };
}

/* Of q4_k and q5_k: d, dmin, 12 bytes. */
INLINE struct head head_k(const uint8_t *b)
{
	const uint32_t six = 0x3f3f3f3f, four = 0x0f0f0f0f, high = 0x30303030;
	uint32_t s = le32_get(b + 4), l = le32_get(b + 8), m = le32_get(b + 12);
	struct head h = head_at(b, b + 2);

	h.scale = (s & six) |
		  (uint64_t)((m & four) | (s >> 2 & high)) << 32;
	h.least = (l & six) |
		  (uint64_t)((m >> 4 & four) | (l >> 2 & high)) << 32;
	return h;
}

INLINE float scale_k(const struct head *h, size_t u)
{
	return h->d * (float)(int)(h->scale >> 8 * u & 63);
}

INLINE float less_k(const struct head *h, size_t u)
{
	return -(h->dmin * (float)(int)(h->least >> 8 * u & 63));
}

/* The whole unit under one s and p. */
INLINE struct unit one(__m256i code, float scale, float plus)
{
	return (struct unit){ code, { scale }, { plus } };
}

INLINE struct unit unit_q4_0(const uint8_t *b, const struct head *h,
			     size_t u)
{
	(void)h;
	(void)u;
	return one(nibbles(b + 2), half_at(b), 8);
}

INLINE struct unit unit_q4_1(const uint8_t *b, const struct head *h,
			     size_t u)
{
	(void)h;
	(void)u;
	return one(nibbles(b + 4), half_at(b), half_at(b + 2));
}

INLINE struct unit unit_q5_0(const uint8_t *b, const struct head *h,
			     size_t u)
{
	(void)h;
	(void)u;
	return one(_mm256_or_si256(nibbles(b + 6), fifth(b + 2)), half_at(b),
		   16);
}

INLINE struct unit unit_q5_1(const uint8_t *b, const struct head *h,
			     size_t u)
{
	(void)h;
	(void)u;
	return one(_mm256_or_si256(nibbles(b + 8), fifth(b + 4)), half_at(b),
		   half_at(b + 2));
}

INLINE struct unit unit_q8_0(const uint8_t *b, const struct head *h,
			     size_t u)
{
	(void)h;
	(void)u;
	return one(_mm256_xor_si256(load(b + 2), _mm256_set1_epi8(-128)),
		   half_at(b), 128);
}

INLINE struct unit unit_iq4_nl(const uint8_t *b, const struct head *h,
			       size_t u)
{
	__m256i book = _mm256_broadcastsi128_si256(
		_mm_loadu_si128((const void *)iq4_nl_book));

	(void)h;
	(void)u;
	return one(_mm256_shuffle_epi8(book, nibbles(b + 2)), half_at(b), 128);
}

INLINE struct unit unit_q2_k(const uint8_t *b, const struct head *h,
			     size_t u)
{
	const uint8_t *s = b + 2 * u;
	float d = h->d, dmin = h->dmin;

	return (struct unit){
		shifted(b + 16 + 32 * (u / 4), 2 * (u % 4), 3),
		{ d * (float)(s[0] & 15), d * (float)(s[1] & 15) },
		{ -(dmin * (float)(s[0] >> 4)), -(dmin * (float)(s[1] >> 4)) },
	};
}

INLINE struct unit unit_q3_k(const uint8_t *b, const struct head *h,
			     size_t u)
{
	float d = h->d;
	__m256i low = shifted(b + 32 + 32 * (u / 4), 2 * (u % 4), 3);
	__m256i high = _mm256_slli_epi16(shifted(b, u, 1), 2);

	return (struct unit){
		_mm256_or_si256(low, high),
		{ d * (float)q3_scale(b + 96, 2 * u),
		  d * (float)q3_scale(b + 96, 2 * u + 1) },
		{ 4, 4 },
	};
}

INLINE struct unit unit_q4_k(const uint8_t *b, const struct head *h,
			     size_t u)
{
	return one(shifted(b + 16 + 32 * (u / 2), 4 * (u % 2), 15),
		   scale_k(h, u), less_k(h, u));
}

INLINE struct unit unit_q5_k(const uint8_t *b, const struct head *h,
			     size_t u)
{
	__m256i low = shifted(b + 48 + 32 * (u / 2), 4 * (u % 2), 15);

	return one(_mm256_or_si256(low, fifth_of_unit(b + 16, u)),
		   scale_k(h, u), less_k(h, u));
}

INLINE struct unit unit_q6_k(const uint8_t *b, const struct head *h,
			     size_t u)
{
	const int8_t *s = (const int8_t *)b + 192 + 2 * u;
	__m256i low = shifted(b + 64 * (u / 4) + 32 * (u % 2),
			      4 * (u / 2 % 2), 15);
	__m256i high = _mm256_slli_epi16(
		shifted(b + 128 + 32 * (u / 4), 2 * (u % 4), 3), 4);
	float d = h->d;

	return (struct unit){
		_mm256_or_si256(low, high),
		{ d * (float)s[0], d * (float)s[1] }, { 32, 32 },
	};
}

/* Unit i of what is written; halves: 1, or 2 with scales of their own. */
INLINE void put(const struct unpacked *to, struct unit u, size_t i,
		size_t halves)
{
	_mm256_storeu_si256((void *)(to->code + i * BLOCK_UNIT), u.code);
	for (size_t h = 0; h < halves; h++) {
		to->scale[(i * halves + h) * to->stride] = u.scale[h];
		to->plus[(i * halves + h) * to->stride] = u.plus[h];
	}
}

#define UNPACK(name, bytes, units, halves, shared)                          \
	void unpack_##name##_avx2(const struct unpacked *to,                \
				  const uint8_t *row, size_t first,         \
				  size_t n)                                 \
	{                                                                   \
		const struct unpacked at = *to;                             \
		size_t i = 0;                                               \
                                                                            \
		while (i < n) {                                             \
			const uint8_t *b = row + first / (units) * (bytes); \
			const struct head h = shared;                       \
                                                                            \
			do                                                  \
				put(&at, unit_##name(b, &h, first++ %       \
						     (units)), i++,         \
				    halves);                                \
			while (i < n && first % (units));                   \
		}                                                           \
	}

UNPACK(q4_0, Q4_0_BYTES, 1, 1, plain(b))
UNPACK(q4_1, Q4_1_BYTES, 1, 1, plain(b))
UNPACK(q5_0, Q5_0_BYTES, 1, 1, plain(b))
UNPACK(q5_1, Q5_1_BYTES, 1, 1, plain(b))
UNPACK(q8_0, Q8_0_BYTES, 1, 1, plain(b))
UNPACK(iq4_nl, IQ4_NL_BYTES, 1, 1, plain(b))
UNPACK(q2_k, Q2_K_BYTES, 8, 2, head_at(b + 80, b + 82))
UNPACK(q3_k, Q3_K_BYTES, 8, 2, head_at(b + 108, b + 108))
UNPACK(q4_k, Q4_K_BYTES, 8, 1, head_k(b))
UNPACK(q5_k, Q5_K_BYTES, 8, 1, head_k(b))
UNPACK(q6_k, Q6_K_BYTES, 8, 2, head_at(b + 208, b + 208))
