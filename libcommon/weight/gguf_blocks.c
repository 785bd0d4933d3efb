#include "weight/gguf_blocks.h"

#include <strings.h>

#include "base/size.h"
#include "kernel/table.h"

enum { DECODE_UNITS = 8 };      /* at a time */

/* The kernel of the level that is in use, and what it is for values. */
#define BLOCK(name, form, scales)                                         \
	static void unpack_##name(const struct unpacked *to,              \
				  const unsigned char *src, size_t first, \
				  size_t n)                               \
	{                                                                 \
		kernels()->unpack_##name(to, src, first, n);              \
	}                                                                 \
                                                                          \
	static void name(float *dst, const unsigned char *src,            \
			 size_t first, size_t n)                          \
	{                                                                 \
		decode(unpack_##name, form, GGUF_UNIT / (scales), dst,    \
		       src, first, n);                                    \
	}                                                                 \
                                                                          \
	static const struct gguf_codes codes_##name = {                   \
		unpack_##name, form, GGUF_UNIT / (scales)                 \
	};

static void decode(unpack_blocks_fn *unpack, enum code8_form form, size_t unit,
		   float *dst, const unsigned char *src, size_t first, size_t n)
{
	uint8_t code[DECODE_UNITS * GGUF_UNIT];
	float scale[2 * DECODE_UNITS], plus[2 * DECODE_UNITS];
	const struct unpacked to = { code, scale, plus, 1 };
	const struct pack_code8 from = { .code = code, .form = form,
					 .scale = scale, .plus = plus,
					 .unit = unit };

	for (size_t some; n; n -= some, first += some) {
		some = size_min(n, DECODE_UNITS);
		unpack(&to, src, first, some);
		kernels()->decode_code8(dst, &from, some * GGUF_UNIT);
		dst += some * GGUF_UNIT;
	}
}

BLOCK(q4_0, CODE8_LESS, 1)
BLOCK(q4_1, CODE8_PLUS, 1)
BLOCK(q5_0, CODE8_LESS, 1)
BLOCK(q5_1, CODE8_PLUS, 1)
BLOCK(q8_0, CODE8_LESS, 1)
BLOCK(q2_k, CODE8_PLUS, 2)
BLOCK(q3_k, CODE8_LESS, 2)
BLOCK(q4_k, CODE8_PLUS, 1)
BLOCK(q5_k, CODE8_PLUS, 1)
BLOCK(q6_k, CODE8_LESS, 2)
BLOCK(iq4_nl, CODE8_LESS, 1)

static const struct gguf_block row[] = {
	/* clang-format off */
	{ 0,  "F32",  1, 4, DTYPE_F32, NULL },
	{ 1,  "F16",  1, 2, DTYPE_F16, NULL },
	{ 30, "BF16", 1, 2, DTYPE_BF16, NULL },
	{ 28, "F64",  1, 8, DTYPE_F64, NULL },
	{ 24, "I8",   1, 1, DTYPE_I8, NULL },
	{ 25, "I16",  1, 2, DTYPE_I16, NULL },
	{ 26, "I32",  1, 4, DTYPE_I32, NULL },
	{ 27, "I64",  1, 8, DTYPE_I64, NULL },
	{ 2,  "Q4_0", 32, Q4_0_BYTES, DTYPE_NONE, q4_0,
	  &codes_q4_0, gguf_encode_q4_0 },
	{ 3,  "Q4_1", 32, Q4_1_BYTES, DTYPE_NONE, q4_1,
	  &codes_q4_1 },
	{ 6,  "Q5_0", 32, Q5_0_BYTES, DTYPE_NONE, q5_0,
	  &codes_q5_0 },
	{ 7,  "Q5_1", 32, Q5_1_BYTES, DTYPE_NONE, q5_1,
	  &codes_q5_1 },
	{ 8,  "Q8_0", 32, Q8_0_BYTES, DTYPE_NONE, q8_0,
	  &codes_q8_0, gguf_encode_q8_0 },
	{ 10, "Q2_K", 256, Q2_K_BYTES, DTYPE_NONE, q2_k,
	  &codes_q2_k },
	{ 11, "Q3_K", 256, Q3_K_BYTES, DTYPE_NONE, q3_k,
	  &codes_q3_k },
	{ 12, "Q4_K", 256, Q4_K_BYTES, DTYPE_NONE, q4_k,
	  &codes_q4_k },
	{ 13, "Q5_K", 256, Q5_K_BYTES, DTYPE_NONE, q5_k,
	  &codes_q5_k },
	{ 14, "Q6_K", 256, Q6_K_BYTES, DTYPE_NONE, q6_k,
	  &codes_q6_k },
	{ 20, "IQ4_NL", 32, IQ4_NL_BYTES, DTYPE_NONE, iq4_nl,
	  &codes_iq4_nl },
	{ 9,  "Q8_1" }, { 15, "Q8_K" }, { 16, "IQ2_XXS" },
	{ 17, "IQ2_XS" }, { 18, "IQ3_XXS" }, { 19, "IQ1_S" },
	{ 21, "IQ3_S" }, { 22, "IQ2_S" }, { 23, "IQ4_XS" }, { 29, "IQ1_M" },
	{ 34, "TQ1_0" }, { 35, "TQ2_0" }, { 39, "MXFP4" },
	/* clang-format on */
};

const struct gguf_block *gguf_block_find(uint32_t type)
{
	for (size_t i = 0; i < NELEM(row); i++)
		if (row[i].type == type)
			return &row[i];
	return NULL;
}

const struct gguf_block *gguf_block_named(const char *name)
{
	for (size_t i = 0; i < NELEM(row); i++)
		if (row[i].decode && !strcasecmp(row[i].name, name))
			return &row[i];
	return NULL;
}

const struct gguf_block *gguf_block_at(size_t i)
{
	return i < NELEM(row) ? &row[i] : NULL;
}
