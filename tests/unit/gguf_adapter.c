/* GGUF adapters: a good one is read, broken ones are refused by name */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/size.h"
#include "formats/gguf.h"
#include "formats/source.h"
#include "tests/unit/gguf_made.h"

enum { IN = 32, OUT = 16, HEADS = 2, RANK = 4 };

static struct made file;
static uint64_t place;

static void string(const char *key, const char *v)
{
	text(&file, key);
	u32(&file, GGUF_TEXT);
	text(&file, v);
}

static void whole(const char *key, uint32_t v)
{
	text(&file, key);
	u32(&file, GGUF_U32);
	u32(&file, v);
}

static void real(const char *key, float v)
{
	text(&file, key);
	u32(&file, GGUF_F32);
	put(&file, &v, 4);
}

static void matrix(const char *name, size_t rows, size_t cols, uint32_t type)
{
	tensor(&file, name, rows, cols, type, place);
	place += size_align(rows * cols * 4, 32);
}

#define Q "blk.0.attn_q.weight"
#define V "blk.0.attn_v.weight"

/* Which key or tensor is other than it should be. */
struct fault {
	const char *word;       /* in the message */
	const char *type, *arch, *kind; /* NULL: as it should be */
	float alpha;            /* 0: 8 */
	int zero;               /* an alpha of 0 */
	int heads;              /* 0: HEADS; -1: no such key */
	const char *name[4];    /* of tensors: q a, q b, v a, v b */
	size_t rows[4];         /* 0: as it should be */
	uint32_t format;        /* of the first tensor */
	int token;              /* it begins at a token */
};

static void build(const struct fault *f)
{
	static const char *const name[] = { Q ".lora_a", Q ".lora_b",
					    V ".lora_a", V ".lora_b" };
	static const size_t rows[] = { RANK, OUT, RANK, OUT };
	static const size_t cols[] = { IN, RANK, IN, RANK };
	int heads = f->heads ? f->heads : HEADS;

	place = 0;
	head(&file, 4, 4 + (uint64_t)(heads > 0) + (uint64_t)f->token);
	string("general.type", f->type ? f->type : "adapter");
	string("general.architecture", f->arch ? f->arch : "llama");
	string("adapter.type", f->kind ? f->kind : "lora");
	real("adapter.lora.alpha", f->alpha < 0 || f->alpha > 0 ? f->alpha :
				   f->zero ? 0 : 8);
	if (heads > 0)
		whole("llama.attention.head_count", (uint32_t)heads);
	if (f->token)
		whole("adapter.alora.invocation_tokens", 1);
	for (size_t i = 0; i < 4; i++)
		matrix(f->name[i] ? f->name[i] : name[i],
		       f->rows[i] ? f->rows[i] : rows[i], cols[i],
		       i ? 0 : f->format);
	while (file.n % 32)
		put(&file, "", 1);
	/* Row r of every B holds r. */
	for (size_t i = 0; i < 4; i++) {
		size_t n = f->rows[i] ? f->rows[i] : rows[i];

		for (size_t k = 0; k < n * cols[i]; k++) {
			float x = (float)(k / cols[i]);

			put(&file, &x, 4);
		}
		while (file.n % 32)
			put(&file, "", 1);
	}
}

static char path[] = "/tmp/gguf-adapter-XXXXXX";

static struct source *open_made(void)
{
	static char *paths[] = { path, NULL };
	struct source *s;
	int fd;

	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, file.at, file.n), file.n);
	close(fd);
	assert_int_equal(source_open(&s, paths), 0);
	return s;
}

static int read_all(struct source *s, struct tensor_set *set, json_t **meta)
{
	struct item item;

	for (;;) {
		TRY(source_next(s, &item));
		if (item.kind == ITEM_NONE)
			return 0;
		if (item.kind == ITEM_META && meta)
			*meta = json_deep_copy(item.value);
		if (item.kind != ITEM_TENSOR)
			continue;
		TRY(source_load(s));
		TRY(tensor_set_take(set, item.tensor));
	}
}

static int read_made(struct tensor_set *set, json_t **meta, json_t *base)
{
	struct source *s = open_made();
	int err;

	source_base(s, base);
	err = read_all(s, set, meta);
	source_close(s);
	unlink(path);
	return err;
}

/* llama.cpp's row 2j + s of a head is row j + s d / 2 of the checkpoint. */
static void check_rows(const struct tensor_set *set)
{
	const struct tensor *q = tensor_set_find(set,
		"model.layers.0.self_attn.q_proj.lora_B");
	const struct tensor *v = tensor_set_find(set,
		"model.layers.0.self_attn.v_proj.lora_B");
	const float *x = q->part[0].data, *y = v->part[0].data;
	const size_t d = OUT / HEADS;

	assert_int_equal(q->shape[0], OUT);
	assert_int_equal(q->shape[1], RANK);
	for (size_t i = 0; i < OUT; i++) {
		size_t from = i / d * d + i % d % (d / 2) * 2 +
			      i % d / (d / 2);

		assert_true(x[i * RANK] == (float)from);
		assert_true(y[i * RANK] == (float)i);
	}
}

static void an_adapter_is_read(void **state)
{
	struct tensor_set set = { 0 };
	json_t *meta = NULL;

	(void)state;
	build(&(struct fault){ 0 });
	if (read_made(&set, &meta, NULL))
		fail_msg("%s", err_text());
	assert_string_equal(set.at[0].name,
			    "model.layers.0.self_attn.q_proj.lora_A");
	check_rows(&set);
	assert_string_equal(json_text(meta, "kind", ""), "lora");
	assert_true(json_number(meta, "r", 0) == RANK);
	assert_true(json_number(meta, "alpha", 0) == 8);
	json_decref(meta);
	tensor_set_release(&set);
}

static void the_base_says_what_the_file_does_not(void **state)
{
	struct tensor_set set = { 0 };
	json_t *base = json_pack(
		"{ss si si si si si sf}", "model_type", "llama",
		"num_hidden_layers", 1, "hidden_size", OUT,
		"intermediate_size", 8, "vocab_size", 8,
		"num_attention_heads", HEADS, "rms_norm_eps", 1e-5);

	(void)state;
	build(&(struct fault){ .heads = -1 });
	assert_int_equal(read_made(&set, NULL, NULL), E_DATA);
	assert_non_null(strstr(err_text(), "--base"));
	tensor_set_release(&set);
	build(&(struct fault){ .heads = -1 });
	if (read_made(&set, NULL, base))
		fail_msg("%s", err_text());
	check_rows(&set);
	tensor_set_release(&set);
	json_decref(base);
}

/* Without an alpha, B A is added as it is: each alpha is its rank. */
static void an_alpha_of_zero_scales_nothing(void **state)
{
	struct tensor_set set = { 0 };
	json_t *meta = NULL;

	(void)state;
	build(&(struct fault){ .zero = 1 });
	if (read_made(&set, &meta, NULL))
		fail_msg("%s", err_text());
	assert_true(json_number(meta, "alpha", 0) == RANK);
	json_decref(meta);
	tensor_set_release(&set);
}

static const struct fault bad[] = {
	{ "general.type", .type = "mmproj" },
	{ "general.architecture", .arch = "nothing" },
	{ "general.architecture", .arch = "" },
	{ "adapter.type", .kind = "control_vector" },
	{ "adapter.lora.alpha", .alpha = -1 },
	{ "adapter.lora.alpha", .alpha = 1e30f },
	{ "alora", .token = 1 },
	{ "no such tensor", .name = { "blk.0.ssm_in.weight.lora_a" } },
	{ "no such tensor", .name = { "lora_a.lora_a" } },
	{ "no such tensor", .name = { [1] = "blk.0.attn_q.bias.lora_b" } },
	{ "linear", .name = { "token_embd.weight.lora_a" } },
	{ "linear", .name = { "blk.0.attn_norm.weight.lora_a" } },
	{ "linear", .name = { "output.weight.lora_a" } },
	{ "is no lora_a", .name = { Q ".lora_c" } },
	{ "is no lora_a", .name = { Q } },
	{ "is no lora_a", .name = { ".lora_a" } },
	{ "go together", .name = { "blk.0.ffn_up.weight.lora_a" } },
	{ "go together", .name = { [3] = "blk.1.attn_v.weight.lora_b" } },
	{ "go together", .rows = { RANK + 1 } },
	{ "given twice", .name = { [2] = Q ".lora_a" } },
	{ "whole pairs", .heads = 3 },
	{ "whole pairs", .rows = { [1] = OUT - 1 } },
	{ "whole pairs", .heads = 16 },
	{ "matrix", .format = 26 },
};

static void broken_ones_are_refused(void **state)
{
	(void)state;
	assert_true(NELEM(bad) >= 15);
	for (size_t i = 0; i < NELEM(bad); i++) {
		struct tensor_set set = { 0 };
		int err;

		build(&bad[i]);
		err = read_made(&set, NULL, NULL);
		if (err != E_DATA || !strstr(err_text(), bad[i].word))
			fail_msg("%zu: %d %s, want %s", i, err,
				 err ? err_text() : "", bad[i].word);
		tensor_set_release(&set);
	}
}

static void every_cut_is_refused(void **state)
{
	size_t n;

	(void)state;
	build(&(struct fault){ 0 });
	n = file.n;
	for (size_t i = 4; i < n; i += 1 + i / 50) {
		struct tensor_set set = { 0 };

		file.n = i;
		assert_int_equal(read_made(&set, NULL, NULL), E_DATA);
		tensor_set_release(&set);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_adapter_is_read),
		cmocka_unit_test(the_base_says_what_the_file_does_not),
		cmocka_unit_test(an_alpha_of_zero_scales_nothing),
		cmocka_unit_test(broken_ones_are_refused),
		cmocka_unit_test(every_cut_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
