/* softcap_x16 - softcap.c in sixteen lanes; kernel/x16_avx2.h says how */
#ifndef KERNEL_SOFTCAP_X16_H
#define KERNEL_SOFTCAP_X16_H

#include "kernel/softcap.h"

void X16(softcap)(float *y, const float *x, float cap, size_t n)
{
	const x16 by = x16_set(cap);

	for (size_t i = 0; i < n; i += 16) {
		x16 t = x16_tanh(x16_div(x16_load(x + i, n - i), by));

		x16_store(y + i, n - i, x16_mul(by, t));
	}
}

void X16(softcap_backward)(float *dx, int add, const float *y,
			   const float *dy, float cap, size_t n)
{
	const x16 by = x16_set(cap), one = x16_set(1);

	for (size_t i = 0; i < n; i += 16) {
		size_t left = n - i;
		x16 t = x16_div(x16_load(y + i, left), by);
		x16 d = x16_mul(x16_load(dy + i, left), x16_fnma(t, t, one));

		if (add)
			d = x16_add(x16_load(dx + i, left), d);
		x16_store(dx + i, left, d);
	}
}

#endif
