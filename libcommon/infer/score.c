#include "infer/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/os.h"
#include "base/size.h"
#include "infer/infer_pages.h"
#include "kernel/kernels.h"
#include "kernel/table.h"

struct scorer {
	struct program *program;
	struct pool *pool;
	struct kv_cache *kv;
	struct feed feed;
	struct arena arena;
	struct mat x, logits;   /* (SCORER_ROWS, hidden), (.., vocab) */
	size_t row[SCORER_ROWS]; /* token that a row of them belongs to */
	double *nll;            /* (tokens) */
	struct infer_pages *pages;
	int strange;            /* the last run gave what is no number */
};

static size_t room_bytes(const struct program *p,
			 const struct scorer_need *need)
{
	size_t total = 0;

	arena_plan(&total, SCORER_ROWS * program_hidden(p) * sizeof(float));
	arena_plan(&total, SCORER_ROWS * program_vocab(p) * sizeof(float));
	arena_plan(&total, feed_room(p, need->tokens, need->sequences) *
				   sizeof(double));
	return total;
}

static int take_room(struct scorer *s, const struct scorer_need *need)
{
	size_t hidden = program_hidden(s->program);
	size_t vocab = program_vocab(s->program);

	TRY(arena_init(&s->arena, room_bytes(s->program, need)));
	s->x = mat_of(arena_get(&s->arena, SCORER_ROWS * hidden *
				sizeof(float)), SCORER_ROWS, hidden);
	s->logits = mat_of(arena_get(&s->arena, SCORER_ROWS * vocab *
				     sizeof(float)), SCORER_ROWS, vocab);
	s->nll = arena_get(&s->arena, feed_room(s->program, need->tokens,
						need->sequences) *
				      sizeof(double));
	return feed_init(&s->feed, s->program, need->tokens, need->sequences);
}

/* Tokens of a cached sequence. */
static size_t cache_room(const struct scorer *s,
			 const struct scorer_need *need)
{
	return need->cache_tokens ?
	       feed_room(s->program, need->cache_tokens, 1) : 0;
}

/* What is to come beside the pages of a base. Of many slots most stay empty,
 * and what is not touched takes nothing of what is free. */
static uint64_t to_come(const struct scorer *s,
			const struct program_need *plan,
			const struct scorer_need *need)
{
	struct bytes_plan bytes;
	uint64_t all;

	program_cost(s->program, s->pool, plan, &bytes);
	all = bytes.by[BYTES_ACTIVATIONS] + bytes.by[BYTES_WORKSPACE] +
	      room_bytes(s->program, need);
	if (need->memory || need->slots == 1)
		all += size_min(kv_cache_bytes(s->program, need->slots,
					       cache_room(s, need)),
				SIZE_MAX / 2);
	return all;
}

/* A budget bounds all that the process has, adapters and data too; without one,
 * there is what it has and what is free. */
static int check_fit(struct scorer *s, const struct program_need *plan,
		     const struct scorer_need *need)
{
	uint64_t most = need->memory ? need->memory : os_memory_free(), least;
	uint64_t all = infer_pages_beside(&s->program, 1);

	if (most && !need->memory)
		most += os_memory_used();
	all += to_come(s, plan, need);
	TRY(infer_pages_least(&least, s->program));
	if (most && all + least > most)
		return err_set(E_NOMEM, "the least plan takes %llu MiB, there "
			       "are %llu; fewer tokens take less",
			       (unsigned long long)size_mib(all + least),
			       (unsigned long long)(most >> 20));
	return infer_pages_new(&s->pages, s->program, s->pool,
			       most ? most - all : UINT64_MAX);
}

static int prepare(struct scorer *s, const struct scorer_need *need)
{
	struct program_need plan = {
		.tokens = feed_room(s->program, need->tokens,
				    need->sequences),
		.sequences = need->sequences,
		.rows = SCORER_ROWS,
	};

	TRY(check_fit(s, &plan, need));
	TRY(program_plan(s->program, s->pool, &plan));
	TRY(take_room(s, need));
	if (need->cache_tokens)
		TRY(kv_cache_new(&s->kv, s->program, need->slots,
				 cache_room(s, need)));
	feed_clear(&s->feed, s->kv);
	return 0;
}

int scorer_new(struct scorer **out, struct program *p, struct pool *pool,
	       const struct scorer_need *need)
{
	struct scorer *s = calloc(1, sizeof(*s));
	int err;

	*out = NULL;
	if (!s)
		return err_set(E_NOMEM, "out of memory");
	s->program = p;
	s->pool = pool;
	err = prepare(s, need);
	if (err) {
		scorer_free(s);
		return err;
	}
	*out = s;
	return 0;
}

void scorer_free(struct scorer *s)
{
	if (!s)
		return;
	infer_pages_free(s->pages);
	program_unplan(s->program);
	kv_cache_free(s->kv);
	feed_release(&s->feed);
	arena_release(&s->arena);
	free(s);
}

struct feed *scorer_feed(struct scorer *s)
{
	return &s->feed;
}

struct kv_cache *scorer_cache(struct scorer *s)
{
	return s->kv;
}

size_t scorer_room(const struct scorer *s)
{
	return feed_room(s->program, s->feed.tokens, s->feed.sequences);
}

struct program *scorer_program(struct scorer *s)
{
	return s->program;
}

int scorer_failed(const struct scorer *s)
{
	TRY(program_failed(s->program));
	return s->strange ? err_set(E_DATA, "the model computes what is no "
				    "number: it, or an adapter, holds such, "
				    "or too large ones") : 0;
}

/* ---- losses ---- */

struct row_job {
	struct scorer *s;
	double *nll;
	unsigned char *hit;
};

static size_t largest(const float *x, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++)
		if (x[i] > x[best])
			best = i;
	return best;
}

static void score_row(void *ctx, size_t i, size_t lane)
{
	const struct row_job *j = ctx;
	const float *logits = mat_row(j->s->logits, i);
	size_t token = j->s->row[i], n = j->s->logits.cols;
	size_t target = (size_t)j->s->feed.target[token];

	(void)lane;
	j->nll[token] = kernels()->cross_entropy(logits, n, target);
	if (j->hit)
		j->hit[token] = largest(logits, n) == target;
}

/* Logits of the first n gathered rows, in s->logits. */
static void run_rows(struct scorer *s, size_t n)
{
	program_logits(s->program, mat_rows(s->x, 0, n),
		       mat_rows(s->logits, 0, n));
}

static void gather(struct scorer *s, struct mat last, size_t row, size_t token)
{
	s->row[row] = token;
	memcpy(mat_row(s->x, row), mat_row(last, token),
	       last.cols * sizeof(float));
}

void scorer_run(struct scorer *s, double *nll, unsigned char *hit)
{
	struct mat last = program_forward(s->program, &s->feed.pass);
	struct row_job job = { s, nll, hit };
	size_t n = s->feed.batch.n, rows = 0;

	s->strange = 0;
	memset(nll, 0, n * sizeof(*nll));
	if (hit)
		memset(hit, 0, n);
	for (size_t i = 0; i < n; i++) {
		if (s->feed.target[i] != LABEL_NONE)
			gather(s, last, rows++, i);
		if (rows == SCORER_ROWS || (rows && i + 1 == n)) {
			run_rows(s, rows);
			pool_run(s->pool, rows, score_row, &job);
			rows = 0;
		}
	}
	for (size_t i = 0; i < n; i++)
		s->strange |= !isfinite(nll[i]);
}

struct mat scorer_last(struct scorer *s)
{
	struct mat last = program_forward(s->program, &s->feed.pass);
	const struct batch *b = &s->feed.batch;

	for (size_t i = 0; i < b->nseq; i++)
		gather(s, last, i, b->start[i + 1] - 1);
	run_rows(s, b->nseq);
	s->strange = 0;
	for (size_t i = 0; i < b->nseq; i++)
		/* In f64 squares of finite f32 do not overflow. */
		s->strange |= !isfinite(kernels()->sum_squares(
			mat_row(s->logits, i), s->logits.cols));
	return mat_rows(s->logits, 0, b->nseq);
}

/* ---- samples ---- */

static int check_sample(const struct scorer *s, const struct samples *data,
			size_t i)
{
	size_t n = data->start[i + 1] - data->start[i];
	size_t vocab = program_vocab(s->program);

	if (n > s->feed.tokens)
		return err_set(E_DATA, "sample %zu: %zu tokens, room for %zu",
			       i + 1, n, s->feed.tokens);
	if (n > program_longest(s->program))
		return err_set(E_DATA, "sample %zu: %zu tokens, the model has "
			       "positions for %zu", i + 1, n,
			       program_longest(s->program));
	for (size_t t = data->start[i]; t < data->start[i + 1]; t++)
		if (data->id[t] >= vocab || data->label[t] >= (int64_t)vocab)
			return err_set(E_DATA, "sample %zu: token %u, the "
				       "vocabulary has %zu", i + 1,
				       data->id[t], vocab);
	return 0;
}

/* The loss stands at the token before: moves it to its own. That of the first
 * stands at the last virtual token, if any predicts it. */
static void move_losses(const struct scorer *s, double *nll, size_t n,
			size_t sequence)
{
	int has_front = s->nll + s->feed.start[sequence] < nll;
	double first = has_front ? nll[-1] : 0;

	memmove(nll + 1, nll, (n - 1) * sizeof(*nll));
	nll[0] = first;
}

/* Runs the batch, whose first sequence is sample first. */
static int flush(struct scorer *s, const struct samples *data, size_t first,
		 score_fn *fn, void *ctx)
{
	const struct batch *b = &s->feed.batch;
	int err = 0;

	if (!b->nseq)
		return 0;
	scorer_run(s, s->nll, NULL);
	TRY(scorer_failed(s));
	for (size_t i = 0; i < b->nseq && !err; i++) {
		size_t n = data->start[first + i + 1] - data->start[first + i];
		double *nll = s->nll + b->start[i + 1] - n;

		move_losses(s, nll, n, i);
		err = fn(ctx, first + i, nll, n);
	}
	feed_clear(&s->feed, NULL);
	return err;
}

static void add_sample(struct scorer *s, const struct samples *data, size_t i)
{
	size_t first = data->start[i], n = data->start[i + 1] - first, at;
	const int32_t *label = data->label + first;

	s->feed.prompt = data->prompt ? data->prompt[i] : 0;
	at = feed_add(&s->feed, data->id + first, NULL, n, 0, 0);
	if (program_predicts(s->program, s->feed.prompt))
		s->feed.target[at - 1] = label[0];
	for (size_t t = 0; t + 1 < n; t++)
		s->feed.target[at + t] = label[t + 1];
}

int score_samples(struct scorer *s, const struct samples *data, score_fn *fn,
		  void *ctx)
{
	size_t first = 0;

	feed_clear(&s->feed, NULL);
	for (size_t i = 0; i < data->n; i++) {
		size_t n = data->start[i + 1] - data->start[i];

		TRY(check_sample(s, data, i));
		if (!n)
			return err_set(E_DATA, "sample %zu is empty", i + 1);
		if (!feed_fits(&s->feed, n)) {
			TRY(flush(s, data, first, fn, ctx));
			first = i;
		}
		add_sample(s, data, i);
	}
	return flush(s, data, first, fn, ctx);
}
