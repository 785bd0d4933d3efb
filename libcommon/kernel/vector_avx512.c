#include "kernel/vector.h"

#include "kernel/lanes_avx512.h"

void vexp_avx512(float *y, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i += 16)
		store16(y + i, n - i, exp16(load16(x + i, n - i)));
}
