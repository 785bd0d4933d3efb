#include "quant/icq.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "kernel/dyn8.h"
#include "kernel/nf4.h"
#include "kernel/table.h"

enum { CODES = 16, BATCH = 8 }; /* candidates that are coded at once */

static const double reach = 0.1 * (1 / 1.848130959757373);

size_t icq_room(size_t block)
{
	return (BATCH + 1) * block; /* values, and bytes of codes */
}

static int compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static float median(const float *x, size_t n, float *room)
{
	memcpy(room, x, n * sizeof(*x));
	qsort(room, n, sizeof(*x), compare);
	return room[(n - 1) / 2];
}

static float furthest(const float *x, size_t n, float from)
{
	float most = 0;

	for (size_t i = 0; i < n; i++)
		most = fabsf(x[i] - from) > most ? fabsf(x[i] - from) : most;
	return most;
}

/* As numpy.linspace() has them. */
static float candidate(const struct icq *q, size_t k, float middle, float most)
{
	double step = 2 * reach / (double)(2 * q->steps);
	double f = k == 2 * q->steps ? reach : (double)k * step - reach;

	return (float)f * most + middle;
}

/* Codes of count blocks of n values. */
static void encode(uint8_t *code, const float *v, size_t count, size_t n,
		   int cpu)
{
	float absmax[BATCH];

	if (n % NF4_UNIT == 0)
		kernels()->nf4_encode(code, absmax, v, count, n,
				      cpu ? NF4_LEAST : 0);
	else
		for (size_t i = 0; i < count; i++)
			nf4_encode_tail(code + i * ((n + 1) / 2), v + i * n, n,
					cpu);
}

static double disorder(const struct icq *q, const uint8_t *code, size_t n)
{
	uint16_t count[CODES] = { 0 };

	for (size_t i = 0; i < n / 2; i++) {
		count[code[i] >> 4]++;
		count[code[i] & 15]++;
	}
	if (n % 2)
		count[code[n / 2] >> 4]++;
	return entropy_disorder(&q->entropy, count, CODES);
}

float icq_shift(const struct icq *q, const float *x, size_t n, int cpu,
		float *room, struct icq_gain *gain)
{
	uint8_t *code = (uint8_t *)(room + BATCH * n);
	float middle = median(x, n, room), most = furthest(x, n, middle);
	float best = 0, tau[BATCH];
	double least = INFINITY, plain;

	if (!isfinite(most) || !isfinite(middle))
		return 0;
	encode(code, x, 1, n, cpu);
	plain = disorder(q, code, n);
	for (size_t k = 0; k <= 2 * q->steps; k += BATCH) {
		size_t some = size_min(BATCH, 2 * q->steps + 1 - k);

		for (size_t c = 0; c < some; c++) {
			tau[c] = candidate(q, k + c, middle, most);
			for (size_t i = 0; i < n; i++)
				room[c * n + i] = x[i] - tau[c];
		}
		encode(code, room, some, n, cpu);
		for (size_t c = 0; c < some; c++) {
			double s = disorder(q, code + c * ((n + 1) / 2), n);

			if (!(s < least))
				continue;
			least = s;
			best = tau[c];
		}
	}
	gain->plain += entropy_bits(&q->entropy, plain, n);
	gain->shifted += entropy_bits(&q->entropy, least, n);
	gain->blocks++;
	return best;
}

static uint8_t nearest(float v)
{
	unsigned at = dyn8_code(dyn8_book, v, DYN8_NEAREST);
	unsigned from = at > 1 ? at - 2 : 0, to = at < 254 ? at + 2 : 255;

	for (at = from; from <= to; from++)
		if (fabsf(dyn8_book[from] - v) < fabsf(dyn8_book[at] - v))
			at = from;
	return (uint8_t)at;
}

void icq_codes(uint8_t *code, float *scale, const float *tau, size_t n)
{
	*scale = furthest(tau, n, 0);
	for (size_t i = 0; i < n; i++)
		code[i] = nearest(*scale > 0 ? tau[i] / *scale : 0);
}
