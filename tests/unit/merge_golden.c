/* merge-adapter, the program, against golden D: from model and PEFT adapter
 * directories to a stream whose tensors are PEFT's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "formats/source.h"
#include "tests/unit/golden.h"
#include "weight/weight.h"

#include <math.h>
#include <unistd.h>

/* Runs a line of shell with the programs in PATH. */
static void shell(const char *line)
{
	const char *bin = getenv("BIN");
	char *text = malloc(strlen(line) + 1024);

	assert_non_null(text);
	sprintf(text, "PATH=%.500s:$PATH; %s", bin ? bin : "build/bin", line);
	if (system(text))
		fail_msg("failed: %s", line);
	free(text);
}

/* Calls check for every linear weight of the stream that a line of shell
 * prints; returns how many it found in the golden case. */
typedef size_t check_fn(struct golden *g, const struct tensor *t);

static size_t each(const char *line, struct golden *g, check_fn *check)
{
	char path[] = "/tmp/weft-merge.XXXXXX", text[2048];
	char *paths[] = { path, NULL };
	struct source *s;
	struct item item;
	size_t n = 0;

	close(mkstemp(path));
	snprintf(text, sizeof(text), "{ %s; } > %s", line, path);
	shell(text);
	assert_int_equal(source_open(&s, paths), 0);
	do {
		assert_int_equal(source_next(s, &item), 0);
		if (item.kind != ITEM_TENSOR || item.tensor->role == ROLE_BLOB)
			continue;
		assert_int_equal(source_load(s), 0);
		n += check(g, item.tensor);
	} while (item.kind != ITEM_NONE);
	source_close(s);
	unlink(path);
	return n;
}

static size_t check_key(struct golden *g, const struct tensor *t,
			const char *key, float tolerance)
{
	float *have = malloc(t->count * sizeof(*have));
	const float *want;

	assert_non_null(have);
	assert_int_equal(weight_decode(t, have, 0, t->count), 0);
	want = golden_f32(g, key, NULL);
	for (size_t i = 0; i < t->count; i++)
		if (!(fabsf(have[i] - want[i]) <= tolerance))
			fail_msg("%s[%zu] is %g, want %g", key, i, have[i],
				 want[i]);
	free(have);
	return 1;
}

static size_t check_merged(struct golden *g, const struct tensor *t)
{
	char key[TENSOR_NAME];

	snprintf(key, sizeof(key), "merged.%s", t->name);
	assert_int_equal(t->node[0].kind, STORE_RAW);
	return golden_has(g, key) ? check_key(g, t, key, 2e-5f) : 0;
}

static size_t check_float(struct golden *g, const struct tensor *t)
{
	char key[TENSOR_NAME];

	snprintf(key, sizeof(key), "float.%.*s",
		 (int)(strlen(t->name) - strlen(".weight")), t->name);
	assert_int_equal(t->node[0].kind, STORE_RAW);
	return golden_has(g, key) ? check_key(g, t, key, 2e-6f) : 0;
}

/* Nearly all codes are PEFT's: sums in another order decide a few. */
static size_t check_codes(struct golden *g, const struct tensor *t)
{
	char key[TENSOR_NAME];
	const unsigned char *want, *have;
	size_t bytes, bad = 0;

	snprintf(key, sizeof(key), "after.%.*s.codes",
		 (int)(strlen(t->name) - strlen(".weight")), t->name);
	if (!golden_has(g, key))
		return 0;
	assert_int_equal(t->node[0].kind, STORE_NF4);
	want = golden_raw(g, key, &bytes);
	have = t->part[t->node[0].part].data;
	for (size_t i = 0; i < bytes; i++)
		bad += want[i] != have[i];
	assert_true(bad <= bytes / 1000 + 1);
	return 1;
}

static size_t count(const struct golden *g, const char *prefix)
{
	const char *key;
	json_t *v;
	size_t n = 0;

	json_object_foreach(g->header, key, v)
		n += !strncmp(key, prefix, strlen(prefix));
	return n;
}

static void check(const char *dir, const char *prefix, const char *options,
		  int nf4, check_fn *fn)
{
	char root[512], line[1500];
	struct golden g;

	golden_case(&g, dir);
	golden_path(root, "");
	if (nf4)
		snprintf(line, sizeof(line), "quantize-nf4 %sA/llama/model | "
			 "merge-adapter -q %s -A %s%s/adapter", root, options,
			 root, dir);
	else
		snprintf(line, sizeof(line), "merge-adapter %s %sA/llama/model "
			 "-A %s%s/adapter", options, root, root, dir);
	assert_int_equal(each(line, &g, fn), count(&g, prefix));
	assert_true(count(&g, prefix) > 0);
	golden_close(&g);
}

static void test_lora(void **state)
{
	(void)state;
	check("D/merge_lora", "merged.", "", 0, check_merged);
}

static void test_rslora(void **state)
{
	(void)state;
	check("D/merge_rslora", "merged.", "", 0, check_merged);
}

static void test_dequantised(void **state)
{
	(void)state;
	check("D/merge_into_nf4", "float.", "--dtype f32", 1, check_float);
	check("D/merge_into_nf4", "float.", "", 1, check_float);
}

static void test_requantised(void **state)
{
	(void)state;
	check("D/merge_into_nf4", "float.", "--requantise", 1, check_codes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lora),
		cmocka_unit_test(test_rslora),
		cmocka_unit_test(test_dequantised),
		cmocka_unit_test(test_requantised),
	};

	return cmocka_run_group_tests_name("merge_golden", tests, NULL, NULL);
}
