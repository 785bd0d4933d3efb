#include "kernel/blocks.h"

#include "base/bytes.h"
#include "base/half.h"

const uint8_t iq4_nl_book[16] = {
	1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241,
};

/* A unit's codes, and s and p of its halves. */
struct unit {
	unsigned code[BLOCK_UNIT];
	float scale[2], plus[2];
};

static float half_at(const uint8_t *p)
{
	return f32_from_f16(le16_get(p));
}

/* 32 codes of 4 bits: i and i + 16 share byte i, the first in its low half. */
static unsigned nibble(const uint8_t *q, int i)
{
	return i < 16 ? q[i] & 15 : q[i - 16] >> 4;
}

static unsigned fifth(const uint8_t *high, int i)
{
	return (le32_get(high) >> i & 1) << 4;
}

static void unit_q4_0(struct unit *to, const uint8_t *b, size_t u)
{
	(void)u;
	to->scale[0] = half_at(b);
	to->plus[0] = 8;
	for (int i = 0; i < BLOCK_UNIT; i++)
		to->code[i] = nibble(b + 2, i);
}

static void unit_q4_1(struct unit *to, const uint8_t *b, size_t u)
{
	(void)u;
	to->scale[0] = half_at(b);
	to->plus[0] = half_at(b + 2);
	for (int i = 0; i < BLOCK_UNIT; i++)
		to->code[i] = nibble(b + 4, i);
}

static void unit_q5_0(struct unit *to, const uint8_t *b, size_t u)
{
	(void)u;
	to->scale[0] = half_at(b);
	to->plus[0] = 16;
	for (int i = 0; i < BLOCK_UNIT; i++)
		to->code[i] = nibble(b + 6, i) | fifth(b + 2, i);
}

static void unit_q5_1(struct unit *to, const uint8_t *b, size_t u)
{
	(void)u;
	to->scale[0] = half_at(b);
	to->plus[0] = half_at(b + 2);
	for (int i = 0; i < BLOCK_UNIT; i++)
		to->code[i] = nibble(b + 8, i) | fifth(b + 4, i);
}

/* q is signed; 128 more is not. */
static void unit_q8_0(struct unit *to, const uint8_t *b, size_t u)
{
	(void)u;
	to->scale[0] = half_at(b);
	to->plus[0] = 128;
	for (int i = 0; i < BLOCK_UNIT; i++)
		to->code[i] = b[2 + i] ^ 128u;
}

static void unit_iq4_nl(struct unit *to, const uint8_t *b, size_t u)
{
	(void)u;
	to->scale[0] = half_at(b);
	to->plus[0] = 128;
	for (int i = 0; i < BLOCK_UNIT; i++)
		to->code[i] = iq4_nl_book[nibble(b + 2, i)];
}

/* scales 16, codes 64, d, dmin; four units share 32 bytes of codes */
static void unit_q2_k(struct unit *to, const uint8_t *b, size_t u)
{
	const uint8_t *q = b + 16 + 32 * (u / 4), *s = b + 2 * u;

	for (int h = 0; h < 2; h++) {
		to->scale[h] = half_at(b + 80) * (float)(s[h] & 15);
		to->plus[h] = -(half_at(b + 82) * (float)(s[h] >> 4));
	}
	for (int i = 0; i < BLOCK_UNIT; i++)
		to->code[i] = q[i] >> (2 * (u % 4)) & 3;
}

/* high bits 32, low bits 64, scales 12, d; a high bit of 0 takes 4 away */
static void unit_q3_k(struct unit *to, const uint8_t *b, size_t u)
{
	const uint8_t *q = b + 32 + 32 * (u / 4);

	for (size_t h = 0; h < 2; h++) {
		to->scale[h] = half_at(b + 108) *
			       (float)q3_scale(b + 96, 2 * u + h);
		to->plus[h] = 4;
	}
	for (int i = 0; i < BLOCK_UNIT; i++)
		to->code[i] = (q[i] >> (2 * (u % 4)) & 3) |
			      (b[i] >> u & 1) << 2;
}

/* d, dmin, scales 12, codes 128: two units share 32 bytes */
static void unit_q4_k(struct unit *to, const uint8_t *b, size_t u)
{
	const uint8_t *q = b + 16 + 32 * (u / 2);

	to->scale[0] = half_at(b) * (float)k_scale(b + 4, u);
	to->plus[0] = -(half_at(b + 2) * (float)k_least(b + 4, u));
	for (int i = 0; i < BLOCK_UNIT; i++)
		to->code[i] = q[i] >> (4 * (u % 2)) & 15;
}

/* as q4_k, with 32 bytes of high bits before the codes */
static void unit_q5_k(struct unit *to, const uint8_t *b, size_t u)
{
	const uint8_t *h = b + 16, *q = b + 48 + 32 * (u / 2);

	to->scale[0] = half_at(b) * (float)k_scale(b + 4, u);
	to->plus[0] = -(half_at(b + 2) * (float)k_least(b + 4, u));
	for (int i = 0; i < BLOCK_UNIT; i++)
		to->code[i] = (q[i] >> (4 * (u % 2)) & 15) |
			      (h[i] >> u & 1) << 4;
}

/* low bits 128, high bits 64, signed scales 16, d */
static void unit_q6_k(struct unit *to, const uint8_t *b, size_t u)
{
	const uint8_t *q = b + 64 * (u / 4) + 32 * (u % 2);
	const uint8_t *h = b + 128 + 32 * (u / 4);

	for (int i = 0; i < 2; i++) {
		to->scale[i] = half_at(b + 208) *
			       (float)(int8_t)b[192 + 2 * u + (size_t)i];
		to->plus[i] = 32;
	}
	for (int i = 0; i < BLOCK_UNIT; i++)
		to->code[i] = (q[i] >> (4 * (u / 2 % 2)) & 15) |
			      (h[i] >> (2 * (u % 4)) & 3) << 4;
}

/* Unit i of what is written; halves: 1, or 2 with scales of their own. */
static void put(const struct unpacked *to, const struct unit *u, size_t i,
		size_t halves)
{
	for (size_t k = 0; k < BLOCK_UNIT; k++)
		to->code[i * BLOCK_UNIT + k] = (uint8_t)u->code[k];
	for (size_t h = 0; h < halves; h++) {
		to->scale[(i * halves + h) * to->stride] = u->scale[h];
		to->plus[(i * halves + h) * to->stride] = u->plus[h];
	}
}

#define UNPACK(name, bytes, units, halves)                                  \
	void unpack_##name##_c(const struct unpacked *to,                   \
			       const uint8_t *row, size_t first, size_t n)  \
	{                                                                   \
		struct unit u;                                              \
                                                                            \
		for (size_t i = 0; i < n; i++, first++) {                   \
			unit_##name(&u, row + first / (units) * (bytes),    \
				    first % (units));                       \
			put(to, &u, i, halves);                             \
		}                                                           \
	}

UNPACK(q4_0, Q4_0_BYTES, 1, 1)
UNPACK(q4_1, Q4_1_BYTES, 1, 1)
UNPACK(q5_0, Q5_0_BYTES, 1, 1)
UNPACK(q5_1, Q5_1_BYTES, 1, 1)
UNPACK(q8_0, Q8_0_BYTES, 1, 1)
UNPACK(iq4_nl, IQ4_NL_BYTES, 1, 1)
UNPACK(q2_k, Q2_K_BYTES, 8, 2)
UNPACK(q3_k, Q3_K_BYTES, 8, 2)
UNPACK(q4_k, Q4_K_BYTES, 8, 1)
UNPACK(q5_k, Q5_K_BYTES, 8, 1)
UNPACK(q6_k, Q6_K_BYTES, 8, 2)

static unsigned code_at(const struct packed_codes *f, size_t e)
{
	size_t bits = (size_t)f->bits, bit = e * bits, end = bit + bits - 1;
	unsigned two = (unsigned)f->code[bit / 8] << 8 | f->code[end / 8];

	if (bit / 8 == end / 8)
		two = f->code[bit / 8];
	return two >> (7 - end % 8) & ((1u << bits) - 1);
}

void unpack_codes_c(uint8_t *dst, const uint8_t *src, int bits, size_t n)
{
	const struct packed_codes from = { .code = src, .bits = bits };

	for (size_t i = 0; i < n * BLOCK_UNIT; i++)
		dst[i] = (uint8_t)code_at(&from, i);
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
