/* quantise - parameters a second: the kernel alone, and whole tensors */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "base/size.h"
#include "kernel/table.h"
#include "quant/quant_nf4.h"

enum { N = 1 << 24, CACHED = 1 << 14 };

static void fill(float *x)
{
	uint32_t s = 1;

	for (size_t i = 0; i < N; i++) {
		s = s * 1664525 + 1013904223;
		x[i] = (float)(int32_t)s * 0x1p-31f;
	}
}

/* Best of some rounds over N values, span at a time. */
static double kernel_rate(nf4_encode_fn *encode, const float *x, uint8_t *code,
			  float *absmax, size_t span)
{
	double best = 0;

	for (int round = 0; round < 5; round++) {
		double start = os_seconds(), rate;

		for (size_t i = 0; i < N; i += span)
			encode(code, absmax, span == N ? x : x + i % CACHED,
			       span / 64, 64, NF4_LEAST);
		rate = N / (os_seconds() - start);
		best = rate > best ? rate : best;
	}
	return best;
}

static double tensor_rate(struct tensor *x, struct pool *pool)
{
	struct quant_nf4 q = { 64, 1, QUANT_CPU };
	double best = 0;

	for (int round = 0; round < 3; round++) {
		double start = os_seconds(), rate;
		struct tensor t;

		if (quant_nf4(&t, x, &q, pool)) {
			fprintf(stderr, "%s\n", err_text());
			exit(E_BUG);
		}
		rate = N / (os_seconds() - start);
		best = rate > best ? rate : best;
		tensor_release(&t);
	}
	return best;
}

static void tensors(const float *x, enum dtype d)
{
	size_t shape[] = { N / 4096, 4096 };
	struct tensor t;
	struct pool *pool;

	if (tensor_init(&t, "w", ROLE_LINEAR, d, 2, shape) ||
	    tensor_alloc(&t) || pool_new(&pool, 2))
		exit(E_NOMEM);
	dtype_from_f32(t.part[0].data, d, x, N);
	printf("tensor, nested, %-4s  1 thread %6.0f, 2 threads %6.0f M/s\n",
	       dtype_name(d), tensor_rate(&t, NULL) * 1e-6,
	       tensor_rate(&t, pool) * 1e-6);
	pool_free(pool);
	tensor_release(&t);
}

int main(void)
{
	float *x = malloc(N * sizeof(*x)), *absmax = malloc(N / 64 * 4);
	uint8_t *code = malloc(N / 2);
	struct kernels k;
	const char *name;
	int usable;

	if (!x || !absmax || !code)
		return E_NOMEM;
	fill(x);
	for (size_t l = 0; (name = kernels_level(l, &k, &usable)); l++)
		if (usable)
			printf("nf4_encode %-10s in cache %6.0f M/s  from "
			       "memory %6.0f M/s\n", name,
			       kernel_rate(k.nf4_encode, x, code, absmax,
					   CACHED) * 1e-6,
			       kernel_rate(k.nf4_encode, x, code, absmax,
					   N) * 1e-6);
	tensors(x, DTYPE_F32);
	tensors(x, DTYPE_BF16);
	tensors(x, DTYPE_F16);
	return 0;
}
