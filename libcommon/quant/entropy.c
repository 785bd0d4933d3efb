#include "quant/entropy.h"

#include "base/math.h"

enum { CODES = 256 };

#define PER_LN2 0x1.71547652b82fep+0

/* Exact for powers of two. */
static double log2_of(size_t c)
{
	double high = 0, x = (double)c;

	for (; x >= 2; x /= 2)
		high++;
	return high + math_log64(x) * PER_LN2;
}

void entropy_init(struct entropy *e)
{
	e->clog[0] = 0;
	for (size_t c = 1; c <= ENTROPY_MOST; c++)
		e->clog[c] = (double)c * log2_of(c);
}

double entropy_disorder(const struct entropy *e, const uint16_t *count,
			size_t k)
{
	uint16_t sorted[CODES];
	double sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < k; i++) {
		size_t at = n;

		if (!count[i])
			continue;
		for (; at && sorted[at - 1] > count[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = count[i];
		n++;
	}
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i; j < n && sorted[j] == sorted[i]; j++)
			;
		sum += (double)(j - i) * e->clog[sorted[i]];
	}
	return sum;
}

double entropy_bits(const struct entropy *e, double disorder, size_t n)
{
	return (e->clog[n] - disorder) / (double)n;
}
