#include "kernel/gemm.h"

#include <stdint.h>

#include "base/size.h"
#include "kernel/gemm_pieces.h"
#include "kernel/table.h"

/*
 * Rows are cut into blocks whose packed X stays within X_FLOATS; for each,
 * all X are packed, and then tasks, which are chunks of columns, take their
 * turn: a task decodes its columns of W, a few KC by chunk, to a buffer of its
 * own, and multiplies them with all of the rows, MC at a time. When there are
 * more lanes than columns to go round, a task has a part of the rows.
 */
enum {
	MC = 64,                        /* rows whose X and Y stay in L2 */
	NC_PANELS = 8,                  /* panels in a chunk, at most */
	X_FLOATS = 16 << 20,
	PACK_ROWS = 64,                 /* rows of X that a task packs */
	XS = GEMM_OUTPUTS * GEMM_TERMS,
};

struct packed {
	const float *x;
	size_t stride, k;
	enum gemm_compute compute;
	int late;               /* an early output makes it */
	float *at;              /* blocks of k, each of all rows' panels */
};

struct job {
	const struct gemm_output *out;
	size_t nout;
	struct packed xs[XS];
	size_t nx;
	unsigned char which[GEMM_OUTPUTS][GEMM_TERMS];
	size_t row, rows;       /* the block of rows at hand */
	int early;              /* the outputs at hand: early ones, or others */
	int late;               /* the X to pack: which early ones make, or
				 * others */
	size_t panels;          /* in a chunk of columns */
	size_t part;            /* rows of a task */
	float *wbuf;            /* for each lane */
};

/* What the blocks of W that are decoded together take, at most. */
enum { TOGETHER = 2 };
static const size_t wbuf_floats = (size_t)TOGETHER * NC_PANELS * GEMM_NR *
				  GEMM_KC;

static size_t padded(size_t m)
{
	return size_align(m, GEMM_MR);
}

static size_t block_rows(size_t m, size_t ksum, size_t nout)
{
	size_t most = nout == 1 ? GEMM_ONE_FLOATS : X_FLOATS;
	size_t rows = most / size_max(ksum, 1) / MC * MC;

	return size_min(padded(m), size_max(rows, MC));
}

size_t gemm_space(const struct pool *pool, size_t m, size_t ksum, size_t nout)
{
	size_t most = nout == 1 ? GEMM_ONE_FLOATS :
				  size_max(X_FLOATS, MC * ksum);
	size_t x = size_min(padded(m) * ksum, most);
	size_t w = pool_lanes(pool) * wbuf_floats;

	return (size_align(x, 16) + w) * sizeof(float);
}

static size_t find_x(struct job *job, const struct gemm_term *t)
{
	size_t i;

	for (i = 0; i < job->nx; i++)
		if (job->xs[i].x == t->x && job->xs[i].stride == t->stride &&
		    job->xs[i].k == t->k && job->xs[i].compute == t->compute)
			return i;
	job->xs[job->nx++] = (struct packed){ t->x, t->stride, t->k,
					      t->compute, 0, NULL };
	for (size_t o = 0; o < job->nout; o++)
		job->xs[i].late |= job->out[o].early && job->out[o].y == t->x;
	return i;
}

/* Every X once, though several terms use it; returns their columns. */
static size_t collect_x(struct job *job)
{
	size_t ksum = 0;

	for (size_t o = 0; o < job->nout; o++)
		for (size_t t = 0; t < job->out[o].nterm; t++)
			job->which[o][t] = (unsigned char)
				find_x(job, &job->out[o].term[t]);
	for (size_t i = 0; i < job->nx; i++)
		ksum += gemm_columns(job->xs[i].k, job->xs[i].compute);
	return ksum;
}

/* A block of k of an X, packed, and what works on it. */
struct block {
	gemm_pack_x_fn *pack_x;
	gemm_block_fn *multiply;
	size_t k, kc;           /* in it; and counted as its panels do */
	float *x;
};

static struct block block_of(const struct job *job, const struct packed *p,
			     size_t k)
{
	const struct kernels *f = kernels();
	size_t n = size_min(p->k - k, GEMM_KC);
	int half = p->compute == GEMM_BF16;

	return (struct block){
		half ? f->gemm_pack_x_bf16 : f->gemm_pack_x,
		half ? f->gemm_block_bf16 : f->gemm_block,
		n, gemm_columns(n, p->compute),
		p->at + padded(job->rows) * gemm_columns(k, p->compute),
	};
}

static void pack_x_task(void *ctx, size_t task, size_t lane)
{
	struct job *job = ctx;
	size_t groups = size_ceil(job->rows, PACK_ROWS);
	const struct packed *p = &job->xs[task / groups];
	size_t row = task % groups * PACK_ROWS;
	size_t n = size_min(job->rows - row, PACK_ROWS);
	const float *x = p->x + (job->row + row) * p->stride;

	(void)lane;
	if (p->late != job->late)
		return;
	for (size_t k = 0; k < p->k; k += GEMM_KC) {
		struct block b = block_of(job, p, k);

		b.pack_x(b.x + row * b.kc, x + k, p->stride, n, b.k);
	}
}

static size_t chunks(size_t n, size_t panels)
{
	return size_ceil(n, panels * GEMM_NR);
}

/* Those of an output, when it is its turn. */
static size_t out_chunks(const struct job *job, const struct gemm_output *o,
			 size_t panels)
{
	return !o->early == !job->early ? chunks(o->n, panels) : 0;
}

static size_t all_chunks(const struct job *job, size_t panels)
{
	size_t n = 0;

	for (size_t o = 0; o < job->nout; o++)
		n += out_chunks(job, &job->out[o], panels);
	return n;
}

/* What decoding a panel takes, in rows multiplied by it. */
enum { DECODE_ROWS = 8, LEAST_PART = 64 };

static size_t lane_time(const struct job *job, size_t lanes, size_t panels,
			size_t part)
{
	size_t tasks = all_chunks(job, panels) * size_ceil(job->rows, part);

	return size_ceil(tasks, lanes) * panels * (part + DECODE_ROWS);
}

static int is_dot(const struct job *job, const struct gemm_term *t)
{
	return job->rows == 1 && t->dot && t->use == GEMM_NT && t->k &&
	       t->compute == GEMM_F32;
}

/* Is nothing packed at all? */
static int all_dot(const struct job *job)
{
	for (size_t o = 0; o < job->nout; o++)
		for (size_t t = 0; t < job->out[o].nterm; t++)
			if (!is_dot(job, &job->out[o].term[t]))
				return 0;
	return 1;
}

/* Narrower chunks than the widest, and fewer rows than all, only where that
 * spares a sixteenth of the time: wide ones read memory in longer runs. */
static void choose_tasks(struct job *job, size_t lanes)
{
	size_t least = SIZE_MAX, rows = padded(job->rows), part = rows;

	if (all_dot(job)) { /* a lane has columns that lie together */
		job->part = rows;
		job->panels = size_max(size_ceil(all_chunks(job, 1), lanes), 1);
		return;
	}
	for (size_t n = 1; n == 1 || (n <= lanes && part > LEAST_PART); n++) {
		part = padded(size_ceil(rows, n));
		for (size_t p = NC_PANELS; p > 0; p--) {
			size_t time = lane_time(job, lanes, p, part);

			if (time >= least - least / 16)
				continue;
			least = time;
			job->panels = p;
			job->part = part;
		}
	}
}

static void zero(float *y, size_t stride, size_t m, size_t n)
{
	for (size_t i = 0; i < m; i++, y += stride)
		for (size_t j = 0; j < n; j++)
			y[j] = 0;
}

/* What a task writes: rows of the block at hand, columns of an output. */
struct area {
	const struct gemm_output *out;
	size_t i0, i1, n0, n1;
};

static float *corner(const struct job *job, const struct area *a, size_t i)
{
	return a->out->y + (job->row + i) * a->out->stride + a->n0;
}

/* Blocks of k whose panels of W are decoded. */
struct ready {
	struct {
		struct block b;
		const float *w;
		int first;
	} at[2 * TOGETHER];
	size_t n;
	float *w, *end;         /* room for more */
};

/* A few rows of y at a time, for all of them: y stays in L2. */
static void multiply(const struct job *job, const struct area *a,
		     struct ready *r, float *w)
{
	for (size_t i = a->i0; i < a->i1; i += MC)
		for (size_t s = 0; s < r->n; s++) {
			const struct block *b = &r->at[s].b;

			b->multiply(corner(job, a, i), a->out->stride,
				    size_min(a->i1 - i, MC), a->n1 - a->n0,
				    b->x + i * b->kc, r->at[s].w, b->kc,
				    r->at[s].first);
		}
	r->n = 0;
	r->w = w;
}

/* The block of k of one term that begins at k; w is room for panels. */
static void decode(const struct job *job, const struct gemm_term *t,
		   const struct packed *p, const struct area *a, size_t k,
		   struct ready *r, float *w, int first)
{
	struct block b = block_of(job, p, k);
	size_t panels = chunks(a->n1 - a->n0, 1);
	size_t floats = panels * GEMM_NR * b.k;

	if (r->n == NELEM(r->at) || floats > (size_t)(r->end - r->w))
		multiply(job, a, r, w);
	t->pack(t->w, r->w, t->k0 + k, t->k0 + k + b.k, a->n0, a->n1, t->use);
	if (t->compute == GEMM_BF16)
		kernels()->gemm_pair_w(r->w, panels, b.k);
	r->at[r->n].b = b;
	r->at[r->n].w = r->w;
	r->at[r->n++].first = first;
	r->w += size_align(floats, 16);
}

static struct area area_of(const struct job *job, size_t task)
{
	size_t parts = size_ceil(job->rows, job->part);
	size_t chunk = task / parts, wide = job->panels * GEMM_NR;
	struct area a = { .out = job->out, .i0 = task % parts * job->part };

	for (; chunk >= out_chunks(job, a.out, job->panels); a.out++)
		chunk -= out_chunks(job, a.out, job->panels);
	a.i1 = size_min(a.i0 + job->part, job->rows);
	a.n0 = chunk * wide;
	a.n1 = size_min(a.n0 + wide, a.out->n);
	return a;
}

static void scale(float *y, size_t stride, size_t m, size_t n, float by)
{
	for (size_t i = 0; i < m; i++, y += stride)
		for (size_t j = 0; j < n; j++)
			y[j] *= by;
}

static void run_area(const struct job *job, const struct area *a, float *w)
{
	int first = !a->out->add;
	struct ready r = { .w = w, .end = w + wbuf_floats };

	for (size_t t = 0; t < a->out->nterm; t++) {
		const struct gemm_term *term = &a->out->term[t];
		const struct packed *p =
			&job->xs[job->which[a->out - job->out][t]];

		if (is_dot(job, term)) {
			multiply(job, a, &r, w);
			term->dot(term->w, corner(job, a, 0),
				  term->x + job->row * term->stride, a->n0,
				  a->n1, first);
			first = 0;
			continue;
		}
		for (size_t k = 0; k < term->k; k += GEMM_KC) {
			decode(job, term, p, a, k, &r, w, first);
			first = 0;
		}
	}
	multiply(job, a, &r, w);
	if (first)
		zero(corner(job, a, a->i0), a->out->stride, a->i1 - a->i0,
		     a->n1 - a->n0);
	if (job->early)
		scale(corner(job, a, a->i0), a->out->stride, a->i1 - a->i0,
		      a->n1 - a->n0, a->out->scale);
}

/* Few rows: a panel is read once, and should still be near. */
static void area_task(void *ctx, size_t task, size_t lane)
{
	const struct job *job = ctx;
	float *w = job->wbuf + lane * wbuf_floats;
	struct area all = area_of(job, task), a = all;
	size_t wide = job->rows > GEMM_MR || (all.out->nterm &&
					      is_dot(job, all.out->term)) ?
			      all.n1 - all.n0 : GEMM_NR;

	for (; a.n0 < all.n1; a.n0 += wide) {
		a.n1 = size_min(a.n0 + wide, all.n1);
		run_area(job, &a, w);
	}
}

static void lay_out(struct job *job, float *space, size_t ksum)
{
	size_t rows = padded(job->rows);
	float *at = space;

	for (size_t i = 0; i < job->nx; i++) {
		job->xs[i].at = at;
		at += rows * gemm_columns(job->xs[i].k, job->xs[i].compute);
	}
	job->wbuf = space + size_align(rows * ksum, 16);
}

/* The early outputs of the rows at hand, or the others, and first the X that
 * were not there before. */
static void run_turn(struct job *job, struct pool *pool, int early, int late)
{
	job->early = early;
	job->late = late;
	choose_tasks(job, pool_lanes(pool));
	if (!all_dot(job))
		pool_run(job->rows > GEMM_MR ? pool : NULL,
			 job->nx * size_ceil(job->rows, PACK_ROWS),
			 pack_x_task, job);
	pool_run(pool, all_chunks(job, job->panels) *
		       size_ceil(job->rows, job->part), area_task, job);
}

void gemm_rows(struct pool *pool, void *space, size_t m,
	       const struct gemm_output *out, size_t nout)
{
	struct job job = { .out = out, .nout = nout };
	size_t ksum = collect_x(&job), most = block_rows(m, ksum, nout);
	int early = 0;

	for (size_t o = 0; o < nout; o++)
		early |= out[o].early;
	for (; job.row < m; job.row += job.rows) {
		job.rows = size_min(m - job.row, most);
		lay_out(&job, space, ksum);
		if (early)
			run_turn(&job, pool, 1, 0);
		run_turn(&job, pool, 0, early);
	}
}
