#include "infer/speed.h"

#include <stdlib.h>

#include "base/os.h"
#include "base/size.h"
#include "infer/decode.h"

/* When the first and the last token were there. */
struct watch {
	double first, last, cpu_first, cpu_last;
	size_t n;
};

static int on_token(void *ctx, uint32_t id, int is_stop)
{
	struct watch *w = ctx;

	(void)id;
	(void)is_stop;
	w->last = os_seconds();
	w->cpu_last = os_cpu_seconds();
	if (w->n++)
		return 0;
	w->first = w->last;
	w->cpu_first = w->cpu_last;
	return 0;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of n turns, each its seconds and processor seconds; both are sorted. */
static void settle(struct speed_rate *r, double *seconds, double *cpu,
		   size_t n)
{
	double tokens = (double)r->tokens;

	qsort(seconds, n, sizeof(*seconds), by_size);
	qsort(cpu, n, sizeof(*cpu), by_size);
	r->best = tokens / seconds[0];
	r->median = tokens / seconds[n / 2];
	r->cpu = cpu[0] / tokens;
}

static int run(struct speed *s, struct scorer *scorer, struct sampler *sampler,
	       size_t turns)
{
	struct decode_need need = { .most = s->decode.tokens + 1 };
	double in[SPEED_TURNS], out[SPEED_TURNS];
	double cpu_in[SPEED_TURNS], cpu_out[SPEED_TURNS];
	size_t vocab = program_vocab(scorer_program(scorer));
	uint32_t id[SPEED_PROMPT];

	for (size_t i = 0; i < s->prompt.tokens; i++)
		id[i] = (uint32_t)(i * 7919 % vocab);
	for (size_t t = 0; t < turns; t++) {
		struct watch w = { 0 };
		double start = os_seconds(), cpu = os_cpu_seconds();

		TRY(decode(scorer, sampler, id, s->prompt.tokens, &need,
			   on_token, &w));
		in[t] = w.first - start;
		out[t] = w.last - w.first;
		cpu_in[t] = w.cpu_first - cpu;
		cpu_out[t] = w.cpu_last - w.cpu_first;
	}
	settle(&s->prompt, in, cpu_in, turns);
	settle(&s->decode, out, cpu_out, turns);
	return 0;
}

int speed_measure(struct speed *s, struct program *p, struct pool *pool,
		  size_t turns, uint64_t memory)
{
	struct sampling greedy = { .top_p = 1, .repetition_penalty = 1 };
	size_t longest = program_longest(p);
	struct scorer_need need = {
		.sequences = 1, .slots = 1, .memory = memory,
	};
	struct sampler *sampler = NULL;
	struct scorer *scorer = NULL;
	int err;

	if (longest < 8)
		return err_set(E_DATA, "the model has %zu positions; speed is "
			       "measured with 8 or more", longest);
	*s = (struct speed){ 0 };
	s->prompt.tokens = size_min(SPEED_PROMPT, longest / 2);
	s->decode.tokens = size_min(SPEED_WRITTEN, longest / 4);
	need.tokens = s->prompt.tokens;
	need.cache_tokens = s->prompt.tokens + s->decode.tokens + 1;
	err = sampler_new(&sampler, &greedy, program_vocab(p));
	if (!err)
		err = scorer_new(&scorer, p, pool, &need);
	if (!err)
		err = run(s, scorer, sampler, turns);
	scorer_free(scorer);
	sampler_free(sampler);
	return err;
}

static json_t *rate_json(const struct speed_rate *r, const char *name,
			 json_t *to)
{
	char key[64];

	snprintf(key, sizeof(key), "%s_tokens", name);
	if (json_object_set_new(to, key, json_integer((json_int_t)r->tokens)))
		return NULL;
	snprintf(key, sizeof(key), "%s_per_second", name);
	if (json_object_set_new(to, key, json_real(r->best)))
		return NULL;
	snprintf(key, sizeof(key), "%s_per_second_median", name);
	if (json_object_set_new(to, key, json_real(r->median)))
		return NULL;
	snprintf(key, sizeof(key), "%s_cpu_seconds", name);
	return json_object_set_new(to, key, json_real(r->cpu)) ? NULL : to;
}

json_t *speed_json(const struct speed *s, const struct pool *pool)
{
	json_t *o = json_pack("{s:I,s:I}", "threads",
			      (json_int_t)pool_lanes(pool), "memory_bytes",
			      (json_int_t)os_memory_used());

	if (o && rate_json(&s->prompt, "prompt", o) &&
	    rate_json(&s->decode, "decode", o))
		return o;
	json_decref(o);
	return NULL;
}
