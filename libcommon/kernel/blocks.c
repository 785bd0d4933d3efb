#include "kernel/blocks.h"

#include "base/bytes.h"
#include "base/half.h"

const signed char iq4_nl_book[16] = {
	-127, -104, -83, -65, -49, -35, -22, -10,
	1, 13, 25, 38, 53, 69, 89, 113,
};

static float half_at(const uint8_t *p)
{
	return f32_from_f16(le16_get(p));
}

/* 32 codes of 4 bits: i and i + 16 share byte i, the first in its low half. */
static int nibble(const uint8_t *q, int i)
{
	return i < 16 ? q[i] & 15 : q[i - 16] >> 4;
}

static int fifth(const uint8_t *high, int i)
{
	return (int)(le32_get(high) >> i & 1) << 4;
}

static void unit_q4_0(float *dst, const uint8_t *b, size_t u)
{
	float d = half_at(b);

	(void)u;
	for (int i = 0; i < BLOCK_UNIT; i++)
		dst[i] = (float)(nibble(b + 2, i) - 8) * d;
}

static void unit_q4_1(float *dst, const uint8_t *b, size_t u)
{
	float d = half_at(b), m = half_at(b + 2);

	(void)u;
	for (int i = 0; i < BLOCK_UNIT; i++)
		dst[i] = (float)nibble(b + 4, i) * d + m;
}

static void unit_q5_0(float *dst, const uint8_t *b, size_t u)
{
	float d = half_at(b);

	(void)u;
	for (int i = 0; i < BLOCK_UNIT; i++)
		dst[i] = (float)((nibble(b + 6, i) | fifth(b + 2, i)) - 16) * d;
}

static void unit_q5_1(float *dst, const uint8_t *b, size_t u)
{
	float d = half_at(b), m = half_at(b + 2);

	(void)u;
	for (int i = 0; i < BLOCK_UNIT; i++)
		dst[i] = (float)(nibble(b + 8, i) | fifth(b + 4, i)) * d + m;
}

static void unit_q8_0(float *dst, const uint8_t *b, size_t u)
{
	float d = half_at(b);

	(void)u;
	for (int i = 0; i < BLOCK_UNIT; i++)
		dst[i] = (float)(int8_t)b[2 + i] * d;
}

static void unit_iq4_nl(float *dst, const uint8_t *b, size_t u)
{
	float d = half_at(b);

	(void)u;
	for (int i = 0; i < BLOCK_UNIT; i++)
		dst[i] = (float)iq4_nl_book[nibble(b + 2, i)] * d;
}

/* scales 16, codes 64, d, dmin; four units share 32 bytes of codes */
static void unit_q2_k(float *dst, const uint8_t *b, size_t u)
{
	float d = half_at(b + 80), dmin = half_at(b + 82);
	const uint8_t *q = b + 16 + 32 * (u / 4), *s = b + 2 * u;

	for (int i = 0; i < BLOCK_UNIT; i++) {
		float scale = d * (float)(s[i / 16] & 15);
		float least = dmin * (float)(s[i / 16] >> 4);

		dst[i] = (float)(q[i] >> (2 * (u % 4)) & 3) * scale - least;
	}
}

/* high bits 32, low bits 64, scales 12, d; a high bit of 0 takes 4 away */
static void unit_q3_k(float *dst, const uint8_t *b, size_t u)
{
	float d = half_at(b + 108);
	const uint8_t *q = b + 32 + 32 * (u / 4);

	for (int i = 0; i < BLOCK_UNIT; i++) {
		float scale = d * (float)q3_scale(b + 96,
						  2 * u + (size_t)i / 16);
		int code = (q[i] >> (2 * (u % 4)) & 3) -
			   (b[i] >> u & 1 ? 0 : 4);

		dst[i] = (float)code * scale;
	}
}

/* d, dmin, scales 12, codes 128: two units share 32 bytes */
static void unit_q4_k(float *dst, const uint8_t *b, size_t u)
{
	float scale = half_at(b) * (float)k_scale(b + 4, u);
	float least = half_at(b + 2) * (float)k_least(b + 4, u);
	const uint8_t *q = b + 16 + 32 * (u / 2);

	for (int i = 0; i < BLOCK_UNIT; i++)
		dst[i] = (float)(q[i] >> (4 * (u % 2)) & 15) * scale - least;
}

/* as q4_k, with 32 bytes of high bits before the codes */
static void unit_q5_k(float *dst, const uint8_t *b, size_t u)
{
	float scale = half_at(b) * (float)k_scale(b + 4, u);
	float least = half_at(b + 2) * (float)k_least(b + 4, u);
	const uint8_t *h = b + 16, *q = b + 48 + 32 * (u / 2);

	for (int i = 0; i < BLOCK_UNIT; i++)
		dst[i] = (float)((q[i] >> (4 * (u % 2)) & 15) |
				 (h[i] >> u & 1) << 4) * scale - least;
}

/* low bits 128, high bits 64, signed scales 16, d */
static void unit_q6_k(float *dst, const uint8_t *b, size_t u)
{
	const uint8_t *q = b + 64 * (u / 4) + 32 * (u % 2);
	const uint8_t *h = b + 128 + 32 * (u / 4);
	const int8_t *s = (const int8_t *)b + 192 + 2 * u;
	float d = half_at(b + 208);

	for (int i = 0; i < BLOCK_UNIT; i++) {
		int code = (q[i] >> (4 * (u / 2 % 2)) & 15) |
			   (h[i] >> (2 * (u % 4)) & 3) << 4;

		dst[i] = (float)(code - 32) * (d * (float)s[i / 16]);
	}
}

#define DECODE(name, bytes, units)                                        \
	void decode_##name##_c(float *dst, const uint8_t *row,            \
			       size_t first, size_t n)                    \
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

static unsigned code_at(const struct packed_codes *f, size_t e)
{
	size_t bits = (size_t)f->bits, bit = e * bits, end = bit + bits - 1;
	unsigned two = (unsigned)f->code[bit / 8] << 8 | f->code[end / 8];

	if (bit / 8 == end / 8)
		two = f->code[bit / 8];
	return two >> (7 - end % 8) & ((1u << bits) - 1);
}

void decode_int_c(float *dst, const struct packed_codes *from, size_t first,
		  size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = from->scale *
			 ((float)code_at(from, first + i) - from->zero);
}

void decode_book_c(float *dst, const struct packed_codes *from, size_t first,
		   size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = from->book[code_at(from, first + i)] * from->scale;
}
