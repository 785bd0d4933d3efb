#include "infer/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "base/os.h"
#include "base/rng.h"
#include "base/size.h"
#include "infer/feed.h"
#include "infer/infer_pages.h"

enum { ROWS = 32 };

/* What one position adds. */
struct row_sums {
	double most, largest, square, scale, kl;
	int agree;
};

struct job {
	struct program *program[2];
	struct infer_pages *pages[2];
	struct pool *pool;
	struct compare_front front;
	struct feed feed[2];
	uint32_t *twin;         /* the first one's ids for the second */
	struct mat last[2], logits[2];  /* logits (ROWS, vocab) */
	size_t vocab;           /* columns of them that are compared */
	struct row_sums row[ROWS];
	struct comparison sum;
};

struct top {
	size_t at;
	double mean, log_sum;   /* log of the sum of exp */
};

static struct top find_top(const float *x, size_t n)
{
	struct top t = { 0 };
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		t.mean += (double)x[i];
		if (x[i] > x[t.at])
			t.at = i;
	}
	for (size_t i = 0; i < n; i++)
		sum += (double)math_exp(x[i] - x[t.at]);
	t.mean /= (double)n;
	t.log_sum = (double)x[t.at] + math_log64(sum);
	return t;
}

static void compare_row(void *ctx, size_t i, size_t lane)
{
	struct job *j = ctx;
	size_t n = j->vocab;
	const float *a = mat_row(j->logits[0], i);
	const float *b = mat_row(j->logits[1], i);
	struct top ta = find_top(a, n), tb = find_top(b, n);
	struct row_sums s = { .agree = ta.at == tb.at };

	(void)lane;
	for (size_t k = 0; k < n; k++) {
		double d = (double)b[k] - (double)a[k];
		double logp = (double)a[k] - ta.log_sum;
		double from_mean = (double)a[k] - ta.mean;

		/* NaN stays to be seen: it compares false. */
		s.most = fabs(d) <= s.most ? s.most : fabs(d);
		s.largest = fmax(s.largest, fabs((double)a[k]));
		s.square += d * d;
		s.scale += from_mean * from_mean;
		s.kl += (double)math_exp((float)logp) *
			(logp - ((double)b[k] - tb.log_sum));
	}
	j->row[i] = s;
}

static void add_rows(struct job *j, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row_sums *s = &j->row[i];
		double share = s->most > 0 ? s->most / s->largest : 0;

		j->sum.relative = fmax(j->sum.relative, share);
		j->sum.most = s->most <= j->sum.most ? j->sum.most : s->most;
		j->sum.rms += s->square;
		j->sum.agree += s->agree;
		j->sum.kl += s->kl;
	}
}

/* The sum of the logits' scales goes beside, for compare_models(). */
static double run_sequence(struct job *j)
{
	size_t n = j->feed[0].batch.n;
	double scale = 0;

	for (int m = 0; m < 2; m++)
		j->last[m] = program_forward(j->program[m], &j->feed[m].pass);
	for (size_t first = 0; first < n; first += ROWS) {
		size_t rows = size_min(ROWS, n - first);

		for (int m = 0; m < 2; m++)
			program_logits(j->program[m],
				       mat_rows(j->last[m], first, rows),
				       mat_rows(j->logits[m], 0, rows));
		pool_run(j->pool, rows, compare_row, j);
		add_rows(j, rows);
		for (size_t i = 0; i < rows; i++)
			scale += j->row[i].scale;
	}
	return scale;
}

/* One sequence for both; the second has tokens where the first has virtual
 * ones. */
static void fill(struct job *j, const uint32_t *id, size_t n)
{
	const struct batch *b = &j->feed[0].batch;

	for (int m = 0; m < 2; m++)
		feed_clear(&j->feed[m], NULL);
	feed_add(&j->feed[0], id, NULL, n, 0, 0);
	for (size_t i = 0; i < b->n; i++)
		j->twin[i] = virtual_is(b->id[i]) ?
			     (uint32_t)(j->front.first +
					virtual_row(b->id[i])) : b->id[i];
	feed_add(&j->feed[1], j->twin, NULL, b->n, 0, 0);
}

static int check_tokens(const struct job *j, const uint32_t *id, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (id[i] >= j->vocab)
			return err_set(E_DATA, "token %u, the vocabulary has "
				       "%zu", id[i], j->vocab);
	return 0;
}

static int run_all(struct job *j, const struct samples *data, size_t tokens)
{
	double scale = 0;
	size_t n, rows = 0;

	for (size_t i = 0; i < data->n && j->sum.tokens < tokens; i++) {
		size_t at = data->start[i], end = data->start[i + 1];

		for (; at < end && j->sum.tokens < tokens; at += n) {
			n = size_min(size_min(end - at, COMPARE_LENGTH),
				     tokens - j->sum.tokens);
			n = size_min(n, program_longest(j->program[0]));
			TRY(check_tokens(j, data->id + at, n));
			fill(j, data->id + at, n);
			scale += run_sequence(j);
			rows += j->feed[0].batch.n;
			j->sum.tokens += n;
		}
	}
	if (!rows)
		return err_set(E_DATA, "no tokens to compare on");
	j->sum.rms = sqrt(j->sum.rms / scale);
	j->sum.kl /= (double)rows;
	j->sum.agree /= (double)rows;
	if (!isfinite(j->sum.most) || !isfinite(j->sum.rms))
		return err_set(E_DATA, "a model's logits are not finite");
	return 0;
}

/* Tokens that stand for virtual ones are behind those that both know. */
static int check_vocabularies(struct job *j)
{
	size_t a = program_vocab(j->program[0]);
	size_t b = program_vocab(j->program[1]);

	j->vocab = j->front.n ? j->front.first : a;
	if (j->front.n ? j->vocab > a || b < j->vocab + j->front.n : a != b)
		return err_set(E_DATA, "vocabularies of %zu and %zu tokens",
			       a, b);
	return 0;
}

/* What a program will take beside its weights. */
static uint64_t to_come(const struct job *j, const struct program *p,
			const struct program_need *need)
{
	struct bytes_plan bytes;

	program_cost(p, j->pool, need, &bytes);
	return bytes.by[BYTES_ACTIVATIONS] + bytes.by[BYTES_WORKSPACE] +
	       ROWS * program_vocab(p) * sizeof(float);
}

/* Of the room for pages, each gets the least that it can do with and half of
 * what is left; or all of its pages, and the other one the rest. */
static void share_room(uint64_t room[2], const struct job *j,
		       const uint64_t least[2], uint64_t most)
{
	uint64_t half = (most - least[0] - least[1]) / 2;

	for (int m = 0; m < 2; m++)
		room[m] = least[m] + half;
	for (int m = 0; m < 2; m++) {
		uint64_t pages = infer_pages_bytes(j->program[m]);

		if (pages >= room[m])
			continue;
		room[1 - m] += room[m] - pages;
		room[m] = pages;
	}
}

/* Those that page give back what they hold before others come in. */
static int take_pages(struct job *j, const uint64_t room[2])
{
	for (int all = 0; all < 2; all++)
		for (int m = 0; m < 2; m++)
			if (all == (infer_pages_bytes(j->program[m]) <=
				    room[m]))
				TRY(infer_pages_new(&j->pages[m],
						    j->program[m], j->pool,
						    room[m]));
	return 0;
}

static int begin_pages(struct job *j, const struct program_need *need,
		       uint64_t memory)
{
	uint64_t all = infer_pages_beside(j->program, 2) +
		       to_come(j, j->program[0], need) +
		       to_come(j, j->program[1], need);
	uint64_t most = memory ? memory : os_memory_free();
	uint64_t least[2], room[2] = { UINT64_MAX, UINT64_MAX };

	if (most && !memory)
		most += os_memory_used();
	for (int m = 0; m < 2; m++)
		TRY(infer_pages_least(&least[m], j->program[m]));
	if (most && all + least[0] + least[1] > most)
		return err_set(E_NOMEM, "two models side by side take %llu MiB "
			       "at least, there are %llu", (unsigned long long)
			       size_mib(all + least[0] + least[1]),
			       (unsigned long long)(most >> 20));
	if (most)
		share_room(room, j, least, most - all);
	return take_pages(j, room);
}

static int prepare(struct job *j, uint64_t memory)
{
	struct program_need need = {
		.tokens = feed_room(j->program[0], COMPARE_LENGTH, 1),
		.sequences = 1, .rows = ROWS,
	};

	TRY(check_vocabularies(j));
	TRY(begin_pages(j, &need, memory));
	TRY(feed_init(&j->feed[0], j->program[0], COMPARE_LENGTH, 1));
	TRY(feed_init(&j->feed[1], NULL, need.tokens, 1));
	j->twin = calloc(need.tokens, sizeof(*j->twin));
	if (!j->twin)
		return err_set(E_NOMEM, "out of memory");
	for (int m = 0; m < 2; m++) {
		size_t vocab = program_vocab(j->program[m]);
		float *at = aligned_alloc(64, size_align(ROWS * vocab * 4, 64));

		if (!at)
			return err_set(E_NOMEM, "out of memory");
		j->logits[m] = mat_of(at, ROWS, vocab);
		TRY(program_plan(j->program[m], j->pool, &need));
	}
	return 0;
}

int compare_models(struct comparison *c, struct program *a, struct program *b,
		   struct compare_front front, const struct samples *data,
		   size_t tokens, uint64_t memory, struct pool *pool)
{
	struct job j = { .program = { a, b }, .pool = pool, .front = front };
	int err = prepare(&j, memory);

	if (!err)
		err = run_all(&j, data, tokens);
	for (int m = 0; m < 2; m++) {
		if (!err)
			err = program_failed(j.program[m]);
		infer_pages_free(j.pages[m]);
		free(j.logits[m].at);
	}
	*c = j.sum;
	free(j.twin);
	for (int m = 0; m < 2; m++)
		feed_release(&j.feed[m]);
	return err;
}

const char *comparison_text(char text[COMPARISON_TEXT],
			    const struct comparison *c)
{
	snprintf(text, COMPARISON_TEXT, "%zu tokens: logits differ by %.3g at "
		 "most, by %.3g of the position's largest, relative RMS %.3g, "
		 "divergence %.3g nats, same best token at %.1f %%", c->tokens,
		 c->most, c->relative, c->rms, c->kl, 100 * c->agree);
	return text;
}

int comparison_json(json_t **line, const struct comparison *c)
{
	*line = json_pack("{s:I, s:f, s:f, s:f, s:f, s:f}", "verify_tokens",
			  (json_int_t)c->tokens, "most", c->most, "relative",
			  c->relative, "rms", c->rms, "kl", c->kl, "agree",
			  c->agree);
	return *line ? 0 : err_set(E_NOMEM, "out of memory");
}

int compare_random(struct samples *data, size_t vocab, size_t tokens,
		   uint64_t seed)
{
	struct rng r = rng_of(seed, "compare");
	uint32_t id[COMPARE_LENGTH];
	int32_t label[COMPARE_LENGTH];
	uint64_t at = 0;

	while (tokens) {
		size_t n = size_min(tokens, COMPARE_LENGTH);

		for (size_t i = 0; i < n; i++) {
			id[i] = (uint32_t)rng_below(r, at++, vocab);
			label[i] = LABEL_NONE;
		}
		TRY(samples_add(data, id, label, n));
		tokens -= n;
	}
	return 0;
}
