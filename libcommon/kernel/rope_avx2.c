#include "kernel/rope.h"

#include "kernel/lanes_avx2.h"

static inline void rotate8(float *a, float *b, __m256 c, __m256 s, __m256i m)
{
	__m256 x = _mm256_maskload_ps(a, m), y = _mm256_maskload_ps(b, m);

	_mm256_maskstore_ps(a, m, _mm256_fnmadd_ps(y, s, _mm256_mul_ps(x, c)));
	_mm256_maskstore_ps(b, m, _mm256_fmadd_ps(x, s, _mm256_mul_ps(y, c)));
}

static void rotate(float *a, float *b, const float *cos, const float *sin,
		   __m256 sign, size_t half)
{
	size_t i = 0;

	for (; i + 8 <= half; i += 8) {
		__m256 s = _mm256_xor_ps(sign, _mm256_loadu_ps(sin + i));
		__m256 c = _mm256_loadu_ps(cos + i);
		__m256 x = _mm256_loadu_ps(a + i), y = _mm256_loadu_ps(b + i);

		_mm256_storeu_ps(a + i, _mm256_fnmadd_ps(y, s,
						_mm256_mul_ps(x, c)));
		_mm256_storeu_ps(b + i, _mm256_fmadd_ps(x, s,
						_mm256_mul_ps(y, c)));
	}
	if (i < half) {
		__m256i m = mask8(half - i);

		rotate8(a + i, b + i, _mm256_maskload_ps(cos + i, m),
			_mm256_xor_ps(sign, _mm256_maskload_ps(sin + i, m)), m);
	}
}

void rope_avx2(const struct rope *r, float *x, size_t stride,
	       const uint32_t *pos, size_t n, int inverse)
{
	const __m256 sign = _mm256_set1_ps(inverse ? -0.0f : 0.0f);

	for (size_t row = 0; row < n; row++, x += stride) {
		size_t at = pos[row] * r->half;

		for (size_t h = 0; h < r->heads; h++) {
			float *head = x + h * r->head_dim;

			rotate(head, head + r->half, r->cos + at, r->sin + at,
			       sign, r->half);
		}
	}
}
