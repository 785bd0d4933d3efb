#include "kernel/lanes_avx512.h"
#include "kernel/pack_avx512.h"

#include "base/size.h"

/* At most 16 x 16. */
static void square(float *dst, size_t stride, const float *src, size_t rows,
		   size_t cols, size_t each)
{
	__m512i t[16];

#pragma GCC unroll 16
	for (size_t i = 0; i < 16; i++)
		t[i] = _mm512_castps_si512(_mm512_maskz_loadu_ps(
			i < rows ? mask16(cols) : 0, src + i * each));
	square16(t);
#pragma GCC unroll 16
	for (size_t j = 0; j < 16; j++)
		if (j < cols)
			_mm512_mask_storeu_ps(dst + j * stride, mask16(rows),
					      _mm512_castsi512_ps(t[j]));
}

void transpose_avx512(float *dst, size_t stride, const float *src, size_t rows,
		      size_t cols)
{
	for (size_t i = 0; i < rows; i += 16)
		for (size_t j = 0; j < cols; j += 16)
			square(dst + j * stride + i, stride,
			       src + i * cols + j, size_min(rows - i, 16),
			       size_min(cols - j, 16), cols);
}
