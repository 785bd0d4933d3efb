/* What differs, by how much, and what is tolerated. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/st_compare.h"
#include "tests/unit/st_streams.h"

static char path[2][64];
static char last[256];          /* the last difference that was told */
static double most, rms, relative;
static int told;

static void tell(void *ctx, const struct st_difference *d)
{
	(void)ctx;
	told++;
	snprintf(last, sizeof(last), "%s %s %s", d->what, d->name,
		 d->how ? d->how : "");
	most = d->most;
	rms = d->rms;
	relative = d->relative;
}

/* Values as f32, or rounded to bf16. */
static void put_values(struct sink *s, const char *name, enum dtype d,
		       const float *v, size_t rows, size_t cols)
{
	struct tensor t;

	make_plain(&t, name, ROLE_LINEAR, d, 2, rows, cols);
	assert_int_equal(tensor_alloc(&t), 0);
	assert_int_equal(dtype_from_f32(t.part[0].data, d, v, rows * cols),
			 0);
	assert_int_equal(sink_tensor(s, &t), 0);
	tensor_release(&t);
}

struct content {
	const char *name[2];    /* of up to two tensors of four values */
	float v[4];
	enum dtype dtype;
	size_t rows;
	int meta;
	enum stream_kind kind;
	size_t samples;
};

static void write_content(const char *to, const struct content *c)
{
	json_t *meta = json_integer(c->meta);
	struct batch_columns b = sample_batch;
	struct sink *s;

	assert_int_equal(sink_open(&s, to, NULL), 0);
	assert_int_equal(sink_head(s, c->kind), 0);
	if (c->meta)
		assert_int_equal(sink_meta(s, "number", meta), 0);
	for (int i = 0; i < 2 && c->name[i]; i++)
		put_values(s, c->name[i], c->dtype, c->v, c->rows,
			   4 / c->rows);
	b.n = c->samples;
	b.tokens = c->samples ? 3 : 0;
	if (c->samples)
		assert_int_equal(sink_batch(s, &b), 0);
	assert_int_equal(sink_end(s, NULL), 0);
	assert_int_equal(sink_close(s), 0);
	json_decref(meta);
}

static const struct content plain = {
	{ "a", "b" }, { 1, -2, 3, 4 }, DTYPE_F32, 2, 7, STREAM_BASE, 1
};

static int differ(const struct content *a, const struct content *b,
		  const struct st_tolerance *t)
{
	char *paths[2][2] = { { path[0], NULL }, { path[1], NULL } };
	int yes;

	write_content(path[0], a);
	write_content(path[1], b);
	told = 0;
	*last = 0;
	assert_int_equal(st_compare(&yes, paths[0], paths[1], t, tell, NULL),
			 0);
	return yes;
}

static const struct st_tolerance exact = { 1, INFINITY, INFINITY };

static void the_same_is_the_same(void **state)
{
	struct content other = plain;

	(void)state;
	assert_false(differ(&plain, &plain, &exact));
	assert_int_equal(told, 0);
	other.name[0] = "b";
	other.name[1] = "a";
	assert_false(differ(&plain, &other, &exact));
	assert_int_equal(told, 0);
}

static void numbers_are_right(void **state)
{
	struct content other = plain;
	struct st_tolerance t = { 0, 0.5, INFINITY };

	(void)state;
	other.v[1] = -2.5f;
	assert_true(differ(&plain, &other, &exact));
	assert_int_equal(told, 2);
	assert_true(most == 0.5);
	assert_true(fabs(rms - 0.25) < 1e-12);
	assert_true(fabs(relative - 0.5 / sqrt(30)) < 1e-12);
	assert_false(differ(&plain, &other, &t));
	assert_int_equal(told, 2);
	t.most = 0.499;
	assert_true(differ(&plain, &other, &t));
	t.most = INFINITY;
	t.relative = 0.092;
	assert_false(differ(&plain, &other, &t));
	t.relative = 0.091;
	assert_true(differ(&plain, &other, &t));
}

static void what_is_not_finite_counts(void **state)
{
	struct content a = plain, b = plain;
	struct st_tolerance t = { 0, 1e30, 1e30 };

	(void)state;
	a.v[0] = NAN;
	assert_true(differ(&a, &plain, &t));
	assert_true(differ(&plain, &a, &t));
	assert_false(differ(&a, &a, &exact));
	b.v[0] = INFINITY;
	assert_true(differ(&b, &plain, &t));
	assert_true(differ(&b, &a, &t));
	b.dtype = DTYPE_BF16;
	a.v[0] = INFINITY;
	assert_false(differ(&b, &a, &t));       /* the same infinity */
}

static void storage_counts_only_without_tolerance(void **state)
{
	struct content other = plain;
	const struct st_tolerance t = { 0, 0, INFINITY };

	(void)state;
	other.dtype = DTYPE_BF16;
	assert_true(differ(&plain, &other, &exact));
	assert_non_null(strstr(last, "stored differently"));
	assert_false(differ(&plain, &other, &t));
}

static void shapes_names_metas_samples(void **state)
{
	const struct st_tolerance any = { 0, INFINITY, INFINITY };
	struct content other = plain;

	(void)state;
	other.rows = 1;
	assert_true(differ(&plain, &other, &any));
	assert_string_equal(last, "tensor b shape 2x2 and 1x4");
	other = plain;
	other.name[1] = "c";
	assert_true(differ(&plain, &other, &any));
	assert_int_equal(told, 2);
	assert_string_equal(last, "tensor c only in the second");
	other.name[1] = NULL;
	assert_true(differ(&plain, &other, &any));
	assert_string_equal(last, "tensor b only in the first");
	other = plain;
	other.meta = 8;
	assert_true(differ(&plain, &other, &any));
	assert_string_equal(last, "meta number other values");
	other.meta = 0;
	assert_true(differ(&plain, &other, &any));
	assert_string_equal(last, "meta number only in the first");
	other = plain;
	other.samples = 0;
	assert_true(differ(&plain, &other, &any));
	assert_string_equal(last, "data  1 and 0 samples");
	other = plain;
	other.kind = STREAM_ADAPTER;
	assert_true(differ(&plain, &other, &any));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_is_the_same),
		cmocka_unit_test(numbers_are_right),
		cmocka_unit_test(what_is_not_finite_counts),
		cmocka_unit_test(storage_counts_only_without_tolerance),
		cmocka_unit_test(shapes_names_metas_samples),
	};
	char dir[] = "/tmp/st_compare.XXXXXX";
	int failed;

	if (!mkdtemp(dir))
		return 1;
	for (int i = 0; i < 2; i++)
		snprintf(path[i], sizeof(path[i]), "%s/%d", dir, i);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path[0]);
	unlink(path[1]);
	rmdir(dir);
	return failed;
}
