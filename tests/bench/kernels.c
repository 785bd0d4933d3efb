/*
 * kernels [-j N] [-s SECONDS] [word ...] - how fast the matrix product is
 *
 * Prints GFLOP/s, the best of several runs, and its share of what the machine
 * does on nothing but fused multiply-adds in f32 (in-bf16, a product can do
 * more), measured between them: other work on the machine slows both. The
 * levels of kernels above plain C take turns in it, run by run; KERNELS
 * chooses one. OpenBLAS' sgemm has its turn where the weights are f32: what
 * others make of the same product. Words choose the lines that contain one of
 * them.
 */
#include <cblas.h>
#include <string.h>

#include "kernel/gemm.h"
#include "kernel/table.h"
#include "tests/bench/bench.h"
#include "weight/weight.h"

static char **words;
static double seconds = 0.15; /* at least, for each line */

static int wanted(const char *line)
{
	int any = !*words;

	for (char **w = words; *w; w++)
		any |= strstr(line, *w) != NULL;
	return any;
}

/* ---- what is timed ---- */

struct timed {
	void (*run)(void *ctx);
	void *ctx;
	double work;            /* flops or elements of one run */
	void (*peer)(void *ctx);        /* another's way to do it, or NULL */
};

enum { LEVELS = 8 };

static struct kernels levels[LEVELS];
static size_t nlevel;

static void find_levels(void)
{
	const char *name;
	int usable;

	for (size_t i = 0; (name = kernels_level(i, &levels[nlevel], &usable));
	     i++)
		if (getenv("KERNELS") ? !strcmp(name, kernels_name()) :
					usable && strcmp(name, "c")) {
			printf(" %14s", name);
			nlevel++;
		}
	printf(" %14s", "OpenBLAS");
}

/* The table in use is ours to change between products. */
static void use(size_t l)
{
	*(struct kernels *)kernels() = levels[l];
}

/* Best rate of every level and of the peer, work done in 1e9 a second, and the
 * best peak. */
static void rates(const struct timed *t, double best[LEVELS + 1], double *top,
		  struct pool *pool)
{
	double end = os_seconds() + seconds, spent = 0;

	for (int i = 0; i < 4 || os_seconds() < end; i++) {
		for (size_t l = 0; l < nlevel + (t->peer != NULL); l++) {
			void (*run)(void *) = l < nlevel ? t->run : t->peer;

			if (l < nlevel)
				use(l);
			if (!i)
				run(t->ctx);
			spent = os_seconds();
			run(t->ctx);
			spent = os_seconds() - spent;
			if (t->work / spent / 1e9 > best[l])
				best[l] = t->work / spent / 1e9;
		}
		if (top && (i % 8 == 0 || spent > 0.01)) {
			double p = peak(pool);

			*top = p > *top ? p : *top;
		}
	}
}

/* ---- products ---- */

struct product {
	struct pool *pool;
	size_t m, nout;
	struct gemm_output out[3];
	struct weight w[3];
	struct tensor t[3];
	float *x;
	void *space;
};

static void run_product(void *ctx)
{
	struct product *p = ctx;

	gemm(p->pool, p->space, p->m, p->out, p->nout);
}

/* The same of weights that are f32, one output after the other. */
static void run_openblas(void *ctx)
{
	struct product *p = ctx;

	for (size_t i = 0; i < p->nout; i++) {
		const struct gemm_output *o = &p->out[i];
		const struct gemm_term *t = &o->term[0];
		int is_nt = t->use == GEMM_NT;

		cblas_sgemm(CblasRowMajor, CblasNoTrans,
			    is_nt ? CblasTrans : CblasNoTrans, (int)p->m,
			    (int)o->n, (int)t->k, 1, t->x, (int)t->stride,
			    p->t[i].part[0].data,
			    (int)(is_nt ? t->k : o->n), 0, o->y,
			    (int)o->stride);
	}
}

static void line(const char *name, const struct timed *t, struct pool *pool)
{
	double top = 0, r[LEVELS + 1] = { 0 };

	rates(t, r, pool ? &top : NULL, pool);
	printf("%-40s", name);
	for (size_t l = 0; l <= nlevel; l++)
		if (l == nlevel && !t->peer)
			printf(" %14s", "-");
		else if (pool)
			printf(" %8.1f %4.0f%%", r[l], 100 * r[l] / top);
		else
			printf(" %14.2f", r[l]);
	printf(pool ? " %8.1f\n" : " G values/s\n", top);
	fflush(stdout);
}

/* What a product is of: how W is stored, and what is computed in. */
struct kind {
	const char *name, *storage;
	enum gemm_compute compute;
};

static void time_product(struct pool *pool, const struct kind *kind, size_t m,
			 size_t nout, const size_t *rows, size_t cols,
			 enum gemm_use use)
{
	struct product p = { .pool = pool, .m = m, .nout = nout };
	struct timed t = {
		run_product, &p, 0,
		strcmp(kind->name, "f32") ? NULL : run_openblas,
	};
	size_t most = 0, k;
	char name[128];
	int at = snprintf(name, sizeof(name), "%s %s %zux", kind->name,
		      use == GEMM_NT ? "nt" : "nn", cols);
	for (size_t i = 0; i < nout; i++) {
		at += snprintf(name + at, sizeof(name) - (size_t)at, "%s%zu",
			       i ? "+" : "", rows[i]);
		most = size_max(most, rows[i]);
	}
	snprintf(name + at, sizeof(name) - (size_t)at, " m %zu -j%zu", m,
		 pool_lanes(pool));
	if (!wanted(name))
		return;
	k = use == GEMM_NT ? cols : most;
	p.x = room(m * k * sizeof(float));
	for (size_t i = 0; i < m * k; i++)
		p.x[i] = noise();
	for (size_t i = 0; i < nout; i++) {
		struct gemm_output *o = &p.out[i];

		make(&p.t[i], "w", ROLE_LINEAR, kind->storage, rows[i], cols);
		if (weight_bind(&p.w[i], &p.t[i]))
			fail("weight");
		p.w[i].compute = kind->compute;
		o->n = o->stride = use == GEMM_NT ? rows[i] : cols;
		o->y = room(m * o->n * sizeof(float));
		o->nterm = 1;
		o->term[0] = weight_term(&p.w[i], p.x, k, use);
		t.work += 2.0 * (double)m * (double)rows[i] * (double)cols;
	}
	p.space = room(gemm_space(pool, m, k, nout));
	line(name, &t, pool);
	for (size_t i = 0; i < nout; i++) {
		os_pages_free(p.out[i].y, m * p.out[i].n * 4 + 64);
		tensor_release(&p.t[i]);
	}
	os_pages_free(p.space, gemm_space(pool, m, k, nout) + 64);
	os_pages_free(p.x, m * k * sizeof(float) + 64);
}

static const struct {
	size_t nout, rows[3], cols;
} shapes[] = {
	{ 1, { 576 }, 576 },
	{ 3, { 576, 192, 192 }, 576 },
	{ 2, { 1536, 1536 }, 576 },
	{ 1, { 1536 }, 576 },
	{ 1, { 576 }, 1536 },
	{ 1, { 4096 }, 4096 },
	{ 1, { 8 }, 576 },
	{ 1, { 576 }, 8 },
};

static void time_shapes(struct pool *pool, const struct kind *kind, size_t m)
{
	for (size_t i = 0; i < NELEM(shapes); i++)
		for (int use = GEMM_NT; use <= GEMM_NN; use++)
			if (use == GEMM_NT || shapes[i].nout == 1)
				time_product(pool, kind, m, shapes[i].nout,
					     shapes[i].rows, shapes[i].cols,
					     (enum gemm_use)use);
}

/* ---- the weight gradient ---- */

struct gradient {
	struct pool *pool;
	float *g, *p, *q;
	size_t a, b, m;
};

static void run_gradient(void *ctx)
{
	struct gradient *g = ctx;
	const size_t start[] = { 0, g->m };

	gemm_tn(g->pool, g->g, g->b, g->p, g->a, g->a, g->q, g->b, g->b, start,
		1);
}

static void time_gradient(struct pool *pool, size_t a, size_t b, size_t m)
{
	struct gradient g = { pool, room(a * b * 4), room(m * a * 4),
			      room(m * b * 4), a, b, m };
	struct timed t = { run_gradient, &g, 2.0 * (double)(a * b * m), NULL };
	char name[128];

	snprintf(name, sizeof(name), "tn %zux%zu m %zu -j%zu", a, b, m,
		 pool_lanes(pool));
	for (size_t i = 0; i < m * a; i++)
		g.p[i] = noise();
	for (size_t i = 0; i < m * b; i++)
		g.q[i] = noise();
	if (wanted(name))
		line(name, &t, pool);
	os_pages_free(g.g, a * b * 4 + 64);
	os_pages_free(g.p, m * a * 4 + 64);
	os_pages_free(g.q, m * b * 4 + 64);
}

/* ---- packing ---- */

struct packing {
	struct weight w;
	float *dst;
	enum gemm_use use;
};

static void run_packing(void *ctx)
{
	struct packing *p = ctx;
	size_t K = p->use == GEMM_NT ? p->w.cols : p->w.rows;
	size_t N = p->use == GEMM_NT ? p->w.rows : p->w.cols;

	for (size_t n = 0; n < N; n += 192)
		for (size_t k = 0; k < K; k += GEMM_KC)
			p->w.format->pack(&p->w, p->dst, k,
					  size_min(k + GEMM_KC, K), n,
					  size_min(n + 192, N), p->use);
}

static void run_decode(void *ctx)
{
	struct packing *p = ctx;
	size_t n = p->w.rows * p->w.cols;

	for (size_t e = 0; e < n; e += 1 << 16)
		if (weight_decode(p->w.tensor, p->dst, e,
				  size_min(1 << 16, n - e)))
			fail("decode");
}

static void time_packing(const char *kind, size_t rows, size_t cols)
{
	static const struct {
		const char *name;
		void (*run)(void *ctx);
	} what[] = { { "nt", run_packing }, { "nn", run_packing },
		     { "decode", run_decode } };
	struct tensor t;
	struct packing p = { .dst = room(1 << 20) };

	make(&t, "w", ROLE_LINEAR, kind, rows, cols);
	if (weight_bind(&p.w, &t))
		fail("weight");
	for (size_t i = 0; i < NELEM(what); i++) {
		struct timed timed = { what[i].run, &p, (double)(rows * cols),
				       NULL };
		char name[128];

		p.use = i == 1 ? GEMM_NN : GEMM_NT;
		snprintf(name, sizeof(name), "pack %s %s %zux%zu", kind,
			 what[i].name, rows, cols);
		if (wanted(name))
			line(name, &timed, NULL);
	}
	tensor_release(&t);
	os_pages_free(p.dst, (1 << 20) + 64);
}

int main(int argc, char **argv)
{
	static const struct kind kind[] = {
		{ "f32", "f32", GEMM_F32 },
		{ "bf16", "bf16", GEMM_F32 },
		{ "nf4", "nf4", GEMM_F32 },
		{ "q4_0", "q4_0", GEMM_F32 },
		{ "q4_1", "q4_1", GEMM_F32 },
		{ "q8_0", "q8_0", GEMM_F32 },
		{ "q4_k", "q4_k", GEMM_F32 },
		{ "q6_k", "q6_k", GEMM_F32 },
		{ "int2", "int2", GEMM_F32 },
		{ "int3", "int3", GEMM_F32 },
		{ "int4", "int4", GEMM_F32 },
		{ "int8", "int8", GEMM_F32 },
		{ "bf16 in-bf16", "bf16", GEMM_BF16 },
		{ "nf4 in-bf16", "nf4", GEMM_BF16 },
	};
	enum { STORAGES = 12 };
	static const size_t rows[] = { 64, 256, 1024, 1 };
	size_t lanes = 2;

	(void)argc;
	for (words = argv + 1; *words && **words == '-' && words[1];
	     words += 2)
		if (!strcmp(*words, "-j"))
			lanes = strtoul(words[1], NULL, 10);
		else
			seconds = strtod(words[1], NULL);
	printf("%-40s", "GFLOP/s, and their share of the peak");
	find_levels();
	printf(" %8s\n", "peak");
	for (size_t i = 0; i < STORAGES; i++)
		time_packing(kind[i].storage, 1536, 576);
	for (size_t i = 0; i < STORAGES; i++)
		time_packing(kind[i].storage, 4096, 4096);
	for (size_t j = 1; j <= lanes; j++) {
		struct pool *pool;

		if (pool_new(&pool, j))
			fail("threads");
		openblas_set_num_threads((int)j);
		for (size_t r = 0; r < NELEM(rows); r++)
			for (size_t i = 0; i < NELEM(kind); i++)
				time_shapes(pool, &kind[i], rows[r]);
		time_gradient(pool, 8, 576, 1024);
		time_gradient(pool, 576, 8, 1024);
		time_gradient(pool, 8, 1536, 1024);
		time_gradient(pool, 1536, 8, 1024);
		time_gradient(pool, 64, 4096, 1024);
		pool_free(pool);
	}
	return 0;
}
