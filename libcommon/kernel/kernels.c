#include "kernel/kernels.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif
#include <pthread.h>

#include "base/level.h"
#include "base/size.h"
#include "kernel/table.h"

static void fill_c(struct kernels *k)
{
#define FILL(name) k->name = name##_c;
	KERNELS_C(FILL)
#undef FILL
}

static int has_c(void)
{
	return 1;
}

#ifdef __x86_64__
static void fill_avx2(struct kernels *k)
{
#define FILL(name) k->name = name##_avx2;
	KERNELS_AVX2(FILL)
#undef FILL
}

static int has_avx2(void)
{
	unsigned a, b, c, d;

	/* clang 14 has no name for F16C. */
	return __builtin_cpu_supports("avx2") &&
	       __builtin_cpu_supports("fma") &&
	       __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static void fill_avx512(struct kernels *k)
{
#define FILL(name) k->name = name##_avx512;
	KERNELS_AVX512(FILL)
#undef FILL
}

static void fill_avx512bf16(struct kernels *k)
{
#define FILL(name) k->name = name##_avx512bf16;
	KERNELS_AVX512BF16(FILL)
#undef FILL
}

#ifdef EMU512 /* tests/emu512: needs no more than AVX2 */
#define has_avx512 has_avx2
#define has_avx512bf16 has_avx2
#else
static int has_avx512(void)
{
	return __builtin_cpu_supports("avx512f") &&
	       __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512dq");
}

static int has_avx512bf16(void)
{
	return __builtin_cpu_supports("avx512bf16");
}
#endif
#endif

/* Lowest first. A level overwrites only what it does better than the last. */
static const struct {
	enum level is;
	int (*usable)(void);
	void (*fill)(struct kernels *);
} level[] = {
	{ LEVEL_C, has_c, fill_c },
#ifdef __x86_64__
	{ LEVEL_AVX2, has_avx2, fill_avx2 },
	{ LEVEL_AVX512, has_avx512, fill_avx512 },
	{ LEVEL_AVX512BF16, has_avx512bf16, fill_avx512bf16 },
#endif
};

static struct kernels best;
static const char *best_name;

static void climb(void)
{
	enum level top;

	if (level_asked(&top)) /* whoever read the command line has said so */
		top = LEVEL_COUNT;
	for (size_t i = 0; i < NELEM(level) && level[i].is <= top &&
			   level[i].usable(); i++) {
		level[i].fill(&best);
		best_name = level_name(level[i].is);
	}
}

static void choose(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, climb);
}

const struct kernels *kernels(void)
{
	choose();
	return &best;
}

const char *kernels_name(void)
{
	choose();
	return best_name;
}

const char *kernels_level(size_t i, struct kernels *k, int *usable)
{
	if (i >= NELEM(level))
		return NULL;
	for (size_t j = 0; j <= i; j++)
		level[j].fill(k);
	*usable = level[i].usable();
	return level_name(level[i].is);
}
