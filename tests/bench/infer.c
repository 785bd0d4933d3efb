/*
 * infer [-j N] [-n TURNS] base.st ... - how fast a model reads and writes
 *
 * A prompt of 512 tokens, then 64 tokens, one by one: tokens a second, the best
 * and the median of the turns; and the weights that writing reads a second.
 */
#include <string.h>

#include "formats/inputs.h"
#include "infer/decode.h"
#include "infer/model.h"
#include "tests/bench/bench.h"

enum { PROMPT = 512, WRITTEN = 64, TURNS = 32 };

struct clock {
	double first, last;     /* a token was there */
	size_t n;
};

static int on_token(void *ctx, uint32_t id, int is_stop)
{
	struct clock *c = ctx;

	(void)id;
	(void)is_stop;
	c->last = os_seconds();
	if (!c->n++)
		c->first = c->last;
	return 0;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(const char *what, double *rate, size_t n)
{
	qsort(rate, n, sizeof(*rate), by_size);
	printf(" %s %.1f %.1f", what, rate[n - 1], rate[n / 2]);
}

static void measure(struct model *m, struct pool *pool, size_t turns)
{
	struct scorer_need room = { .tokens = PROMPT, .sequences = 1,
				    .cache_tokens = PROMPT + WRITTEN,
				    .slots = 1 };
	struct decode_need need = { .most = WRITTEN };
	struct sampling greedy = { .top_p = 1, .repetition_penalty = 1 };
	double in[TURNS], out[TURNS];
	struct sampler *sampler;
	struct scorer *scorer;
	uint32_t id[PROMPT];

	for (size_t i = 0; i < PROMPT; i++)
		id[i] = (uint32_t)(3 + i * 7919 %
				   (program_vocab(m->program) - 3));
	if (sampler_new(&sampler, &greedy, program_vocab(m->program)) ||
	    scorer_new(&scorer, m->program, pool, &room))
		fail("infer");
	for (size_t t = 0; t < turns; t++) {
		struct clock c = { 0 };
		double start = os_seconds();

		if (decode(scorer, sampler, id, PROMPT, &need, on_token, &c))
			fail("infer");
		in[t] = PROMPT / (c.first - start);
		out[t] = (WRITTEN - 1) / (c.last - c.first);
	}
	print("prompt", in, turns);
	print("decode", out, turns);
	printf(" weights %.2f G/s\n",
	       out[turns - 1] * program_flops(m->program) / 2e9);
	scorer_free(scorer);
	sampler_free(sampler);
}

int main(int argc, char **argv)
{
	size_t lanes = 2, turns = 5;
	struct pool *pool;
	char **at = argv + 1;

	(void)argc;
	for (; *at && **at == '-' && at[1]; at += 2)
		if (!strcmp(*at, "-j"))
			lanes = strtoul(at[1], NULL, 10);
		else
			turns = size_min(strtoul(at[1], NULL, 10), TURNS);
	if (pool_new(&pool, lanes))
		fail("threads");
	for (; *at; at++) {
		char *operand[] = { *at, NULL };
		struct collection in = { 0 };
		struct model m = { 0 };

		if (inputs_collect(&in, operand, NULL, 0) ||
		    model_open(&m, &in.base.tensors, NULL, NULL))
			fail(*at);
		printf("%s -j%zu", *at, lanes);
		measure(&m, pool, turns);
		model_release(&m);
		collection_release(&in);
	}
	pool_free(pool);
	return 0;
}
