#include "kernel/vector.h"

#include "kernel/lanes_avx2.h"

/* The last, short step goes through masks: lanes that are off are neither
 * read nor written. */
#define EACH8(i, n) for (; (i) + 8 <= (n); (i) += 8)

void vexp_avx2(float *y, const float *x, size_t n)
{
	__m256i last;
	size_t i = 0;

	EACH8(i, n)
		_mm256_storeu_ps(y + i, exp8(_mm256_loadu_ps(x + i)));
	last = mask8(n - i);
	_mm256_maskstore_ps(y + i, last, exp8(_mm256_maskload_ps(x + i, last)));
}

void vadd_avx2(float *y, const float *a, const float *b, size_t n)
{
	__m256i last;
	size_t i = 0;

	EACH8(i, n)
		_mm256_storeu_ps(y + i, _mm256_add_ps(_mm256_loadu_ps(a + i),
						      _mm256_loadu_ps(b + i)));
	last = mask8(n - i);
	_mm256_maskstore_ps(y + i, last,
			    _mm256_add_ps(_mm256_maskload_ps(a + i, last),
					  _mm256_maskload_ps(b + i, last)));
}

void vscale_avx2(float *y, const float *x, float s, size_t n)
{
	const __m256 by = _mm256_set1_ps(s);
	__m256i last;
	size_t i = 0;

	EACH8(i, n)
		_mm256_storeu_ps(y + i,
				 _mm256_mul_ps(by, _mm256_loadu_ps(x + i)));
	last = mask8(n - i);
	_mm256_maskstore_ps(y + i, last,
			    _mm256_mul_ps(by, _mm256_maskload_ps(x + i, last)));
}

void vaxpy_avx2(float *y, float s, const float *x, size_t n)
{
	const __m256 by = _mm256_set1_ps(s);
	__m256i last;
	size_t i = 0;

	EACH8(i, n)
		_mm256_storeu_ps(y + i,
				 _mm256_fmadd_ps(by, _mm256_loadu_ps(x + i),
						 _mm256_loadu_ps(y + i)));
	last = mask8(n - i);
	_mm256_maskstore_ps(y + i, last,
			    _mm256_fmadd_ps(by, _mm256_maskload_ps(x + i, last),
					    _mm256_maskload_ps(y + i, last)));
}

static inline __m256d square_add(__m128 x, __m256d sum)
{
	__m256d v = _mm256_cvtps_pd(x);

	return _mm256_fmadd_pd(v, v, sum);
}

static inline void squares(__m256d lane[4], __m256 low, __m256 high)
{
	lane[0] = square_add(_mm256_castps256_ps128(low), lane[0]);
	lane[1] = square_add(_mm256_extractf128_ps(low, 1), lane[1]);
	lane[2] = square_add(_mm256_castps256_ps128(high), lane[2]);
	lane[3] = square_add(_mm256_extractf128_ps(high, 1), lane[3]);
}

double sum_squares_avx2(const float *x, size_t n)
{
	__m256d lane[4];
	size_t i = 0;

	for (int j = 0; j < 4; j++)
		lane[j] = _mm256_setzero_pd();
	for (; i + 16 <= n; i += 16)
		squares(lane, _mm256_loadu_ps(x + i),
			_mm256_loadu_ps(x + i + 8));
	/* Lanes that are off add +0 to a sum that is not negative. */
	squares(lane, _mm256_maskload_ps(x + i, mask8_at(n - i, 0)),
		_mm256_maskload_ps(x + i + 8, mask8_at(n - i, 8)));
	return sum16_64(lane);
}
