/*
 * infer [-j N] [-n TURNS] base.st ... - how fast a model reads and writes
 *
 * A prompt of 512 tokens, then 64 tokens, one by one: tokens a second, the best
 * and the median of the turns; and the weights that writing reads a second.
 */
#include <string.h>

#include "formats/inputs.h"
#include "infer/model.h"
#include "infer/speed.h"
#include "tests/bench/bench.h"

static void measure(struct model *m, struct pool *pool, size_t turns)
{
	struct speed s;

	if (speed_measure(&s, m->program, pool, turns, 0))
		fail("infer");
	printf(" prompt %.1f %.1f decode %.1f %.1f weights %.2f G/s\n",
	       s.prompt.best, s.prompt.median, s.decode.best, s.decode.median,
	       s.decode.best * program_flops(m->program) / 2e9);
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
			turns = size_min(size_max(strtoul(at[1], NULL, 10), 1),
					 SPEED_TURNS);
	if (pool_new(&pool, lanes))
		fail("threads");
	for (; *at; at++) {
		char *operand[] = { *at, NULL };
		struct collection in = { 0 };
		struct model m = { 0 };

		if (inputs_collect(&in, operand, NULL, 0, NULL) ||
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
