/*
 * peak - what a machine does on nothing but fused multiply-adds
 *
 * Its widest registers; twelve chains hide their latency.
 */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

#include "base/os.h"
#include "base/par.h"

enum { PEAK_LOOPS = 1 << 18, PEAK_CHAINS = 12 };

static volatile float peak_sunk[64];

#define PEAK_EACH(do) do(0) do(1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) \
	do(9) do(10) do(11)
#ifdef __x86_64__
#define PEAK_FMA(i) __asm__("vfmadd231ps %1, %1, %0" : "+v"(c##i) : "v"(a));
#define PEAK_TARGET(isa) __attribute__((target(isa)))
#else
#define PEAK_FMA(i) c##i += a * a;
#define PEAK_TARGET(isa)
#endif
#define PEAK_CHAIN(i) vec c##i = a;
#define PEAK_SUM(i) a += c##i;

#define PEAK_TASK(name, isa, bytes)                                        \
	PEAK_TARGET(isa) static void name(void *ctx, size_t task,          \
					  size_t lane)                     \
	{                                                                  \
		typedef float vec __attribute__((vector_size(bytes)));     \
		vec a = { 0 };                                             \
                                                                           \
		(void)ctx;                                                 \
		(void)task;                                                \
		PEAK_EACH(PEAK_CHAIN)                                      \
		for (int i = 0; i < PEAK_LOOPS; i++) {                     \
			PEAK_EACH(PEAK_FMA)                                \
		}                                                          \
		PEAK_EACH(PEAK_SUM)                                        \
		peak_sunk[lane % 64] = a[0];                               \
	}

PEAK_TASK(peak_task, "avx2,fma", 32)
#ifdef __x86_64__
PEAK_TASK(peak_task512, "avx512f", 64)
#endif

/* GFLOP/s of all lanes together. */
static inline double peak(struct pool *pool)
{
	size_t tasks = pool_lanes(pool) * 2;
	double start = os_seconds(), width = 8;
	void (*run)(void *, size_t, size_t) = peak_task;

#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512f")) {
		run = peak_task512;
		width = 16;
	}
#endif
	pool_run(pool, tasks, run, NULL);
	return 2e-9 * width * PEAK_CHAINS * PEAK_LOOPS * (double)tasks /
	       (os_seconds() - start);
}

#endif
