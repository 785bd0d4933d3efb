#include "formats/gguf_blocks.h"

#include "base/bytes.h"
#include "base/half.h"
#include "base/size.h"

enum { BLOCK = 32 };

static float half_at(const unsigned char *p)
{
	return f32_from_f16(le16_get(p));
}

/* d, 16 bytes: elements i and i + 16 share byte i, the first in its low half */
static void decode_q4_0(float *dst, const unsigned char *src, size_t nblock)
{
	for (; nblock--; src += 18, dst += BLOCK) {
		float d = half_at(src);

		for (int i = 0; i < 16; i++) {
			dst[i] = (float)((src[2 + i] & 15) - 8) * d;
			dst[i + 16] = (float)((src[2 + i] >> 4) - 8) * d;
		}
	}
}

static void decode_q4_1(float *dst, const unsigned char *src, size_t nblock)
{
	for (; nblock--; src += 20, dst += BLOCK) {
		float d = half_at(src), m = half_at(src + 2);

		for (int i = 0; i < 16; i++) {
			dst[i] = (float)(src[4 + i] & 15) * d + m;
			dst[i + 16] = (float)(src[4 + i] >> 4) * d + m;
		}
	}
}

static void decode_q8_0(float *dst, const unsigned char *src, size_t nblock)
{
	for (; nblock--; src += 34, dst += BLOCK) {
		const signed char *q = (const signed char *)src + 2;
		float d = half_at(src);

		for (int i = 0; i < BLOCK; i++)
			dst[i] = (float)q[i] * d;
	}
}

static const struct gguf_block row[] = {
	/* clang-format off */
	{ 0,  "F32",  1, 4, DTYPE_F32 },
	{ 1,  "F16",  1, 2, DTYPE_F16 },
	{ 30, "BF16", 1, 2, DTYPE_BF16 },
	{ 28, "F64",  1, 8, DTYPE_F64 },
	{ 24, "I8",   1, 1, DTYPE_I8 },
	{ 25, "I16",  1, 2, DTYPE_I16 },
	{ 26, "I32",  1, 4, DTYPE_I32 },
	{ 27, "I64",  1, 8, DTYPE_I64 },
	{ 2,  "Q4_0", BLOCK, 18, DTYPE_NONE, decode_q4_0 },
	{ 3,  "Q4_1", BLOCK, 20, DTYPE_NONE, decode_q4_1 },
	{ 8,  "Q8_0", BLOCK, 34, DTYPE_NONE, decode_q8_0 },
	{ 6,  "Q5_0" }, { 7,  "Q5_1" }, { 9,  "Q8_1" }, { 10, "Q2_K" },
	{ 11, "Q3_K" }, { 12, "Q4_K" }, { 13, "Q5_K" }, { 14, "Q6_K" },
	{ 15, "Q8_K" }, { 16, "IQ2_XXS" }, { 17, "IQ2_XS" },
	{ 18, "IQ3_XXS" }, { 19, "IQ1_S" }, { 20, "IQ4_NL" },
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

const struct gguf_block *gguf_block_at(size_t i)
{
	return i < NELEM(row) ? &row[i] : NULL;
}
