/* A GGUF as a source: names, order, rows, types and files of Hugging Face */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/half.h"
#include "base/json.h"
#include "base/size.h"
#include "formats/source.h"
#include "formats/tokenizer.h"
#include "tests/unit/gguf_made.h"

enum { HIDDEN = 32, HEADS = 2, FFN = 64, KV = 1, DIM = 16, VOCAB = 8 };
enum { F32 = 0, F16 = 1, Q4_0 = 2, Q4_1 = 3, Q8_0 = 8, BF16 = 30 };

static struct made file;
static uint64_t place;

static void whole(const char *key, uint32_t v)
{
	text(&file, key);
	u32(&file, 4);
	u32(&file, v);
}

static void real(const char *key, float v)
{
	text(&file, key);
	u32(&file, 6);
	put(&file, &v, 4);
}

static void string(const char *key, const char *v)
{
	text(&file, key);
	u32(&file, 8);
	text(&file, v);
}

static size_t bytes_of(size_t count, uint32_t type)
{
	return type == F32 ? count * 4 : type == F16 || type == BF16 ?
	       count * 2 : type == Q4_0 ? count / 32 * 18 :
	       type == Q4_1 ? count / 32 * 20 : count / 32 * 34;
}

static void add(const char *name, size_t rows, size_t cols, uint32_t type)
{
	text(&file, name);
	u32(&file, rows ? 2 : 1);
	u64(&file, cols);
	if (rows)
		u64(&file, rows);
	u32(&file, type);
	u64(&file, place);
	place += size_align(bytes_of((rows ? rows : 1) * cols, type), 32);
}

static void texts(const char *key, const char *const *v, size_t n)
{
	text(&file, key);
	u32(&file, 9);
	u32(&file, 8);
	u64(&file, n);
	for (size_t i = 0; i < n; i++)
		text(&file, v[i]);
}

static void put_config(void)
{
	string("general.architecture", "llama");
	whole("llama.embedding_length", HIDDEN);
	whole("llama.feed_forward_length", FFN);
	whole("llama.block_count", 1);
	whole("llama.attention.head_count", HEADS);
	whole("llama.attention.head_count_kv", KV);
	whole("llama.context_length", 77);
	real("llama.attention.layer_norm_rms_epsilon", 1e-5f);
	real("llama.rope.freq_base", 500000);
}

static void put_tokenizer(void)
{
	static const char *const token[VOCAB] = {
		"<s>", "</s>", "a", "b", "c", "ab", "abc", "1",
	};
	static const char *const merge[] = { "a b", "ab c" };

	string("tokenizer.ggml.model", "gpt2");
	string("tokenizer.ggml.pre", "smollm");
	texts("tokenizer.ggml.tokens", token, VOCAB);
	texts("tokenizer.ggml.merges", merge, 2);
	text(&file, "tokenizer.ggml.token_type");
	u32(&file, 9);
	u32(&file, 5);
	u64(&file, VOCAB);
	for (uint32_t i = 0; i < VOCAB; i++)
		u32(&file, i < 2 ? 3 : 1);
	whole("tokenizer.ggml.bos_token_id", 0);
	whole("tokenizer.ggml.eos_token_id", 1);
}

/* Head first: the order of the tensors is not that of the stream. */
static void put_tensors(void)
{
	place = 0;
	add("output.weight", VOCAB, HIDDEN, F16);
	add("output_norm.weight", 0, HIDDEN, F32);
	add("blk.0.attn_q.weight", HEADS * DIM, HIDDEN, Q8_0);
	add("blk.0.attn_k.weight", KV * DIM, HIDDEN, F32);
	add("blk.0.attn_v.weight", KV * DIM, HIDDEN, Q4_0);
	add("blk.0.attn_output.weight", HIDDEN, HEADS * DIM, Q4_1);
	add("blk.0.ffn_gate.weight", FFN, HIDDEN, BF16);
	add("blk.0.ffn_up.weight", FFN, HIDDEN, F32);
	add("blk.0.ffn_down.weight", HIDDEN, FFN, F32);
	add("blk.0.attn_norm.weight", 0, HIDDEN, F32);
	add("blk.0.ffn_norm.weight", 0, HIDDEN, F32);
	add("token_embd.weight", VOCAB, HIDDEN, F32);
}

enum { Q_AT = VOCAB * HIDDEN * 2 + HIDDEN * 4,
       K_AT = Q_AT + HEADS * DIM * 34 };

/* Row r of q holds d = 1 and codes r; row r of k holds r + 0.5. */
static void put_data(void)
{
	size_t start;

	while (file.n % 32)
		put(&file, "", 1);
	start = file.n;
	for (size_t i = 0; i < place; i++)
		put(&file, "", 1);
	for (size_t r = 0; r < HEADS * DIM; r++) {
		unsigned char *row = file.at + start + Q_AT + r * 34;
		uint16_t d = f16_from_f32(1);

		memcpy(row, &d, 2);
		memset(row + 2, (int)r, 32);
	}
	for (size_t i = 0; i < KV * DIM * HIDDEN; i++) {
		float x = (float)(i / HIDDEN) + 0.5f;

		memcpy(file.at + start + K_AT + i * 4, &x, 4);
	}
}

static char path[] = "/tmp/format-gguf-XXXXXX";

static struct source *open_made(void)
{
	char *paths[] = { path, NULL };
	static char *kept[2];
	struct source *s;
	int fd;

	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, file.at, file.n), file.n);
	close(fd);
	memcpy(kept, paths, sizeof(paths));
	assert_int_equal(source_open(&s, kept), 0);
	return s;
}

static void build(void)
{
	head(&file, 12, 16);
	put_config();
	put_tokenizer();
	put_tensors();
	put_data();
}

static void read_all(struct tensor_set *set, char *order, size_t size)
{
	struct source *s = open_made();
	struct item item;
	int err;

	*order = 0;
	for (;;) {
		err = source_next(s, &item);
		if (err)
			fail_msg("%s", err_text());
		if (item.kind == ITEM_NONE)
			break;
		if (item.kind != ITEM_TENSOR)
			continue;
		assert_true(strlen(order) + strlen(item.tensor->name) + 2 <
			    size);
		strcat(strcat(order, item.tensor->name), " ");
		assert_int_equal(source_load(s), 0);
		assert_int_equal(tensor_set_take(set, item.tensor), 0);
	}
	source_close(s);
	unlink(path);
}

static void names_order_and_types_are_hugging_faces(void **state)
{
	struct tensor_set set = { 0 };
	char order[4096];

	(void)state;
	build();
	read_all(&set, order, sizeof(order));
	assert_string_equal(order,
		"file/config.json file/generation_config.json "
		"file/tokenizer.json file/tokenizer_config.json "
		"model.embed_tokens.weight "
		"model.layers.0.input_layernorm.weight "
		"model.layers.0.self_attn.q_proj.weight "
		"model.layers.0.self_attn.k_proj.weight "
		"model.layers.0.self_attn.v_proj.weight "
		"model.layers.0.self_attn.o_proj.weight "
		"model.layers.0.post_attention_layernorm.weight "
		"model.layers.0.mlp.gate_proj.weight "
		"model.layers.0.mlp.up_proj.weight "
		"model.layers.0.mlp.down_proj.weight "
		"model.norm.weight lm_head.weight ");
	assert_int_equal(set.at[6].dtype, DTYPE_BF16);
	assert_int_equal(set.at[7].dtype, DTYPE_F32);
	assert_int_equal(set.at[11].dtype, DTYPE_BF16);
	assert_int_equal(set.at[15].dtype, DTYPE_F16);
	assert_int_equal(set.at[15].role, ROLE_HEAD);
	assert_int_equal(set.at[5].role, ROLE_NORM);
	tensor_set_release(&set);
}

/* llama.cpp's row 2j + s of a head is Hugging Face's row j + s d / 2. */
static void rows_of_queries_and_keys_are_put_back(void **state)
{
	struct tensor_set set = { 0 };
	const uint16_t *q;
	const float *k;
	char order[4096];

	(void)state;
	build();
	read_all(&set, order, sizeof(order));
	q = tensor_set_find(&set, "model.layers.0.self_attn.q_proj.weight")
		->part[0].data;
	k = tensor_set_find(&set, "model.layers.0.self_attn.k_proj.weight")
		->part[0].data;
	for (size_t h = 0; h < HEADS; h++)
		for (size_t j = 0; j < DIM / 2; j++)
			for (size_t s = 0; s < 2; s++) {
				size_t to = h * DIM + s * DIM / 2 + j;
				size_t from = h * DIM + 2 * j + s;

				assert_true(f32_from_bf16(q[to * HIDDEN]) ==
					    (float)from);
				if (h < KV)
					assert_true(k[to * HIDDEN + 5] ==
						    (float)from + 0.5f);
			}
	tensor_set_release(&set);
}

static void config_says_what_the_metadata_says(void **state)
{
	struct tensor_set set = { 0 };
	const struct tensor *t;
	char order[4096];
	json_t *c;

	(void)state;
	build();
	read_all(&set, order, sizeof(order));
	t = tensor_set_find(&set, "file/config.json");
	assert_int_equal(json_parse(&c, t->part[0].data, t->part[0].bytes), 0);
	assert_string_equal(json_text(c, "model_type", ""), "llama");
	assert_true(json_number(c, "hidden_size", 0) == HIDDEN);
	assert_true(json_number(c, "head_dim", 0) == DIM);
	assert_true(json_number(c, "rms_norm_eps", 0) == 1e-5);
	assert_true(json_number(c, "rope_theta", 0) == 500000);
	assert_true(json_number(c, "max_position_embeddings", 0) == 77);
	assert_false(json_flag(c, "tie_word_embeddings", 1));
	json_decref(c);
	tensor_set_release(&set);
}

static void the_tokenizer_works(void **state)
{
	struct tensor_set set = { 0 };
	const struct tensor *t, *c;
	struct tokenizer *tok;
	struct ids ids = { 0 };
	static const uint32_t want[] = { 0, 6, 7, 7, 5, 1 };
	char order[4096];

	(void)state;
	build();
	read_all(&set, order, sizeof(order));
	t = tensor_set_find(&set, "file/tokenizer.json");
	c = tensor_set_find(&set, "file/tokenizer_config.json");
	assert_int_equal(tokenizer_new(&tok, t->part[0].data, t->part[0].bytes,
				       c->part[0].data, c->part[0].bytes), 0);
	assert_int_equal(tokenizer_encode(tok, "<s>abc11ab</s>", 14, 1, &ids),
			 0);
	assert_int_equal(ids.n, NELEM(want));
	assert_memory_equal(ids.at, want, sizeof(want));
	assert_int_equal(tokenizer_eos(tok), 1);
	ids_release(&ids);
	tokenizer_free(tok);
	tensor_set_release(&set);
}

/* The first error of a made file. */
static int error_of(void)
{
	struct source *s = open_made();
	struct item item;
	int err;

	do
		err = source_next(s, &item);
	while (!err && item.kind != ITEM_NONE);
	source_close(s);
	unlink(path);
	return err;
}

static void replace(const char *from, const char *to)
{
	size_t n = strlen(from);

	for (size_t i = 0; i + n < file.n; i++)
		if (!memcmp(file.at + i, from, n)) {
			memcpy(file.at + i, to, n);
			return;
		}
	fail();
}

static void what_is_not_understood_is_refused(void **state)
{
	static const struct {
		const char *from, *to, *says;
	} fault[] = {
		{ "llama", "lxama", "lxama" },
		{ "llama.block_count", "llama.block_c0unt", "block_count" },
		{ "blk.0.ffn_up", "blk.0.ffn_u2", "ffn_u2" },
		{ "blk.0.ffn_up", "blk.7.ffn_up", "layers.7" },
		{ "smollm", "smo11m", "smo11m" },
		{ "gpt2", "bert", "bert" },
		{ "ab c", "abcd", "merge 1" },
		{ "token_embd", "token_embx", "token_embd" },
		{ "llama.rope.freq_base", "llama.logit_scale_by",
		  "llama.logit_scale_by may change" },
		{ "llama.context_length", "llama.expert_of_each",
		  "llama.expert_of_each may change" },
		{ "llama", "mamba", "mamba is a state space model" },
		{ "llama", "olmoe", "olmoe is a mixture of experts" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(fault); i++) {
		build();
		replace(fault[i].from, fault[i].to);
		assert_int_equal(error_of(), E_DATA);
		if (!strstr(err_text(), fault[i].says))
			fail_msg("%s: %s", fault[i].to, err_text());
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_order_and_types_are_hugging_faces),
		cmocka_unit_test(rows_of_queries_and_keys_are_put_back),
		cmocka_unit_test(config_says_what_the_metadata_says),
		cmocka_unit_test(the_tokenizer_works),
		cmocka_unit_test(what_is_not_understood_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
