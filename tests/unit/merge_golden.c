/* merge-adapter, the program, against golden D: from model and PEFT adapter
 * directories to a stream whose tensors are PEFT's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "formats/collect.h"
#include "infer/feed.h"
#include "infer/model.h"
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

static double worst, allowed; /* of the case: the largest difference, and what
				it may be */

static void found(double difference, double tolerance)
{
	worst = fmax(worst, difference);
	allowed = tolerance;
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
	for (size_t i = 0; i < t->count; i++) {
		assert_true(isfinite(have[i]));
		found(fabs((double)have[i] - want[i]), tolerance);
	}
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
	found((double)bad, (double)(bytes / 1000 + 1));
	assert_true(bad <= bytes / 1000 + 1);
	return 1;
}

/* The model's logits at the case's input_ids against what is under key. */
static void check_logits(struct golden *g, const char *dir, struct model *m,
			 const char *key)
{
	size_t shape[GOLDEN_RANK], n, vocab = program_vocab(m->program);
	const int64_t *ids = golden_i64(g, "input_ids", NULL);
	const float *want = golden_f32(g, key, &n);
	float *have = golden_keep(g, n * sizeof(*have));
	struct program_need need = { .sequences = 1 };
	struct feed f;
	double most = 0;

	golden_shape(g, "input_ids", shape);
	need.tokens = need.rows = shape[1];
	assert_int_equal(feed_init(&f, NULL, shape[1], 1), 0);
	assert_int_equal(program_plan(m->program, NULL, &need), 0);
	for (size_t i = 0; i < shape[0]; i++) {
		uint32_t id[64];

		for (size_t k = 0; k < shape[1]; k++)
			id[k] = (uint32_t)ids[i * shape[1] + k];
		feed_clear(&f, NULL);
		feed_add(&f, id, NULL, shape[1], 0, 0);
		program_logits(m->program, program_forward(m->program, &f.pass),
			       mat_of(have + i * shape[1] * vocab, shape[1],
				      vocab));
	}
	for (size_t i = 0; i < n; i++)
		most = fmax(most, fabsf(have[i] - want[i]));
	golden_report(dir, key, most, 1e-4);
	feed_release(&f);
}

/* A model from streams and directories, and its logits. */
static void check_model(struct golden *g, const char *dir, char *const *paths,
			const char *key)
{
	struct collection c;
	struct model m;
	const struct tensor_set *adapter = NULL;
	json_t *config = NULL;

	assert_int_equal(collect(&c, paths), 0);
	if (c.nadapter) {
		adapter = &c.adapter->tensors;
		config = json_object_get(c.adapter->meta, "adapter");
	}
	assert_int_equal(model_open(&m, &c.base.tensors, adapter, config), 0);
	check_logits(g, dir, &m, key);
	model_release(&m);
	collection_release(&c);
}

/* Where the case's adapter is. */
static const char *adapter_of(const struct golden *g, const char *dir)
{
	static char path[400];

	snprintf(path, sizeof(path), "%s/adapter", dir);
	return json_text(g->json, "adapter", path);
}

/* The logits of base + adapter, and of what merge-adapter makes of them. */
static void check_both(const char *dir)
{
	char base[512], adapter[512], path[400], line[1500];
	char merged[] = "/tmp/weft-merge.XXXXXX";
	struct golden g;

	golden_case(&g, dir);
	snprintf(path, sizeof(path), "%s", adapter_of(&g, dir));
	golden_path(base, "A/llama/model");
	golden_path(adapter, path);
	check_model(&g, dir, (char *const[]){ base, adapter, NULL },
		    "logits.unmerged");
	close(mkstemp(merged));
	snprintf(line, sizeof(line), "merge-adapter %s -A %s > %s", base,
		 adapter, merged);
	shell(line);
	check_model(&g, dir, (char *const[]){ merged, NULL },
		    "logits.merged");
	unlink(merged);
	golden_close(&g);
}

static void test_logits(void **state)
{
	(void)state;
	check_both("D/merge_lora");
	check_both("D/merge_rslora");
	check_both("D/merge_dora");
	check_both("D/merge_adalora");
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
		  int nf4, check_fn *fn, const char *what)
{
	char root[512], line[1500];
	struct golden g;

	golden_case(&g, dir);
	golden_path(root, "");
	if (nf4)
		snprintf(line, sizeof(line), "quantize-nf4 %sA/llama/model | "
			 "merge-adapter -q %s -A %s%s", root, options, root,
			 adapter_of(&g, dir));
	else
		snprintf(line, sizeof(line), "merge-adapter %s %sA/llama/model "
			 "-A %s%s", options, root, root, adapter_of(&g, dir));
	worst = 0;
	assert_int_equal(each(line, &g, fn), count(&g, prefix));
	assert_true(count(&g, prefix) > 0);
	golden_report(dir, what, worst, allowed);
	golden_close(&g);
}

static void test_lora(void **state)
{
	(void)state;
	check("D/merge_lora", "merged.", "", 0, check_merged,
	      "merge-adapter: weights");
}

static void test_rslora(void **state)
{
	(void)state;
	check("D/merge_rslora", "merged.", "", 0, check_merged,
	      "merge-adapter: weights");
}

static void test_dora(void **state)
{
	(void)state;
	check("D/merge_dora", "merged.", "", 0, check_merged,
	      "merge-adapter: weights");
}

static void test_adalora(void **state)
{
	(void)state;
	check("D/merge_adalora", "merged.", "", 0, check_merged,
	      "merge-adapter: weights");
}

static void test_dequantised(void **state)
{
	(void)state;
	check("D/merge_into_nf4", "float.", "--dtype f32", 1, check_float,
	      "merge-adapter --dtype f32: weights");
	check("D/merge_into_nf4", "float.", "", 1, check_float,
	      "merge-adapter: weights");
}

static void test_requantised(void **state)
{
	(void)state;
	check("D/merge_into_nf4", "float.", "--requantise", 1, check_codes,
	      "merge-adapter --requantise: bytes that differ of a weight");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lora),
		cmocka_unit_test(test_rslora),
		cmocka_unit_test(test_dora),
		cmocka_unit_test(test_adalora),
		cmocka_unit_test(test_dequantised),
		cmocka_unit_test(test_requantised),
		cmocka_unit_test(test_logits),
	};

	return cmocka_run_group_tests_name("merge_golden", tests, NULL, NULL);
}
