/* pack - rows, targets, epochs, places */
#include "data/pack.h"
#include "base/size.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* Samples of these lengths; token t of sample i is 100 i + t, label likewise,
 * but for the first two of each, which are a prompt. */
static struct samples data(const size_t *len, size_t n)
{
	struct samples s = { 0 };

	for (size_t i = 0; i < n; i++) {
		uint32_t id[64];
		int32_t label[64];

		for (size_t t = 0; t < len[i]; t++) {
			id[t] = (uint32_t)(100 * i + t);
			label[t] = t < 2 ? LABEL_NONE : (int32_t)id[t];
		}
		assert_int_equal(samples_add(&s, id, label, len[i]), 0);
	}
	return s;
}

static const size_t lengths[] = { 4, 5, 3, 9, 2, 12, 4, 1, 6 };
enum { N = sizeof(lengths) / sizeof(lengths[0]) };

static struct pack start(const struct samples *s, struct pack_options o)
{
	struct pack_most most = { 0 };
	struct pack p;

	assert_int_equal(pack_init(&p, s, &o), 0);
	assert_int_equal(pack_bound(&p, &most), 0);
	assert_int_equal(pack_plan(&p, &most), 0);
	return p;
}

static void rows_are_filled_in_order(void **state)
{
	/* 4+5 | 3 | 9 | 2 | 10 (cut) | 4+1 | 6 with rows of 10: 3+9 > 10 */
	static const size_t seqs[] = { 2, 1, 1, 1, 1, 2, 1 };
	static const size_t tokens[] = { 9, 3, 9, 2, 10, 5, 6 };
	struct samples s = data(lengths, N);
	struct pack p = start(&s, (struct pack_options){ 10, 1, 0, 0, 1 });

	(void)state;
	assert_int_equal(pack_count(&p, 0), 7);
	for (size_t i = 0; i < 7; i++) {
		const struct batch *b = pack_next(&p);

		assert_int_equal(b->nseq, seqs[i]);
		assert_int_equal(b->n, tokens[i]);
	}
	assert_int_equal(pack_next(&p)->sample[0], 0);
	assert_int_equal(p.place.epoch, 1);
	pack_release(&p);
	samples_release(&s);
}

static void positions_and_targets_stay_inside_a_sequence(void **state)
{
	struct samples s = data(lengths, N);
	struct pack p = start(&s, (struct pack_options){ 10, 3, 0, 0, 1 });
	size_t count = pack_count(&p, 0), labels = 0;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct batch *b = pack_next(&p);
		size_t n = 0;

		for (size_t q = 0; q < b->nseq; q++)
			for (size_t t = b->start[q]; t < b->start[q + 1]; t++) {
				int last = t + 1 == b->start[q + 1];

				assert_int_equal(b->pos[t], t - b->start[q]);
				assert_int_equal(b->id[t], 100 * b->sample[q] +
							   b->pos[t]);
				if (last || !b->pos[t])
					assert_int_equal(b->target[t],
							 LABEL_NONE);
				else
					assert_int_equal(b->target[t],
							 b->id[t + 1]);
				n += b->target[t] != LABEL_NONE;
			}
		assert_int_equal(b->ntarget, n);
		labels += n;
	}
	assert_int_equal(labels, 2 + 3 + 1 + 7 + 0 + 8 + 2 + 0 + 4);
	pack_release(&p);
	samples_release(&s);
}

/* Two virtual tokens before each; a row has room for one sample's more. */
static void virtual_tokens_stand_before_a_sample(void **state)
{
	struct samples s = data(lengths, N);

	(void)state;
	s.label[s.start[1]] = 100; /* the first token of sample 1 */
	for (int predicts = 0; predicts < 2; predicts++) {
		struct pack p = start(&s, (struct pack_options){
			10, 1, 0, 0, 1, 2, predicts });
		struct pack_most most = { 0 };
		const struct batch *b = pack_next(&p);

		assert_int_equal(b->nseq, 1); /* 6 + 7 > 12 */
		b = pack_next(&p);
		assert_int_equal(b->nseq, 2); /* 7 + 5 */
		assert_int_equal(b->n, 12);
		assert_int_equal(b->sample[0], 1);
		assert_true(virtual_is(b->id[0]) && virtual_is(b->id[1]));
		assert_int_equal(virtual_row(b->id[1]), 1);
		assert_int_equal(virtual_prompt(b->id[1]), 0);
		assert_false(virtual_is(b->id[2]));
		assert_int_equal(b->pos[2], 2);
		assert_int_equal(b->pos[b->start[1]], 0);
		assert_int_equal(b->target[0], LABEL_NONE);
		assert_int_equal(b->target[1], predicts ? 100 : LABEL_NONE);
		assert_int_equal(b->ntarget, 3 + 1 + predicts);
		assert_int_equal(pack_bound(&p, &most), 0);
		assert_int_equal(most.longest, 12); /* cut at 10 */
		pack_release(&p);
	}
	samples_release(&s);
}

static void single_rows_are_records(void **state)
{
	struct samples s = data(lengths, N);
	struct pack p = start(&s, (struct pack_options){ 10, 2, 1, 0, 1 });

	(void)state;
	assert_int_equal(pack_count(&p, 0), 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(pack_next(&p)->nseq, i < 4 ? 2 : 1);
	pack_release(&p);
	samples_release(&s);
}

static void an_epoch_has_every_sample_once(void **state)
{
	struct samples s = data(lengths, N);
	struct pack p = start(&s, (struct pack_options){ 16, 2, 0, 1, 7 });
	size_t order[2][N];

	(void)state;
	for (uint64_t epoch = 0; epoch < 2; epoch++) {
		int seen[N] = { 0 };
		size_t n = 0;

		while (n < N) {
			const struct batch *b = pack_next(&p);

			assert_int_equal(p.place.epoch, epoch);
			for (size_t q = 0; q < b->nseq; q++) {
				order[epoch][n++] = b->sample[q];
				assert_false(seen[b->sample[q]]++);
			}
		}
	}
	assert_memory_not_equal(order[0], order[1], sizeof(order[0]));
	pack_release(&p);
	samples_release(&s);
}

/* Whatever the order; and the bound is one that some order can reach. */
static void no_batch_goes_beyond_the_bound(void **state)
{
	struct samples s = data(lengths, N);

	(void)state;
	for (size_t i = 0; i < 32; i++) {
		struct pack_options o = { 3 + i, 1 + i % 3, i % 2, 1, i };
		struct pack_most most = { 0 };
		struct pack p = start(&s, o);
		size_t tokens = 0;

		assert_int_equal(pack_bound(&p, &most), 0);
		while (p.place.epoch < 20) {
			const struct batch *b = pack_next(&p);

			assert_true(b->n <= most.tokens);
			assert_true(b->nseq <= most.sequences);
			tokens = b->n > tokens ? b->n : tokens;
		}
		if (o.single && o.rows == 1)
			assert_int_equal(tokens, most.tokens);
		pack_release(&p);
	}
	samples_release(&s);
}

/* Of batch b, cut as batch_part() cuts it. */
static void see_parts(const struct batch *b, const struct pack_cut *cut,
		      struct pack_most *most)
{
	size_t start[N + 1], next = 0;
	struct batch part;

	while (batch_part(&part, b, &next, cut->tokens, start)) {
		size_t turn = 0;

		for (size_t n = 1; part.ntarget && !turn; n++)
			if ((part.ntarget + n - 1) / n <= cut->targets)
				turn = (part.ntarget + n - 1) / n;
		most->tokens = size_max(most->tokens, part.n);
		most->sequences = size_max(most->sequences, part.nseq);
		most->targets = size_max(most->targets, turn);
		for (size_t q = 0; q < part.nseq; q++)
			most->longest = size_max(most->longest,
						 start[q + 1] - start[q]);
	}
}

/* The second of two runs has half an epoch, and shuffles or not. */
static void what_is_measured_is_what_batches_have(void **state)
{
	struct samples s = data(lengths, N);

	(void)state;
	for (size_t i = 0; i < 200; i++) {
		struct pack_options o = {
			.length = 3 + i % 13, .rows = 1 + i % 4,
			.single = i % 2, .shuffle = i % 3 > 0, .seed = i,
			.front = i % 5, .predicts = i % 5 > 2,
		};
		struct pack_cut cut = { 1 + i % 31, 1 + i % 7 };
		struct pack_most is = { 0 }, most = { 0 };
		struct pack p = start(&s, o);
		size_t n = i % 2 ? 2 * pack_count(&p, 0) + 1 :
				   (pack_count(&p, 0) + 1) / 2;

		for (size_t k = 0; k < n; k++)
			see_parts(pack_next(&p), &cut, &is);
		pack_measure(&p, n, &cut, &most);
		assert_memory_equal(&most, &is, sizeof(most));
		assert_int_equal(p.place.epoch + p.place.sample, 0);
		pack_release(&p);
	}
	samples_release(&s);
}

static void skipping_is_going_on(void **state)
{
	struct samples s = data(lengths, N);

	(void)state;
	for (int shuffle = 0; shuffle < 2; shuffle++) {
		struct pack_options o = { 10, 2, 0, shuffle, 3 };
		struct pack p = start(&s, o), q = start(&s, o);

		for (size_t i = 0; i < 20; i++) {
			struct pack_place to = pack_skip(&q, i);

			assert_int_equal(to.epoch, p.place.epoch);
			assert_int_equal(to.sample, p.place.sample);
			pack_next(&p);
		}
		pack_release(&p);
		pack_release(&q);
	}
	samples_release(&s);
}

static void it_goes_on_from_any_place(void **state)
{
	struct samples s = data(lengths, N);
	struct pack_options o = { 10, 2, 0, 1, 3 };
	struct pack p = start(&s, o);

	(void)state;
	for (size_t i = 0; i < 12; i++) {
		struct pack other = start(&s, o);
		const struct batch *a, *b;

		assert_int_equal(pack_seek(&other, p.place), 0);
		a = pack_next(&p);
		b = pack_next(&other);
		assert_int_equal(a->n, b->n);
		assert_memory_equal(a->id, b->id, a->n * sizeof(*a->id));
		assert_int_equal(p.place.epoch, other.place.epoch);
		assert_int_equal(p.place.sample, other.place.sample);
		pack_release(&other);
	}
	assert_int_equal(pack_seek(&p, (struct pack_place){ 0, N + 1 }),
			 E_DATA);
	pack_release(&p);
	samples_release(&s);
}

static void data_without_a_label_is_refused(void **state)
{
	static const size_t len[] = { 2, 1, 2 };
	struct samples s = data(len, 3), none = { 0 };
	struct pack_options o = { 10, 1, 0, 0, 1 };
	struct pack p;

	(void)state;
	assert_int_equal(pack_init(&p, &s, &o), E_DATA);
	pack_release(&p);
	assert_int_equal(pack_init(&p, &none, &o), E_DATA);
	pack_release(&p);
	samples_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_filled_in_order),
		cmocka_unit_test(positions_and_targets_stay_inside_a_sequence),
		cmocka_unit_test(virtual_tokens_stand_before_a_sample),
		cmocka_unit_test(single_rows_are_records),
		cmocka_unit_test(an_epoch_has_every_sample_once),
		cmocka_unit_test(no_batch_goes_beyond_the_bound),
		cmocka_unit_test(what_is_measured_is_what_batches_have),
		cmocka_unit_test(skipping_is_going_on),
		cmocka_unit_test(it_goes_on_from_any_place),
		cmocka_unit_test(data_without_a_label_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
