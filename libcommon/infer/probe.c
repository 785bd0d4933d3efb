#include "infer/probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"

static struct probe_state state_of(struct mat x)
{
	struct probe_state s = { 0 };
	double sum = 0;

	for (size_t i = 0; i < x.rows; i++)
		for (size_t j = 0; j < x.cols; j++)
			sum += (double)mat_row(x, i)[j] * mat_row(x, i)[j];
	s.rms = sqrt(sum / ((double)x.rows * (double)x.cols));
	memcpy(s.value, mat_row(x, x.rows - 1),
	       size_min(PROBE_VALUES, x.cols) * sizeof(*s.value));
	return s;
}

/* Is logit a before b? The lower token where they are equal. */
static void top_add(struct probe *r, size_t token, float logit)
{
	size_t i = r->ntop;

	while (i && logit > r->logit[i - 1])
		i--;
	if (i == PROBE_TOP)
		return;
	r->ntop += r->ntop < PROBE_TOP;
	for (size_t k = r->ntop - 1; k > i; k--) {
		r->top[k] = r->top[k - 1];
		r->logit[k] = r->logit[k - 1];
	}
	r->top[i] = token;
	r->logit[i] = logit;
}

static int read_logits(struct probe *r, struct mat logits)
{
	const float *last = mat_row(logits, logits.rows - 1);
	struct digest *d;
	unsigned char sum[DIGEST_SIZE];
	double rest = 0;

	for (size_t i = 0; i < logits.rows * logits.cols; i++)
		if (!isfinite(logits.at[i]))
			return err_set(E_DATA, "the logit of token %zu at "
				       "position %zu is not finite",
				       i % logits.cols, i / logits.cols);
	for (size_t i = 0; i < logits.cols; i++)
		top_add(r, i, last[i]);
	for (size_t i = 0; i < logits.cols; i++)
		rest += math_exp64((double)last[i] - r->logit[0]);
	r->logsumexp = r->logit[0] + math_log64(rest);
	TRY(digest_new(&d));
	digest_add(d, logits.at,
		   logits.rows * logits.cols * sizeof(*logits.at));
	digest_get_128(d, sum);
	digest_free(d);
	digest_hex(r->digest, sum);
	return 0;
}

static int run(struct probe *r, struct program *p, struct mat logits)
{
	uint32_t pos[PROBE_TOKENS];
	int32_t target[PROBE_TOKENS] = { 0 };
	size_t start[2] = { 0, r->ntoken };
	uint64_t sample = 0;
	struct batch b = { .n = r->ntoken, .nseq = 1, .id = r->token,
			   .pos = pos, .start = start, .sample = &sample,
			   .target = target };
	struct program_pass pass = { .batch = &b };
	struct mat x;

	for (uint32_t i = 0; i < r->ntoken; i++)
		pos[i] = i;
	x = program_forward(p, &pass);
	r->norm = state_of(x);
	for (size_t i = 0; i < r->nlayer; i++)
		r->layer[i] = state_of(program_state(p, i));
	program_logits(p, x, logits);
	return read_logits(r, logits);
}

int probe_run(struct probe *r, struct program *p, struct pool *pool)
{
	struct program_need need = { .sequences = 1 };
	size_t vocab = program_vocab(p);
	float *logits;
	int err;

	*r = (struct probe){ .nlayer = program_layers(p) };
	if (program_nprompt(p))
		return err_set(E_CONFIG, "a soft prompt stands before no token "
			       "here; check the base without it");
	r->ntoken = need.tokens = need.rows =
		size_min(PROBE_TOKENS, program_longest(p));
	for (size_t i = 0; i < r->ntoken; i++)
		r->token[i] = (uint32_t)((1 + 7919 * i) % vocab);
	program_keep_states(p);
	TRY(program_plan(p, pool, &need));
	r->layer = calloc(r->nlayer, sizeof(*r->layer));
	logits = calloc(r->ntoken * vocab, sizeof(*logits));
	err = r->layer && logits ?
	      run(r, p, mat_of(logits, r->ntoken, vocab)) :
	      err_set(E_NOMEM, "out of memory");
	free(logits);
	return err;
}

void probe_release(struct probe *r)
{
	free(r->layer);
	r->layer = NULL;
}
