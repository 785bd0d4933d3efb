#include "kernel/blocks.h"

#include <immintrin.h>

#include "base/bytes.h"

#define INLINE static inline __attribute__((always_inline))

/* ---- packed codes to bytes ---- */

/* 8 bytes, 4 codes in each. */
INLINE __m256i codes_2(const uint8_t *p)
{
	const __m128i two = _mm_set1_epi8(3);
	__m128i b = _mm_loadl_epi64((const void *)p);
	__m128i c0 = _mm_and_si128(_mm_srli_epi16(b, 6), two);
	__m128i c1 = _mm_and_si128(_mm_srli_epi16(b, 4), two);
	__m128i c2 = _mm_and_si128(_mm_srli_epi16(b, 2), two);
	__m128i low = _mm_unpacklo_epi8(c0, c1);
	__m128i high = _mm_unpacklo_epi8(c2, _mm_and_si128(b, two));

	return _mm256_inserti128_si256(
		_mm256_castsi128_si256(_mm_unpacklo_epi16(low, high)),
		_mm_unpackhi_epi16(low, high), 1);
}

/* 16 codes of 3 bits, from bytes 0 to 5 of each lane, in words of their own:
 * the two bytes that a code is in, the first of them high, and what stands
 * before it shifted out. */
INLINE __m256i words_3(__m256i bytes)
{
	const __m256i from = _mm256_setr_epi8(
		1, 0, 1, 0, 1, 0, 2, 1, 2, 1, 2, 1, 3, 2, 3, 2,
		4, 3, 4, 3, 4, 3, 5, 4, 5, 4, 5, 4, 6, 5, 6, 5);
	const __m256i shift = _mm256_setr_epi16(
		1, 8, 64, 2, 16, 128, 4, 32, 1, 8, 64, 2, 16, 128, 4, 32);

	return _mm256_srli_epi16(_mm256_mullo_epi16(
		_mm256_shuffle_epi8(bytes, from), shift), 13);
}

/* 12 bytes. */
INLINE __m256i codes_3(const uint8_t *p)
{
	__m128i all = _mm_insert_epi32(_mm_loadl_epi64((const void *)p),
				       (int)le32_get(p + 8), 2);
	__m256i low = words_3(_mm256_broadcastsi128_si256(all));
	__m256i high = words_3(_mm256_broadcastsi128_si256(
		_mm_srli_si128(all, 6)));

	return _mm256_permute4x64_epi64(_mm256_packus_epi16(low, high), 0xd8);
}

/* 16 bytes, two codes in each. */
INLINE __m256i codes_4(const uint8_t *p)
{
	const __m128i four = _mm_set1_epi8(15);
	__m128i b = _mm_loadu_si128((const void *)p);
	__m128i first = _mm_and_si128(_mm_srli_epi16(b, 4), four);
	__m128i second = _mm_and_si128(b, four);

	return _mm256_inserti128_si256(
		_mm256_castsi128_si256(_mm_unpacklo_epi8(first, second)),
		_mm_unpackhi_epi8(first, second), 1);
}

INLINE __m256i codes_8(const uint8_t *p)
{
	return _mm256_loadu_si256((const void *)p);
}

#define UNPACK_CODES(bits, codes)                                           \
	for (size_t i = 0; i < n; i++)                                      \
		_mm256_storeu_si256((void *)(dst + BLOCK_UNIT * i),         \
				    codes(src + BLOCK_UNIT / 8 * (bits) * i))

void unpack_codes_avx2(uint8_t *dst, const uint8_t *src, int bits, size_t n)
{
	if (bits == 2)
		UNPACK_CODES(2, codes_2);
	else if (bits == 3)
		UNPACK_CODES(3, codes_3);
	else if (bits == 4)
		UNPACK_CODES(4, codes_4);
	else if (bits == 8)
		UNPACK_CODES(8, codes_8);
	else
		unpack_codes_c(dst, src, bits, n);
}

/* ---- packed codes to f32: 8 of them are bits whole bytes ---- */

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
