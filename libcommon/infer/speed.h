/*
 * speed - how fast a model reads and writes
 *
 * Reading is a prompt of known length, all of whose tokens go through the
 * model together; writing goes token by token behind it, from the cache, and
 * reads every weight once for each. Both are measured several times over: the
 * best says what the code can do, the median what the machine gave. Processor
 * time, of all threads, is the number to trust on a machine that does other
 * work too.
 */
#ifndef INFER_SPEED_H
#define INFER_SPEED_H

#include "base/json.h"
#include "infer/model.h"

enum { SPEED_PROMPT = 512, SPEED_WRITTEN = 64, SPEED_TURNS = 32 };

struct speed_rate {
	size_t tokens;          /* of a turn */
	double best, median;    /* tokens a second */
	double cpu;             /* processor seconds a token, the least */
};

struct speed {
	struct speed_rate prompt, decode;
};

/*
 * turns (1 to SPEED_TURNS) times SPEED_PROMPT tokens, and SPEED_WRITTEN after
 * them; fewer where the model has fewer positions. memory: as a scorer's.
 * E_NOMEM; E_DATA: fewer than 8 positions.
 */
int speed_measure(struct speed *s, struct program *p, struct pool *pool,
		  size_t turns, uint64_t memory) MUST_CHECK;

/*
 * A JSON object: threads, prompt_tokens, prompt_per_second (the best),
 * prompt_per_second_median, prompt_cpu_seconds (a token), the same of decode_,
 * memory_bytes (anonymous and shared, of this process, now). NULL: out of
 * memory.
 */
json_t *speed_json(const struct speed *s, const struct pool *pool);

#endif
