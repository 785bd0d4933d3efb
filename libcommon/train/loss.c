#include "train/loss.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "data/pack.h"
#include "kernel/cross_entropy.h"
#include "kernel/table.h"

enum { LOGITS = 13 << 20, ROWS = 256 }; /* floats; rows at most */

size_t loss_rows(size_t vocab)
{
	size_t rows = LOGITS / size_max(vocab, 1) / 4 * 4;

	return size_max(size_min(rows, ROWS), 4);
}

enum { X, DX, LOGIT_ROWS, DLAST, AT, TARGET, NLL, PARTS };

static void sizes(size_t bytes[PARTS], const struct program *p,
		  const struct program_need *need)
{
	size_t hidden = program_hidden(p) * sizeof(float);
	size_t vocab = program_vocab(p) * sizeof(float);
	size_t n = need->rows;

	bytes[X] = n * hidden;
	bytes[DX] = need->train ? n * hidden : 0;
	bytes[LOGIT_ROWS] = n * vocab;
	bytes[DLAST] = need->train ? need->tokens * hidden : 0;
	bytes[AT] = n * sizeof(size_t);
	bytes[TARGET] = n * sizeof(int32_t);
	bytes[NLL] = n * sizeof(double);
}

size_t loss_bytes(const struct program *p, const struct program_need *need)
{
	size_t bytes[PARTS], total = 0;

	sizes(bytes, p, need);
	for (size_t i = 0; i < PARTS; i++)
		arena_plan(&total, bytes[i]);
	return total;
}

int loss_init(struct loss *l, struct program *p, struct pool *pool,
	      const struct program_need *need)
{
	size_t hidden = program_hidden(p), vocab = program_vocab(p);
	size_t tokens = need->train ? need->tokens : 0;
	size_t bytes[PARTS];
	void *part[PARTS];

	memset(l, 0, sizeof(*l));
	l->program = p;
	l->pool = pool;
	l->rows = need->rows;
	TRY(arena_init(&l->memory, loss_bytes(p, need)));
	sizes(bytes, p, need);
	for (size_t i = 0; i < PARTS; i++)
		part[i] = arena_get(&l->memory, bytes[i]);
	l->x = mat_of(part[X], l->rows, hidden);
	l->dx = mat_of(part[DX], need->train ? l->rows : 0, hidden);
	l->logits = mat_of(part[LOGIT_ROWS], l->rows, vocab);
	l->dlast = mat_of(part[DLAST], tokens, hidden);
	l->at = part[AT];
	l->target = part[TARGET];
	l->nll = part[NLL];
	return 0;
}

void loss_release(struct loss *l)
{
	arena_release(&l->memory);
	memset(l, 0, sizeof(*l));
}

struct job {
	struct loss *l;
	int train;
};

static void row_task(void *ctx, size_t i, size_t lane)
{
	const struct job *job = ctx;
	struct loss *l = job->l;
	float *logits = mat_row(l->logits, i);
	size_t n = l->logits.cols, target = (size_t)l->target[i];

	(void)lane;
	l->nll[i] = job->train ?
		kernels()->cross_entropy_backward(logits, n, target, 1) :
		kernels()->cross_entropy(logits, n, target);
}

/* The next rows of last that have a target, at most so many, from position *t
 * on. */
static size_t gather(struct loss *l, const struct batch *b, struct mat last,
		     size_t *t, size_t most)
{
	size_t n = 0;

	for (; *t < b->n && n < most; ++*t)
		if (b->target[*t] != LABEL_NONE) {
			memcpy(mat_row(l->x, n), mat_row(last, *t),
			       last.cols * sizeof(float));
			l->at[n] = *t;
			l->target[n++] = b->target[*t];
		}
	return n;
}

static void backward(struct loss *l, size_t n)
{
	struct mat dx = mat_rows(l->dx, 0, n);

	program_logits_backward(l->program, mat_rows(l->x, 0, n),
				mat_rows(l->logits, 0, n), dx);
	for (size_t i = 0; i < n; i++)
		memcpy(mat_row(l->dlast, l->at[i]), mat_row(dx, i),
		       dx.cols * sizeof(float));
}

static size_t sequence_of(const struct batch *b, size_t t)
{
	size_t seq = 0;

	while (b->start[seq + 1] <= t)
		seq++;
	return seq;
}

void loss_run(struct loss *l, const struct batch *b, struct mat last,
	      int train, double *sum, size_t *bad)
{
	/* The head is read and decoded in each turn, however few its rows. */
	size_t most = pack_turn(b->ntarget, l->rows);
	struct job job = { l, train };

	*bad = SIZE_MAX;
	if (train)
		memset(l->dlast.at, 0,
		       b->n * l->dlast.stride * sizeof(float));
	for (size_t t = 0, n; (n = gather(l, b, last, &t, most));) {
		program_logits(l->program, mat_rows(l->x, 0, n),
			       mat_rows(l->logits, 0, n));
		pool_run(l->pool, n, row_task, &job);
		for (size_t i = 0; i < n; i++) {
			*sum += l->nll[i];
			if (*bad == SIZE_MAX && !isfinite(l->nll[i]))
				*bad = sequence_of(b, l->at[i]);
		}
		if (train)
			backward(l, n);
	}
}
