/*
 * Numbers to llama.cpp's blocks. The bytes are those of ggml's reference: every
 * step is one f32 operation, in its order, and what is rounded is rounded as C
 * does it there: half away from zero for Q8_0, by truncation for Q4_0.
 */
#include "weight/gguf_blocks.h"

#include <math.h>

#include "base/bytes.h"
#include "base/half.h"
#include "kernel/blocks.h"

enum { BLOCK = 32 };

/* roundf(): half away from zero. */
static float round_away(float x)
{
	float a = fabsf(x), whole = floorf(a);

	whole += floorf(2 * (a - whole));
	return x < 0 ? -whole : whole;
}

/* d = max |x| / 127, codes round(x / d). */
void gguf_encode_q8_0(unsigned char *dst, const float *src, size_t n)
{
	for (; n--; src += BLOCK, dst += Q8_0_BYTES) {
		float most = 0, d, inverse;

		for (int i = 0; i < BLOCK; i++)
			if (fabsf(src[i]) > most)
				most = fabsf(src[i]);
		d = most / 127;
		inverse = d > 0 ? 1 / d : 0;
		le16_put(dst, f16_from_f32(d));
		for (int i = 0; i < BLOCK; i++)
			dst[2 + i] = (unsigned char)(signed char)
				round_away(src[i] * inverse);
	}
}

static unsigned code4(float x)
{
	int code = (int)(x + 8.5f);

	return code > 15 ? 15 : (unsigned)code;
}

/* d = x / -8 of the first x that is the largest, codes trunc(x / d + 8.5). */
void gguf_encode_q4_0(unsigned char *dst, const float *src, size_t n)
{
	for (; n--; src += BLOCK, dst += Q4_0_BYTES) {
		float most = 0, x = 0, d, inverse;

		for (int i = 0; i < BLOCK; i++)
			if (fabsf(src[i]) > most) {
				most = fabsf(src[i]);
				x = src[i];
			}
		d = x / -8;
		inverse = most > 0 ? 1 / d : 0;
		le16_put(dst, f16_from_f32(d));
		for (int i = 0; i < BLOCK / 2; i++)
			dst[2 + i] = (unsigned char)(
				code4(src[i] * inverse) |
				code4(src[i + BLOCK / 2] * inverse) << 4);
	}
}
