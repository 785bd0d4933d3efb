#include "quant/cascade.h"

#include <string.h>

enum { LANES = 8, CHAINS = 4, CELLS = LANES * CHAINS, LEVELS = 4 };

static void add(float *to, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += x[i];
}

static unsigned ceil_log2(size_t n)
{
	unsigned log = 0;

	while (((size_t)1 << log) < n)
		log++;
	return log;
}

/* sum (cell) of n rows of cell values: a level passes its sum on after step
 * additions, so that a long sum does not lose its small terms. */
static void sum_rows(float *sum, const float *x, size_t n, size_t cell)
{
	float level[LEVELS][CELLS] = { 0 };
	unsigned power = ceil_log2(n) / LEVELS > 4 ? ceil_log2(n) / LEVELS : 4;
	size_t step = (size_t)1 << power, i = 0;

	while (i + step <= n) {
		for (size_t end = i + step; i < end; i++)
			add(level[0], x + i * cell, cell);
		for (unsigned j = 1; j < LEVELS; j++) {
			add(level[j], level[j - 1], cell);
			memset(level[j - 1], 0, sizeof(level[0]));
			if (i & (step - 1) << j * power)
				break;
		}
	}
	for (; i < n; i++)
		add(level[0], x + i * cell, cell);
	for (unsigned j = 1; j < LEVELS; j++)
		add(level[0], level[j], cell);
	memcpy(sum, level[0], cell * sizeof(float));
}

float cascade_sum(const float *x, size_t n)
{
	size_t lanes = n < LANES ? 1 : LANES, cell = lanes * CHAINS;
	size_t rows = n / cell, rest = n / lanes;
	float part[CELLS], sum = 0;

	sum_rows(part, x, rows, cell);
	for (size_t i = rows * CHAINS; i < rest; i++)
		add(part, x + i * lanes, lanes);
	for (size_t c = 1; c < CHAINS; c++)
		add(part, part + c * lanes, lanes);
	for (size_t i = rest * lanes; i < n; i++)
		sum += x[i];
	for (size_t i = 0; i < lanes; i++)
		sum += part[i];
	return sum;
}

float cascade_mean(const float *x, size_t n)
{
	return cascade_sum(x, n) / (float)n;
}
