/*
 * blocks - llama.cpp's block formats and packed codes: to bytes, to f32
 *
 * A block has 32 numbers, or 256 (the K formats); either way a unit is 32 of
 * them. They are unpacked to codes of a byte under a scale s and a p, which
 * kernel/pack.h makes values of. The values are those of llama.cpp's
 * ggml-quants.c (MIT) to the bit: d and m in f16, every product and sum
 * rounded once.
 *
 *     q4_0 (q - 8) d      q4_1 q d + m        q8_0 (q - 128) d
 *     q5_0 (q - 16) d     q5_1 q d + m        iq4_nl (book[q] - 128) d
 *     q2_k q (d s) - (dmin m), q4_k and q5_k too
 *     q3_k (q - 4) (d s), q6_k (q - 32) (d s)
 *
 * row is where the first block begins; n units from unit first on go to code,
 * 32 bytes each; their s and p go to scale and plus, stride apart: one for a
 * unit, or two (q2_k, q3_k, q6_k), of 16 codes each.
 */
#ifndef KERNEL_BLOCKS_H
#define KERNEL_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

enum { BLOCK_UNIT = 32 };

struct unpacked {
	uint8_t *code;
	float *scale, *plus;
	size_t stride;
};

typedef void unpack_blocks_fn(const struct unpacked *to, const uint8_t *row,
			      size_t first, size_t n);
typedef unpack_blocks_fn unpack_q4_0_fn, unpack_q4_1_fn, unpack_q5_0_fn,
	unpack_q5_1_fn, unpack_q8_0_fn, unpack_q2_k_fn, unpack_q3_k_fn,
	unpack_q4_k_fn, unpack_q5_k_fn, unpack_q6_k_fn, unpack_iq4_nl_fn;
unpack_blocks_fn unpack_q4_0_c, unpack_q4_1_c, unpack_q5_0_c, unpack_q5_1_c,
	unpack_q8_0_c, unpack_q2_k_c, unpack_q3_k_c, unpack_q4_k_c,
	unpack_q5_k_c, unpack_q6_k_c, unpack_iq4_nl_c;
unpack_blocks_fn unpack_q4_0_avx2, unpack_q4_1_avx2, unpack_q5_0_avx2,
	unpack_q5_1_avx2, unpack_q8_0_avx2, unpack_q2_k_avx2,
	unpack_q3_k_avx2, unpack_q4_k_avx2, unpack_q5_k_avx2,
	unpack_q6_k_avx2, unpack_iq4_nl_avx2;

/* n units of codes of 1 to 8 bits, packed from the high bits of a byte down,
 * to a byte each. */
typedef void unpack_codes_fn(uint8_t *dst, const uint8_t *src, int bits,
			     size_t n);
unpack_codes_fn unpack_codes_c, unpack_codes_avx2;

/*
 * Codes of 1 to 8 bits, packed from the high bits of a byte down over byte
 * borders: codes [first, first + n), which share a scale.
 * int: scale (code - zero); book: book[code] scale.
 */
struct packed_codes {
	const uint8_t *code;
	int bits;
	float scale, zero;
	const float *book;      /* 2^bits */
};

typedef void decode_packed_fn(float *dst, const struct packed_codes *from,
			      size_t first, size_t n);
typedef decode_packed_fn decode_int_fn, decode_book_fn;
decode_packed_fn decode_int_c, decode_book_c, decode_int_avx2,
	decode_book_avx2;

/* ---- what the variants share ---- */

/* The blocks' bytes. */
enum {
	Q4_0_BYTES = 18, Q4_1_BYTES = 20, Q5_0_BYTES = 22, Q5_1_BYTES = 24,
	Q8_0_BYTES = 34, IQ4_NL_BYTES = 18, Q2_K_BYTES = 84, Q3_K_BYTES = 110,
	Q4_K_BYTES = 144, Q5_K_BYTES = 176, Q6_K_BYTES = 210,
};

extern const uint8_t iq4_nl_book[16];     /* 128 added */

/* 6 bits each, of unit u: scale and minimum (q4_k, q5_k), from 12 bytes. */
static inline unsigned k_scale(const uint8_t *s, size_t u)
{
	return u < 4 ? s[u] & 63u : (s[u + 4] & 15u) | (s[u - 4] >> 6 << 4);
}

static inline unsigned k_least(const uint8_t *s, size_t u)
{
	return u < 4 ? s[u + 4] & 63u :
		       (unsigned)(s[u + 4] >> 4) | (unsigned)(s[u] >> 6 << 4);
}

/* q3_k: scale i of 16, from 12 bytes. */
static inline int q3_scale(const uint8_t *s, size_t i)
{
	unsigned low = i < 8 ? s[i] & 15u : s[i - 8] >> 4;

	return (int)(low | (s[8 + i % 4] >> (2 * (i / 4)) & 3u) << 4) - 32;
}

#endif
