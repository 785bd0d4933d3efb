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

/* 8 signed bytes, or fewer bits that are not negative. */
INLINE __m256 number(__m128i bytes)
{
	return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}

/* 32 signed codes to numbers. */
INLINE void numbers(__m256 v[4], __m256i code)
{
	__m128i low = _mm256_castsi256_si128(code);
	__m128i high = _mm256_extracti128_si256(code, 1);

	v[0] = number(low);
	v[1] = number(_mm_unpackhi_epi64(low, low));
	v[2] = number(high);
	v[3] = number(_mm_unpackhi_epi64(high, high));
}

/* code * scale, the second half of the unit with a scale of its own */
INLINE void put_two(float *dst, __m256i code, float scale, float second)
{
	__m256 v[4], s[2] = { _mm256_set1_ps(scale), _mm256_set1_ps(second) };

	numbers(v, code);
	for (int i = 0; i < 4; i++)
		_mm256_storeu_ps(dst + 8 * i, _mm256_mul_ps(v[i], s[i / 2]));
}

INLINE void put(float *dst, __m256i code, float scale)
{
	put_two(dst, code, scale, scale);
}

INLINE void put_plus(float *dst, __m256i code, float scale, float plus)
{
	__m256 v[4], s = _mm256_set1_ps(scale), p = _mm256_set1_ps(plus);

	numbers(v, code);
	for (int i = 0; i < 4; i++)
		_mm256_storeu_ps(dst + 8 * i,
				 _mm256_add_ps(_mm256_mul_ps(v[i], s), p));
}

INLINE void put_less(float *dst, __m256i code, float scale, float less)
{
	__m256 v[4], s = _mm256_set1_ps(scale), l = _mm256_set1_ps(less);

	numbers(v, code);
	for (int i = 0; i < 4; i++)
		_mm256_storeu_ps(dst + 8 * i,
				 _mm256_sub_ps(_mm256_mul_ps(v[i], s), l));
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

INLINE __m256i minus(__m256i code, char n)
{
	return _mm256_sub_epi8(code, _mm256_set1_epi8(n));
}

INLINE void unit_q4_0(float *dst, const uint8_t *b, size_t u)
{
	(void)u;
	put(dst, minus(nibbles(b + 2), 8), half_at(b));
}

INLINE void unit_q4_1(float *dst, const uint8_t *b, size_t u)
{
	(void)u;
	put_plus(dst, nibbles(b + 4), half_at(b), half_at(b + 2));
}

INLINE void unit_q5_0(float *dst, const uint8_t *b, size_t u)
{
	__m256i q = _mm256_or_si256(nibbles(b + 6), fifth(b + 2));

	(void)u;
	put(dst, minus(q, 16), half_at(b));
}

INLINE void unit_q5_1(float *dst, const uint8_t *b, size_t u)
{
	__m256i q = _mm256_or_si256(nibbles(b + 8), fifth(b + 4));

	(void)u;
	put_plus(dst, q, half_at(b), half_at(b + 2));
}

INLINE void unit_q8_0(float *dst, const uint8_t *b, size_t u)
{
	(void)u;
	put(dst, load(b + 2), half_at(b));
}

INLINE void unit_iq4_nl(float *dst, const uint8_t *b, size_t u)
{
	__m256i book = _mm256_broadcastsi128_si256(
		_mm_loadu_si128((const void *)iq4_nl_book));

	(void)u;
	put(dst, _mm256_shuffle_epi8(book, nibbles(b + 2)), half_at(b));
}

INLINE void unit_q2_k(float *dst, const uint8_t *b, size_t u)
{
	float d = half_at(b + 80), dmin = half_at(b + 82);
	const uint8_t *s = b + 2 * u;
	__m256 v[4];

	numbers(v, shifted(b + 16 + 32 * (u / 4), 2 * (u % 4), 3));
	for (int i = 0; i < 4; i++) {
		__m256 scale = _mm256_set1_ps(d * (float)(s[i / 2] & 15));
		__m256 least = _mm256_set1_ps(dmin * (float)(s[i / 2] >> 4));

		_mm256_storeu_ps(dst + 8 * i, _mm256_sub_ps(
			_mm256_mul_ps(v[i], scale), least));
	}
}

INLINE void unit_q3_k(float *dst, const uint8_t *b, size_t u)
{
	float d = half_at(b + 108);
	__m256i low = shifted(b + 32 + 32 * (u / 4), 2 * (u % 4), 3);
	__m256i high = _mm256_slli_epi16(shifted(b, u, 1), 2);

	put_two(dst, minus(_mm256_or_si256(low, high), 4),
		d * (float)q3_scale(b + 96, 2 * u),
		d * (float)q3_scale(b + 96, 2 * u + 1));
}

INLINE void unit_q4_k(float *dst, const uint8_t *b, size_t u)
{
	put_less(dst, shifted(b + 16 + 32 * (u / 2), 4 * (u % 2), 15),
		 half_at(b) * (float)k_scale(b + 4, u),
		 half_at(b + 2) * (float)k_least(b + 4, u));
}

INLINE void unit_q5_k(float *dst, const uint8_t *b, size_t u)
{
	__m256i low = shifted(b + 48 + 32 * (u / 2), 4 * (u % 2), 15);

	put_less(dst, _mm256_or_si256(low, fifth_of_unit(b + 16, u)),
		 half_at(b) * (float)k_scale(b + 4, u),
		 half_at(b + 2) * (float)k_least(b + 4, u));
}

INLINE void unit_q6_k(float *dst, const uint8_t *b, size_t u)
{
	const int8_t *s = (const int8_t *)b + 192 + 2 * u;
	__m256i low = shifted(b + 64 * (u / 4) + 32 * (u % 2),
			      4 * (u / 2 % 2), 15);
	__m256i high = _mm256_slli_epi16(
		shifted(b + 128 + 32 * (u / 4), 2 * (u % 4), 3), 4);
	float d = half_at(b + 208);

	put_two(dst, minus(_mm256_or_si256(low, high), 32), d * (float)s[0],
		d * (float)s[1]);
}

#define DECODE(name, bytes, units)                                        \
	void decode_##name##_avx2(float *dst, const uint8_t *row,         \
				  size_t first, size_t n)                 \
	{                                                                 \
		for (; n--; first++, dst += BLOCK_UNIT)                   \
			unit_##name(dst, row + first / (units) * (bytes), \
				    first % (units));                     \
	}

DECODE(q4_0, Q4_0_BYTES, 1)
DECODE(q4_1, Q4_1_BYTES, 1)
DECODE(q5_0, Q5_0_BYTES, 1)
DECODE(q5_1, Q5_1_BYTES, 1)
DECODE(q8_0, Q8_0_BYTES, 1)
DECODE(iq4_nl, IQ4_NL_BYTES, 1)
DECODE(q2_k, Q2_K_BYTES, 8)
DECODE(q3_k, Q3_K_BYTES, 8)
DECODE(q4_k, Q4_K_BYTES, 8)
DECODE(q5_k, Q5_K_BYTES, 8)
DECODE(q6_k, Q6_K_BYTES, 8)

/* ---- packed codes: 8 of them are bits whole bytes ---- */

struct eight {
	__m256i shift, mask;
	size_t bits;
};

INLINE struct eight eight_of(int bits)
{
	__m256i place = _mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0);

	return (struct eight){
		_mm256_mullo_epi32(place, _mm256_set1_epi32(bits)),
		_mm256_set1_epi32((1 << bits) - 1), (size_t)bits,
	};
}

/* For 2, 3 and 4 bits one word holds all 8. */
INLINE __m256i codes(const struct eight *e, const uint8_t *p)
{
	uint32_t w = 0;

	if (e->bits == 8)
		return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p));
	for (size_t i = 0; i < e->bits; i++)
		w = w << 8 | p[i];
	return _mm256_and_si256(_mm256_srlv_epi32(
		_mm256_set1_epi32((int)w), e->shift), e->mask);
}

/* Codes before the first of 8 that begin with a byte; all of n for widths
 * that one word does not hold. */
INLINE size_t head_of(const struct packed_codes *f, size_t first, size_t n)
{
	size_t head = (8 - first % 8) % 8;

	return (f->bits > 4 && f->bits < 8) || head > n ? n : head;
}

#define DECODE_PACKED(name, bits, value)                                    \
	static void name##_##bits(float *dst, const struct packed_codes *f, \
				  const uint8_t *p, size_t n)               \
	{                                                                   \
		const struct eight e = eight_of(bits);                      \
		const __m256 scale = _mm256_set1_ps(f->scale);              \
		const __m256 zero = _mm256_set1_ps(f->zero);                \
                                                                            \
		(void)zero;                                                 \
		for (; n >= 8; n -= 8, dst += 8, p += bits) {               \
			__m256i c = codes(&e, p);                           \
                                                                            \
			_mm256_storeu_ps(dst, _mm256_mul_ps(scale, value)); \
		}                                                           \
	}

#define INT_VALUE _mm256_sub_ps(_mm256_cvtepi32_ps(c), zero)
#define BOOK_VALUE _mm256_i32gather_ps(f->book, c, 4)

DECODE_PACKED(decode_int, 1, INT_VALUE)
DECODE_PACKED(decode_int, 2, INT_VALUE)
DECODE_PACKED(decode_int, 3, INT_VALUE)
DECODE_PACKED(decode_int, 4, INT_VALUE)
DECODE_PACKED(decode_int, 8, INT_VALUE)
DECODE_PACKED(decode_book, 1, BOOK_VALUE)
DECODE_PACKED(decode_book, 2, BOOK_VALUE)
DECODE_PACKED(decode_book, 3, BOOK_VALUE)
DECODE_PACKED(decode_book, 4, BOOK_VALUE)
DECODE_PACKED(decode_book, 8, BOOK_VALUE)

typedef void eights_fn(float *dst, const struct packed_codes *f,
		       const uint8_t *p, size_t n);

INLINE void decode(float *dst, const struct packed_codes *f, size_t first,
		   size_t n, decode_packed_fn *plain, eights_fn *const *eights)
{
	size_t head = head_of(f, first, n), whole = (n - head) / 8 * 8;

	plain(dst, f, first, head);
	if (whole)
		eights[f->bits](dst + head, f, f->code + (first + head) / 8 *
				(size_t)f->bits, whole);
	plain(dst + head + whole, f, first + head + whole, n - head - whole);
}

void decode_int_avx2(float *dst, const struct packed_codes *from, size_t first,
		     size_t n)
{
	static eights_fn *const eights[9] = {
		[1] = decode_int_1, [2] = decode_int_2, [3] = decode_int_3,
		[4] = decode_int_4, [8] = decode_int_8,
	};

	decode(dst, from, first, n, decode_int_c, eights);
}

void decode_book_avx2(float *dst, const struct packed_codes *from,
		      size_t first, size_t n)
{
	static eights_fn *const eights[9] = {
		[1] = decode_book_1, [2] = decode_book_2,
		[3] = decode_book_3, [4] = decode_book_4,
		[8] = decode_book_8,
	};

	decode(dst, from, first, n, decode_book_c, eights);
}
