/* bitsandbytes' 4-bit checkpoints, against golden/C/checkpoint: the values,
 * the logits, and all arrays on their way out again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/bnb.h"
#include "formats/export.h"
#include "golden.h"
#include "model.h"

/* Every dq.<module> of the case is what the tensor decodes to, to the bit. */
static size_t check_values(struct golden *g, const struct tensor_set *base)
{
	const char *key;
	json_t *v;
	size_t n = 0;

	json_object_foreach(g->header, key, v) {
		char name[TENSOR_NAME];
		const struct tensor *t;
		const float *ref;
		size_t count;
		float *x;

		if (strncmp(key, "dq.", 3))
			continue;
		snprintf(name, sizeof(name), "%s.weight", key + 3);
		t = tensor_set_find(base, name);
		assert_non_null(t);
		assert_false(tensor_is_plain(t));
		ref = golden_f32(g, key, &count);
		assert_int_equal(t->count, count);
		x = calloc(count, sizeof(*x));
		assert_int_equal(weight_decode(t, x, 0, count), 0);
		for (size_t i = 0; i < count; i++) /* of -0 and 0 no more */
			assert_true(x[i] >= ref[i] && x[i] <= ref[i]);
		free(x);
		n++;
	}
	return n;
}

/* All of the case's sequences, which have no padding. */
static void batch_of(struct model_batch *b, struct golden *g)
{
	const int64_t *id = golden_i64(g, "input_ids", NULL);
	size_t shape[GOLDEN_RANK], n;

	golden_shape(g, "input_ids", shape);
	n = shape[0] * shape[1];
	*b = (struct model_batch){ .batch = { .n = n, .nseq = shape[0] } };
	b->id = malloc(n * sizeof(*b->id));
	b->pos = malloc(n * sizeof(*b->pos));
	b->target = malloc(n * sizeof(*b->target));
	for (size_t i = 0; i < n; i++) {
		b->id[i] = (uint32_t)id[i];
		b->pos[i] = (uint32_t)(i % shape[1]);
		b->target[i] = LABEL_NONE;
	}
	for (size_t i = 0; i <= shape[0]; i++) {
		b->start[i] = i * shape[1];
		b->sample[i] = i;
	}
	b->batch.id = b->id;
	b->batch.pos = b->pos;
	b->batch.start = b->start;
	b->batch.sample = b->sample;
	b->batch.target = b->target;
}

static double logits_off(struct golden *g, struct model *m)
{
	struct program_need need = { .sequences = MODEL_SEQUENCES };
	struct program_pass pass = { 0 };
	struct model_batch b;
	size_t vocab = program_vocab(m->p), count;
	const float *ref = golden_f32(g, "logits", &count);
	float *logits;
	double most = 0;

	batch_of(&b, g);
	pass.batch = &b.batch;
	need.tokens = need.rows = b.batch.n;
	assert_int_equal(count, b.batch.n * vocab);
	assert_int_equal(program_plan(m->p, m->pool, &need), 0);
	logits = calloc(count, sizeof(*logits));
	program_logits(m->p, program_forward(m->p, &pass),
		       mat_of(logits, b.batch.n, vocab));
	for (size_t i = 0; i < count; i++)
		most = fmax(most, fabs((double)logits[i] - ref[i]));
	free(logits);
	model_batch_release(&b);
	return most;
}

static void check_model(const char *dir, const char *kind)
{
	struct golden g;
	struct model m;

	golden_case(&g, dir);
	model_open(&m, dir, 2);
	assert_int_equal(check_values(&g, &m.base), 14);
	assert_int_equal(tensor_set_find(&m.base, "model.layers.0.self_attn."
					 "q_proj.weight")->node[0].kind,
			 bnb_kind(kind));
	golden_report(dir, "logits", logits_off(&g, &m), 1e-4);
	model_close(&m);
	golden_close(&g);
}

static void codes_are_kept_and_computed_with(void **state)
{
	(void)state;
	check_model("C/checkpoint/nf4_double", "nf4");
	check_model("C/checkpoint/fp4_single", "fp4");
}

/* ---- out again ---- */

static void export(const char *dir, const char *to)
{
	struct export_options o = { .shard = 1 << 30 };
	char path[400], buf[512];
	struct source *from;

	snprintf(path, sizeof(path), "%s/model", dir);
	golden_path(buf, path);
	if (access(buf, F_OK))
		skip();
	assert_int_equal(source_open(&from, (char *const[]){ buf, NULL }), 0);
	if (export_bnb(from, to, &o))
		fail_msg("%s: %s", dir, err_text());
	source_close(from);
}

/* Arrays that are not the same in both files, in name, type, shape, bytes. */
static size_t differing(struct golden *a, struct golden *b)
{
	size_t n = json_object_size(a->header) != json_object_size(b->header);
	const char *key;
	json_t *v;

	json_object_foreach(a->header, key, v) {
		json_t *w = json_object_get(b->header, key);
		size_t size, other;
		const void *x = golden_raw(a, key, &size);

		n += !w || !json_equal(json_object_get(v, "shape"),
				       json_object_get(w, "shape")) ||
		     !json_equal(json_object_get(v, "dtype"),
				 json_object_get(w, "dtype")) ||
		     memcmp(x, golden_raw(b, key, &other), size);
	}
	return n;
}

static int same_file(const char *a, const char *b)
{
	size_t n = 0, m = 0;
	unsigned char *x = golden_read(a, &n), *y = golden_read(b, &m);
	int same = x && y && n == m && !memcmp(x, y, n);

	free(x);
	free(y);
	return same;
}

static void check_way_back(const char *dir)
{
	char to[] = "/tmp/weft-bnb.XXXXXX", path[400], buf[512];
	const char *root = getenv("GOLDEN");
	struct golden was, is;

	assert_non_null(mkdtemp(to));
	export(dir, to);
	snprintf(path, sizeof(path), "%s/model/model.safetensors", dir);
	assert_int_equal(golden_load(&was, path), 0);
	assert_int_equal(setenv("GOLDEN", to, 1), 0);
	assert_int_equal(golden_load(&is, "model.safetensors"), 0);
	if (root)
		setenv("GOLDEN", root, 1);
	else
		unsetenv("GOLDEN");
	golden_report(dir, "arrays changed by import and export",
		      (double)differing(&was, &is), 0);
	snprintf(path, sizeof(path), "%s/model/config.json", dir);
	golden_path(buf, path);
	snprintf(path, sizeof(path), "%s/config.json", to);
	assert_true(same_file(buf, path));
	golden_close(&was);
	golden_close(&is);
	snprintf(path, sizeof(path), "rm -r %s", to);
	assert_int_equal(system(path), 0);
}

static void they_go_out_as_they_came(void **state)
{
	(void)state;
	check_way_back("C/checkpoint/nf4_double");
	check_way_back("C/checkpoint/fp4_single");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_are_kept_and_computed_with),
		cmocka_unit_test(they_go_out_as_they_came),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
