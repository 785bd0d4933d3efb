#include "tensor/dtype.h"

#include <string.h>

#include "base/half.h"
#include "base/size.h"

static const struct {
	const char *name;
	unsigned char bits, is_float;
} row[DTYPE_COUNT] = {
	/* clang-format off */
	[DTYPE_NONE] = { "none", 0,  0 },
	[DTYPE_F64]  = { "f64",  64, 1 },
	[DTYPE_F32]  = { "f32",  32, 1 },
	[DTYPE_F16]  = { "f16",  16, 1 },
	[DTYPE_BF16] = { "bf16", 16, 1 },
	[DTYPE_I64]  = { "i64",  64, 0 },
	[DTYPE_I32]  = { "i32",  32, 0 },
	[DTYPE_I16]  = { "i16",  16, 0 },
	[DTYPE_I8]   = { "i8",   8,  0 },
	[DTYPE_U64]  = { "u64",  64, 0 },
	[DTYPE_U32]  = { "u32",  32, 0 },
	[DTYPE_U16]  = { "u16",  16, 0 },
	[DTYPE_U8]   = { "u8",   8,  0 },
	[DTYPE_U4]   = { "u4",   4,  0 },
	[DTYPE_U3]   = { "u3",   3,  0 },
	[DTYPE_U2]   = { "u2",   2,  0 },
	[DTYPE_BOOL] = { "bool", 8,  0 },
	/* clang-format on */
};

const char *dtype_name(enum dtype d)
{
	return row[d].name;
}

enum dtype dtype_find(const char *name)
{
	for (int d = 1; d < DTYPE_COUNT; d++)
		if (!strcmp(row[d].name, name))
			return (enum dtype)d;
	return DTYPE_NONE;
}

size_t dtype_bits(enum dtype d)
{
	return row[d].bits;
}

int dtype_is_float(enum dtype d)
{
	return row[d].is_float;
}

int dtype_bytes(size_t *bytes, enum dtype d, size_t n)
{
	size_t bits;

	if (size_mul(&bits, n, row[d].bits) || size_add(&bits, bits, 7))
		return 1;
	*bytes = bits / 8;
	return 0;
}

int dtype_to_f32(float *dst, enum dtype d, const void *src, size_t n)
{
	const double *f64 = src;
	const uint16_t *h = src;

	switch (d) {
	case DTYPE_F32:
		memmove(dst, src, n * sizeof(*dst));
		return 0;
	case DTYPE_F64:
		for (size_t i = 0; i < n; i++)
			dst[i] = (float)f64[i];
		return 0;
	case DTYPE_BF16:
		for (size_t i = 0; i < n; i++)
			dst[i] = f32_from_bf16(h[i]);
		return 0;
	case DTYPE_F16:
		for (size_t i = 0; i < n; i++)
			dst[i] = f32_from_f16(h[i]);
		return 0;
	default:
		return 1;
	}
}

int dtype_from_f32(void *dst, enum dtype d, const float *src, size_t n)
{
	double *f64 = dst;
	uint16_t *h = dst;

	switch (d) {
	case DTYPE_F32:
		memmove(dst, src, n * sizeof(*src));
		return 0;
	case DTYPE_F64:
		for (size_t i = 0; i < n; i++)
			f64[i] = src[i];
		return 0;
	case DTYPE_BF16:
		for (size_t i = 0; i < n; i++)
			h[i] = bf16_from_f32(src[i]);
		return 0;
	case DTYPE_F16:
		for (size_t i = 0; i < n; i++)
			h[i] = f16_from_f32(src[i]);
		return 0;
	default:
		return 1;
	}
}
