/* elementwise - elements a second of each kernel, level by level, one thread
 *
 * Arrays fit the second cache. The best of several runs; name what is wanted
 * to run only that: elementwise attention
 */
#include "kernel/table.h"

#include "base/size.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ARRAYS = 6, N = 32 * 576, ROW = 576, VOCAB = 49152, RUNS = 40 };

static float *x[ARRAYS];
static uint16_t half[N];
static float cosine[256 * 32], sine[256 * 32];
static uint32_t pos[N / ROW];

static void bench_exp(const struct kernels *k)
{
	k->vexp(x[0], x[1], N);
}

static void bench_rmsnorm(const struct kernels *k)
{
	k->rmsnorm(x[0], ROW, x[5], x[1], ROW, x[2], 1e-5f, N / ROW, ROW);
}

static void bench_rmsnorm_backward(const struct kernels *k)
{
	k->rmsnorm_backward(x[0], ROW, 1, NULL, x[1], ROW, x[2], ROW, x[3],
			    x[4], N / ROW, ROW);
}

static void bench_layernorm(const struct kernels *k)
{
	k->layernorm(x[0], ROW, x[5], x[1], ROW, x[2], x[3], 1e-5f, N / ROW,
		     ROW);
}

static void bench_layernorm_backward(const struct kernels *k)
{
	k->layernorm_backward(x[0], ROW, 1, NULL, NULL, x[1], ROW, x[2], ROW,
			      x[3], x[4], N / ROW, ROW);
}

static void bench_rope(const struct kernels *k)
{
	struct rope r = { cosine, sine, 32, 9, 64 };

	k->rope(&r, x[0], ROW, pos, N / ROW, 0);
}

static void bench_silu(const struct kernels *k)
{
	k->silu_gate(x[0], x[1], x[2], N);
}

static void bench_silu_backward(const struct kernels *k)
{
	k->silu_gate_backward(x[0], x[3], x[1], x[2], x[4], N);
}

static void bench_gelu_tanh(const struct kernels *k)
{
	k->gelu_tanh_gate(x[0], x[1], x[2], N);
}

static void bench_gelu_tanh_backward(const struct kernels *k)
{
	k->gelu_tanh_gate_backward(x[0], x[3], x[1], x[2], x[4], N);
}

static void bench_gelu_erf(const struct kernels *k)
{
	k->gelu_erf_gate(x[0], x[1], x[2], N);
}

static void bench_gelu_erf_backward(const struct kernels *k)
{
	k->gelu_erf_gate_backward(x[0], x[3], x[1], x[2], x[4], N);
}

static void bench_softcap(const struct kernels *k)
{
	k->softcap(x[0], x[1], 30, N);
}

static void bench_softcap_backward(const struct kernels *k)
{
	k->softcap_backward(x[0], 0, x[1], x[2], 30, N);
}

static void bench_cross_entropy(const struct kernels *k)
{
	k->cross_entropy(x[1], VOCAB, 3);
}

static void bench_cross_entropy_backward(const struct kernels *k)
{
	memcpy(x[0], x[1], VOCAB * sizeof(float));
	k->cross_entropy_backward(x[0], VOCAB, 3, 1);
}

static void bench_adamw(const struct kernels *k)
{
	struct adamw a = adamw_at(1e-3, 0.9, 0.999, 1e-8, 0, 5);

	k->adamw(&a, x[0], x[3], x[4], x[1], N);
}

static void bench_squares(const struct kernels *k)
{
	x[5][0] = (float)k->sum_squares(x[1], N);
}

static void bench_dropout(const struct kernels *k)
{
	k->dropout(x[0], 0, x[1], N, rng_of(1, "m"), 3, 0.1f);
}

static void bench_to_bf16(const struct kernels *k)
{
	k->f32_to_bf16(half, x[1], N);
}

static void bench_from_f16(const struct kernels *k)
{
	k->f16_to_f32(x[0], half, N);
}

/* clang-format off */
static const struct {
	const char *name;
	void (*run)(const struct kernels *k);
	size_t n;
} benches[] = {
	{ "vexp",                   bench_exp,                    N },
	{ "rmsnorm",                bench_rmsnorm,                N },
	{ "rmsnorm_backward",       bench_rmsnorm_backward,       N },
	{ "layernorm",              bench_layernorm,              N },
	{ "layernorm_backward",     bench_layernorm_backward,     N },
	{ "rope",                   bench_rope,                   N },
	{ "silu_gate",              bench_silu,                   N },
	{ "silu_gate_backward",     bench_silu_backward,          N },
	{ "gelu_tanh_gate",         bench_gelu_tanh,              N },
	{ "gelu_tanh_gate_backward", bench_gelu_tanh_backward,     N },
	{ "gelu_erf_gate",          bench_gelu_erf,               N },
	{ "gelu_erf_gate_backward", bench_gelu_erf_backward,      N },
	{ "softcap",                bench_softcap,                N },
	{ "softcap_backward",       bench_softcap_backward,       N },
	{ "cross_entropy",          bench_cross_entropy,          VOCAB },
	{ "cross_entropy_backward", bench_cross_entropy_backward, VOCAB },
	{ "adamw",                  bench_adamw,                  N },
	{ "sum_squares",            bench_squares,                N },
	{ "dropout",                bench_dropout,                N },
	{ "f32_to_bf16",            bench_to_bf16,                N },
	{ "f16_to_f32",             bench_from_f16,               N },
};
/* clang-format on */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double best_of(void (*run)(const struct kernels *k),
		      const struct kernels *k)
{
	double best = 1e9;

	for (int i = 0; i < RUNS; i++) {
		double t = now();

		run(k);
		t = now() - t;
		best = t < best ? t : best;
	}
	return best;
}

/* SmolLM2's heads; four sequences of this length. */
static struct {
	struct attention a;
	struct attention_grad g;
	size_t start[5];
	float *mem;
	void *space;
} at;

static void attention_begin(size_t len)
{
	enum { Q = 9 * 64, KV = 3 * 64 };
	size_t n = 4 * len;
	float *m = at.mem = calloc(n * (4 * Q + 4 * KV + 9), sizeof(*m));

	at.space = aligned_alloc(64, attention_space(NULL, 9, 3, 64, n, 1));
	if (!m || !at.space)
		exit(71);
	for (size_t i = 0; i < n * (2 * Q + 2 * KV); i++)
		m[i] = sinf((float)i);
	for (size_t i = 0; i < 5; i++)
		at.start[i] = i * len;
	at.a = (struct attention){
		.heads = 9, .kv_heads = 3, .head_dim = 64, .scale = 0.125f,
		.nseq = 4, .start = at.start, .qstride = Q, .kstride = KV,
		.vstride = KV, .ostride = Q, .q = m, .k = m + 2 * n * Q,
		.v = m + n * (2 * Q + KV), .out = m + n * (2 * Q + 2 * KV),
		.lse = m + n * (4 * Q + 4 * KV),
	};
	at.g = (struct attention_grad){
		m + n * Q, m + n * (3 * Q + 2 * KV), m + n * (4 * Q + 2 * KV),
		m + n * (4 * Q + 3 * KV), Q, Q, KV, KV
	};
}

static void attention_end(void)
{
	free(at.mem);
	free(at.space);
}

static void run_attention(const struct kernels *k)
{
	(void)k;
	attention_forward(NULL, at.space, &at.a);
}

static void run_attention_backward(const struct kernels *k)
{
	(void)k;
	attention_backward(NULL, at.space, &at.a, &at.g);
}

/* At the level in use: KERNELS chooses another. Only the causal half counts. */
static void bench_attention(size_t len)
{
	double pairs = 4 * 9 * 64.0 * (double)(len * (len + 1) / 2);
	double t, u;

	attention_begin(len);
	t = best_of(run_attention, NULL);
	u = best_of(run_attention_backward, NULL);
	printf("%-6s attention %zu: forward %.1f GFLOP/s, backward %.1f\n",
	       kernels_name(), len, 4e-9 * pairs / t, 10e-9 * pairs / u);
	attention_end();
}

static int is_wanted(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return 1;
	return argc < 2;
}

int main(int argc, char **argv)
{
	struct kernels k;
	const char *level;
	int usable;

	for (size_t i = 0; i < ARRAYS; i++) {
		if (!(x[i] = calloc(VOCAB, sizeof(float))))
			return 71;
		for (size_t j = 0; j < VOCAB; j++)
			x[i][j] = 4 * sinf((float)(j + i));
	}
	for (size_t j = 0; j < N; j++)
		x[4][j] = fabsf(x[4][j]);
	for (size_t i = 0; (level = kernels_level(i, &k, &usable)); i++)
		for (size_t b = 0; usable && b < NELEM(benches); b++)
			if (is_wanted(argc, argv, benches[b].name))
				printf("%-6s %-24s %6.2f G/s\n", level,
				       benches[b].name,
				       1e-9 * (double)benches[b].n /
					       best_of(benches[b].run, &k));
	if (is_wanted(argc, argv, "attention")) {
		bench_attention(256);
		bench_attention(1024);
	}
	for (size_t i = 0; i < ARRAYS; i++)
		free(x[i]);
	return 0;
}
