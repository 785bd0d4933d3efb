/* peak [-j N] - GFLOP/s of fused multiply-adds, the best in a second */
#include <string.h>

#include "tests/bench/bench.h"

int main(int argc, char **argv)
{
	size_t lanes = argc > 2 ? strtoul(argv[2], NULL, 10) : 2;
	double best = 0, end = os_seconds() + 1;
	struct pool *pool;

	if (pool_new(&pool, lanes))
		fail("threads");
	do {
		double p = peak(pool);

		best = p > best ? p : best;
	} while (os_seconds() < end);
	printf("%.1f\n", best);
	pool_free(pool);
	return 0;
}
