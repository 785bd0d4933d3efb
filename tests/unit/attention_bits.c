/* attention_bits - the same bytes at every level, packed or single, from a
 * cache or in one pass, on any number of threads */
#include "attention.h"
#include "levels.h"

#include "kernel/table.h"

static void *copy_of(const void *p, size_t bytes)
{
	void *c = malloc(bytes);

	assert_non_null(c);
	memcpy(c, p, bytes);
	return c;
}

/* Scribbles over outputs, so that what is not written shows. */
static void spoil_rows(const struct attention *a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < a->heads * a->head_dim; j++)
			a->out[i * a->ostride + j] = 77;
	for (size_t i = 0; i < n * a->heads; i++)
		a->lse[i] = 77;
}

static void spoil(const struct fixture *f)
{
	spoil_rows(&f->a, f->n);
	for (size_t i = 0; i < f->n; i++)
		for (size_t j = 0; j < f->a.heads * f->a.head_dim; j++)
			f->g.dq[i * f->g.dqstride + j] = 77;
}

static void level_forward(struct fixture *f, const struct kernels *k,
			  size_t count)
{
	struct attention_task t;

	for (t.seq = 0; t.seq < f->a.nseq; t.seq++)
		for (t.kv_head = 0; t.kv_head < f->a.kv_heads; t.kv_head++) {
			size_t n = f->start[t.seq + 1] - f->start[t.seq];

			for (t.first = 0; t.first < n; t.first += count) {
				t.count = size_min(count, n - t.first);
				k->attend(&f->a, &t, f->space);
			}
		}
}

static void level_backward(struct fixture *f, const struct kernels *k,
			   float *dk, float *dv)
{
	for (size_t seq = 0; seq < f->a.nseq; seq++)
		for (size_t head = 0; head < f->a.heads; head++)
			k->attend_backward(&f->a, &f->g, seq, head, dk, dv,
					   f->space);
}

static void check_levels(struct fixture *f, size_t most)
{
	size_t share = f->n * f->a.heads * f->a.head_dim * sizeof(float);
	size_t bytes = f->size * sizeof(float);
	float *want[3] = { 0 }, *dk = malloc(share), *dv = malloc(share);
	struct kernels k;
	int usable;

	assert_true(dk && dv);
	for (size_t i = 0; kernels_level(i, &k, &usable); i++) {
		if (!usable)
			continue;
		spoil(f);
		level_forward(f, &k, i ? most : 7);
		level_backward(f, &k, dk, dv);
		if (!i) {
			want[0] = copy_of(f->block, bytes);
			want[1] = copy_of(dk, share);
			want[2] = copy_of(dv, share);
		}
		assert_memory_equal(f->block, want[0], bytes);
		assert_memory_equal(dk, want[1], share);
		assert_memory_equal(dv, want[2], share);
	}
	for (size_t i = 0; i < 3; i++)
		free(want[i]);
	free(dk);
	free(dv);
}

static void every_level(void **unused)
{
	(void)unused;
	for (size_t c = 0; c < NELEM(cases); c++) {
		struct fixture f;
		size_t group = cases[c].heads / cases[c].kv_heads;

		fixture_init(&f, cases[c], lens, NELEM(lens));
		check_levels(&f, ATTENTION_ROWS / group);
		fixture_release(&f);
	}
}

static void any_threads(void **unused)
{
	(void)unused;
	for (size_t c = 0; c < NELEM(cases); c++) {
		struct fixture f;
		struct pool *pool;
		float *want;
		void *space;

		fixture_init(&f, cases[c], lens, NELEM(lens));
		attention_forward(NULL, f.space, &f.a);
		attention_backward(NULL, f.space, &f.a, &f.g);
		want = copy_of(f.block, f.size * sizeof(float));
		spoil(&f);
		assert_int_equal(pool_new(&pool, 3), 0);
		space = aligned_alloc(64, attention_space(
						  pool, f.a.heads,
						  f.a.kv_heads, f.a.head_dim,
						  f.n, 1));
		attention_forward(pool, space, &f.a);
		attention_backward(pool, space, &f.a, &f.g);
		assert_memory_equal(f.block, want, f.size * sizeof(float));
		pool_free(pool);
		free(space);
		free(want);
		fixture_release(&f);
	}
}

/* One sequence of the fixture, alone. */
static struct attention single(const struct fixture *f, size_t seq,
			       size_t start[2])
{
	struct attention a = f->a;
	size_t at = f->start[seq];

	start[0] = 0;
	start[1] = f->start[seq + 1] - at;
	a.nseq = 1;
	a.start = start;
	a.q += at * a.qstride;
	a.k += at * a.kstride;
	a.v += at * a.vstride;
	a.out += at * a.ostride;
	a.lse += at * a.heads;
	return a;
}

static void packed_is_single(void **unused)
{
	(void)unused;
	for (size_t c = 0; c < NELEM(cases); c++) {
		struct fixture f;
		float *want;
		size_t start[2];

		fixture_init(&f, cases[c], lens, NELEM(lens));
		spoil(&f);
		attention_forward(NULL, f.space, &f.a);
		want = copy_of(f.block, f.size * sizeof(float));
		spoil(&f);
		for (size_t s = 0; s < NELEM(lens); s++) {
			struct attention a = single(&f, s, start);

			attention_forward(NULL, f.space, &a);
		}
		assert_memory_equal(f.block, want, f.size * sizeof(float));
		free(want);
		fixture_release(&f);
	}
}

/* The last sequence again: its first queries, then more, then one by one,
 * against the keys so far. */
static void cache_is_full(void **unused)
{
	static const size_t cut[] = { 0, 61, 100, 101, 102, 129 };

	(void)unused;
	for (size_t c = 0; c < NELEM(cases); c++) {
		struct fixture f;
		float *want, *keys, *values;
		size_t start[2], cols, floats;
		struct attention all;

		fixture_init(&f, cases[c], lens, NELEM(lens));
		attention_forward(NULL, f.space, &f.a);
		want = copy_of(f.block, f.size * sizeof(float));
		all = single(&f, NELEM(lens) - 1, start);
		cols = all.kv_heads * all.head_dim;
		floats = attention_past_floats(cut[NELEM(cut) - 1], cols);
		keys = calloc(floats, sizeof(*keys));
		values = calloc(floats, sizeof(*values));
		assert_non_null(keys);
		assert_non_null(values);
		for (size_t i = 0; i + 1 < NELEM(cut); i++) {
			struct attention a = all;
			struct attention_past past = { keys, values,
						       cut[i + 1] };
			struct attention_rows rows = {
				a.k + cut[i] * a.kstride,
				a.v + cut[i] * a.vstride,
				a.kstride, a.vstride, cut[i + 1] - cut[i]
			};

			start[1] = cut[i + 1] - cut[i];
			attention_past_put(keys, values, cut[i], cols,
					   a.head_dim, &rows);
			a.past = &past;
			a.k = a.v = NULL;
			a.q += cut[i] * a.qstride;
			a.out += cut[i] * a.ostride;
			a.lse += cut[i] * a.heads;
			spoil_rows(&a, start[1]);
			attention_forward(NULL, f.space, &a);
		}
		assert_memory_equal(f.block, want, f.size * sizeof(float));
		free(keys);
		free(values);
		free(want);
		fixture_release(&f);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_level, reset),
		cmocka_unit_test_setup(any_threads, reset),
		cmocka_unit_test_setup(packed_is_single, reset),
		cmocka_unit_test_setup(cache_is_full, reset),
	};

	(void)argc;
	return each_level(cmocka_run_group_tests(tests, NULL, NULL), argv);
}
