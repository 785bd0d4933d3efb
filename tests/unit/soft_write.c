/* Texts behind several soft prompts, written at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "golden.h"
#include "model.h"
#include "trace.h"
#include "soft.h"

#include "infer/decode.h"

enum { WRITTEN = 6 };

struct written {
	uint32_t id[WRITTEN];
	size_t n;
};

static int keep(void *ctx, uint32_t id, int is_stop)
{
	struct written *w = ctx;

	if (!is_stop)
		w->id[w->n++] = id;
	return 0;
}

/* Sequences of s, behind prompts 1, 0 and 0, are written on. */
static void write_on(struct stage *s, const struct sampling *how)
{
	struct scorer_need room = { .tokens = 3, .sequences = SEQUENCES,
				    .cache_tokens = 64, .slots = SEQUENCES };
	const uint32_t stop = 5;
	const struct decode_need need = { &stop, 1, WRITTEN };
	struct decode_request r[SEQUENCES] = { { 0 } };
	struct written many[SEQUENCES] = { { { 0 }, 0 } };
	size_t n = s->plain.batch.nseq;
	struct sampler *sampler;
	struct scorer *sc;

	assert_int_equal(sampler_new(&sampler, how, program_vocab(s->m.p)), 0);
	assert_int_equal(scorer_new(&sc, s->m.p, s->m.pool, &room), 0);
	for (size_t i = 0; i < n; i++)
		r[i] = (struct decode_request){
			.prompt = s->plain.id + s->plain.start[i],
			.n = 4 + i, .front = i == 0, .id = many[i].id,
		};
	assert_int_equal(decode_many(sc, sampler, r, n, &need), 0);
	for (size_t i = 0; i < n; i++) {
		struct written one = { { 0 }, 0 };

		scorer_feed(sc)->prompt = r[i].front;
		assert_int_equal(decode(sc, sampler, r[i].prompt, r[i].n,
					&need, keep, &one), 0);
		assert_int_equal(r[i].nid, one.n);
		assert_memory_equal(r[i].id, one.id,
				    one.n * sizeof(*one.id));
	}
	scorer_free(sc);
	sampler_free(sampler);
}

static void many_are_written_as_each_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMODEL; i++) {
		const struct sampling greedy = { .top_p = 1,
						 .repetition_penalty = 1.1 };
		const struct sampling drawn = { .temperature = 1, .top_p = 1,
						.repetition_penalty = 1,
						.seed = 3 };
		struct adapter_set other = { 0 };
		const struct adapter *at[2];
		struct stage s;

		stage_open(&s, models[i], kinds[i % NKIND], 2);
		make_set(&other, &s.m, kinds[(i + 1) % NKIND], OTHER, 11);
		at[0] = s.m.adapters.at;
		at[1] = other.at;
		assert_int_equal(program_prompts(s.m.p, at, 2), 0);
		write_on(&s, &greedy);
		write_on(&s, &drawn);
		stage_close(&s);
		adapter_set_release(&other);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_are_written_as_each_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
