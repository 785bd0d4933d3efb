/* A program's gradients are the slope of its loss; a cache goes on as one
 * pass. On the small models of golden/A. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "golden.h"
#include "model.h"
#include "trace.h"
#include "slope.h"

static void gradients_are_the_slope(void **state)
{
	static const char *const modules[] = {
		"model.embed_tokens", "model.layers.0.self_attn.q_proj",
		"model.layers.0.self_attn.k_proj",
		"model.layers.0.self_attn.v_proj",
		"model.layers.0.self_attn.o_proj",
		"model.layers.0.mlp.gate_proj", "model.layers.0.mlp.up_proj",
		"model.layers.0.mlp.down_proj", "lm_head",
	};
	static const char *const on[] = { "A/llama", "A/llama3_tied",
					  "A/mistral", "A/qwen3" };

	(void)state;
	for (size_t k = 0; k < sizeof(on) / sizeof(on[0]); k++)
		for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]);
		     i++) {
			struct golden g;
			struct model m;
			struct model_batch b;

			golden_case(&g, on[k]);
			model_open(&m, on[k], 2);
			model_batch(&b, &g, 0, model_sequences(&g));
			adapt_one(&m, modules[i], "full");
			check_slope(&m, &b, modules[i], 2e-4f);
			model_batch_release(&b);
			model_close(&m);
			golden_close(&g);
		}
}

static void lora_at_the_head_is_the_slope(void **state)
{
	struct golden g;
	struct model m;
	struct model_batch b;
	struct adapter *a;

	(void)state;
	golden_case(&g, "A/llama3_tied");
	model_open(&m, "A/llama3_tied", 2);
	model_batch(&b, &g, 0, model_sequences(&g));
	adapt_one(&m, "lm_head", "lora");
	a = &m.adapters.at[0];
	for (size_t i = 0; i < a->out * a->rank; i++)
		a->param[1].at[i] = (float)((int)(i * 7 % 11) - 5) / 64;
	check_slope(&m, &b, "lm_head, LoRA", 2e-4f);
	a->dropout = 0.1f;
	assert_int_equal(program_adapt(m.p, &m.adapters), E_CONFIG);
	model_batch_release(&b);
	model_close(&m);
	golden_close(&g);
}

/* Of layers, beside any kind, and of norms. */
static void biases_are_the_slope(void **state)
{
	static const struct {
		const char *on, *module, *kind;
		size_t out, in;
		enum tensor_role role;
	} at[] = {
		{ "A/gpt2", "transformer.h.0.ln_1", "bias", 64, 1, ROLE_NORM },
		{ "A/gpt2", "transformer.ln_f", "bias", 64, 1, ROLE_NORM },
		{ "A/gpt2", "transformer.h.0.attn.c_attn", "bias", 192, 64,
		  ROLE_LINEAR },
		{ "A/gpt2", "transformer.h.1.mlp.c_fc", "dora", 96, 64,
		  ROLE_LINEAR },
		{ "A/qwen2", "model.layers.0.self_attn.k_proj", "full", 32, 64,
		  ROLE_LINEAR },
		{ "A/qwen2", "model.layers.0.self_attn.q_proj", "lora_bias",
		  64, 64, ROLE_LINEAR },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		struct adapter_options o = { .kind = at[i].kind, .rank = 4,
					     .alpha = 8, .bias = 1 };
		struct adapter_site site = { at[i].module, at[i].out,
					     at[i].in, at[i].role, .bias = 1 };
		struct golden g;
		struct model m;
		struct model_batch b;

		golden_case(&g, at[i].on);
		model_open(&m, at[i].on, 2);
		model_batch(&b, &g, 0, model_sequences(&g));
		assert_int_equal(adapter_set_add(&m.adapters, &site, &o), 0);
		assert_int_equal(adapter_set_place(&m.adapters, 1), 0);
		assert_int_equal(adapter_set_init(&m.adapters, &m.base, 1), 0);
		assert_int_equal(program_adapt(m.p, &m.adapters), 0);
		check_slope(&m, &b, at[i].module, 2e-4f);
		model_batch_release(&b);
		model_close(&m);
		golden_close(&g);
	}
}

/* Every kind that can be there: A zero at first, so it is stirred. */
static void adapters_at_the_embedding_are_the_slope(void **state)
{
	struct golden g;
	struct model m;
	struct model_batch b;
	struct adapter *a;

	(void)state;
	golden_case(&g, "A/llama3_tied");
	model_open(&m, "A/llama3_tied", 2);
	model_batch(&b, &g, 0, model_sequences(&g));
	adapt_one(&m, "model.embed_tokens", "lora");
	a = &m.adapters.at[0];
	for (size_t i = 0; i < a->out * a->rank; i++)
		a->param[0].at[i] = (float)((int)(i * 7 % 11) - 5) / 64;
	check_slope(&m, &b, "embedding, LoRA", 2e-4f);
	model_batch_release(&b);
	model_close(&m);
	golden_close(&g);
}

/* Three that are in the batch. */
static json_t *some_tokens(const struct batch *b)
{
	json_t *list = json_array();

	for (size_t i = 0; i < b->n && json_array_size(list) < 3; i++) {
		size_t k = 0;

		while (k < i && b->id[k] != b->id[i])
			k++;
		if (k == i)
			json_array_append_new(list, json_integer(b->id[i]));
	}
	return list;
}

/* Some rows of an embedding that is also the head, and those of the head. */
static void rows_of_tokens_are_the_slope(void **state)
{
	static const char *const on[][2] = {
		{ "A/llama3_tied", "model.embed_tokens" },
		{ "A/llama", "model.embed_tokens" }, { "A/llama", "lm_head" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++) {
		struct golden g;
		struct model m;
		struct model_batch b;
		json_t *config;

		golden_case(&g, on[i][0]);
		model_open(&m, on[i][0], 2);
		model_batch(&b, &g, 0, model_sequences(&g));
		config = json_pack("{s:{s:o}}", "trainable_token_indices",
				   on[i][1], some_tokens(&b.batch));
		adapt_with(&m, on[i][1], "tokens", config);
		check_slope(&m, &b, on[i][1], 2e-4f);
		json_decref(config);
		model_batch_release(&b);
		model_close(&m);
		golden_close(&g);
	}
}

/* ---- families that are built otherwise ---- */

/* llama.arch with another block. */
static char *with_block(const char *block)
{
	const char *text = NULL, *head, *tail;
	char *to;

	for (size_t i = 0; i < family_nbuiltin; i++)
		if (!strcmp(family_builtin[i].name, "llama"))
			text = family_builtin[i].text;
	assert_non_null(text);
	head = strstr(text, "\nblock\n");
	tail = strstr(text, "\ntail\n");
	assert_true(head && tail);
	to = calloc(1, strlen(text) + strlen(block) + 1);
	sprintf(to, "%.*s\nblock\n%s%s", (int)(head - text), text, block,
		tail);
	return to;
}

#define ATTENTION                                                        \
	"\tlinear h -> q q\n\tlinear h -> k k\n\tlinear h -> v v\n"        \
	"\trope q -> q head_dim rope\n\trope k -> k head_dim rope\n"       \
	"\tattend q k v -> a head_dim scale window\n\tlinear a -> a o\n"
#define FEED                                                             \
	"\tlinear h -> g gate\n\tlinear h -> u up\n"                       \
	"\tswiglu g u -> m\n\tlinear m -> d down\n"

#define PAIRS                                                            \
	"\tlinear h -> q q\n\tlinear h -> k k\n\tlinear h -> v v\n"        \
	"\trope_pairs q -> q head_dim rope\n"                             \
	"\trope_pairs k -> k head_dim rope\n"                             \
	"\tattend q k v -> a head_dim scale window\n\tlinear a -> a o\n"

static const char *const blocks[][2] = {
	{ "rope of pairs",
	  "\trmsnorm x -> h attn_norm eps\n" PAIRS "\tadd x a -> x\n"
	  "\trmsnorm x -> h ffn_norm eps\n" FEED "\tadd x d -> x\n" },
	{ "parallel residuals, one norm after the other",
	  "\trmsnorm x -> h attn_norm eps\n" ATTENTION
	  "\trmsnorm x -> h ffn_norm eps\n" FEED
	  "\tadd x a -> x\n\tadd x d -> x\n" },
	{ "parallel residuals, added to each other first",
	  "\trmsnorm x -> h attn_norm eps\n" ATTENTION
	  "\trmsnorm x -> h ffn_norm eps\n" FEED
	  "\tadd d a -> d\n\tadd d x -> x\n" },
	{ "norms behind the branches",
	  "\trmsnorm x -> h attn_norm eps\n" ATTENTION
	  "\tadd x a -> x\n" "\trmsnorm x -> h ffn_norm eps\n" FEED
	  "\trmsnorm d -> d ffn_norm eps\n\tadd d x -> x\n" },
	{ "a rotated branch in the residual",
	  "\trmsnorm x -> h attn_norm eps\n\trope h -> r head_dim rope\n"
	  "\tadd x r -> x\n" ATTENTION "\tadd x a -> x\n"
	  "\trmsnorm x -> h ffn_norm eps\n" FEED "\tadd x d -> x\n" },
	{ "a residual doubled",
	  "\trmsnorm x -> h attn_norm eps\n" ATTENTION
	  "\tadd x x -> x\n\tadd x a -> x\n"
	  "\trmsnorm x -> h ffn_norm eps\n" FEED "\tadd x d -> x\n" },
	{ "an early value read late",
	  "\trmsnorm x -> h attn_norm eps\n" ATTENTION
	  "\tadd x a -> y\n\trmsnorm y -> h ffn_norm eps\n" FEED
	  "\tadd y d -> y\n\tadd y a -> y\n\tadd y x -> x\n" },
};

static void any_order_of_steps_has_its_slope(void **state)
{
	static const char *const modules[] = {
		"model.embed_tokens", "model.layers.0.self_attn.v_proj",
		"model.layers.0.mlp.up_proj",
	};

	(void)state;
	for (size_t k = 0; k < sizeof(blocks) / sizeof(blocks[0]); k++)
		for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]);
		     i++) {
			struct golden g;
			struct model m = { 0 };
			struct model_batch b;
			char *arch = with_block(blocks[k][1]);

			golden_case(&g, "A/llama");
			model_base(&m.base, "A/llama");
			assert_int_equal(pool_new(&m.pool, 2), 0);
			if (program_open(&m.p, &m.base, arch))
				fail_msg("%s", err_text());
			model_batch(&b, &g, 0, model_sequences(&g));
			adapt_one(&m, modules[i], "full");
			print_message("%s: ", blocks[k][0]);
			check_slope(&m, &b, modules[i], 2e-4f);
			model_batch_release(&b);
			model_close(&m);
			golden_close(&g);
			free(arch);
		}
}

/* ---- the cache ---- */

struct feed {
	struct model *m;
	const struct model_batch *b;
	struct kv_cache *kv;
};

/* Tokens [first, last) of the batch's only sequence, into slot. */
static struct mat feed(const struct feed *f, size_t slot, size_t first,
		       size_t last)
{
	size_t start[2] = { 0, last - first };
	struct batch b = f->b->batch;
	struct program_pass pass = { .batch = &b, .kv = f->kv,
				     .slot = &slot };

	b.n = last - first;
	b.id += first;
	b.pos = NULL;
	b.start = start;
	return program_forward(f->m->p, &pass);
}

static void check_cache(struct feed *f, const struct trace *whole)
{
	size_t n = f->b->batch.n, cols = program_hidden(f->m->p);
	size_t cut[] = { 0, 5, 6, 7, 13, n };

	for (size_t i = 0; i + 1 < sizeof(cut) / sizeof(cut[0]); i++) {
		struct mat last = feed(f, 1, cut[i], cut[i + 1]);

		assert_memory_equal(last.at, whole->last + cut[i] * cols,
				    last.rows * cols * sizeof(float));
		assert_int_equal(kv_cache_len(f->kv, 1), cut[i + 1]);
	}
	/* Another sequence goes on from a part of it; it starts again. */
	kv_cache_fork(f->kv, 0, 1, 9);
	assert_memory_equal(feed(f, 0, 9, n).at, whole->last + 9 * cols,
			    (n - 9) * cols * sizeof(float));
	kv_cache_truncate(f->kv, 1, 3);
	assert_memory_equal(feed(f, 1, 3, 8).at, whole->last + 3 * cols,
			    5 * cols * sizeof(float));
}

static void a_cache_continues_as_one_pass(void **state)
{
	(void)state;
	for (size_t k = 0; k < NMODEL; k++) {
		struct golden g;
		struct model m;
		struct model_batch b;
		struct trace whole;
		struct feed f = { &m, &b, NULL };

		golden_case(&g, models[k]);
		model_open(&m, models[k], 2);
		model_batch(&b, &g, 0, 1);
		plan(&m, b.batch.n, 0, 0);
		trace(&m, &b, 0, &whole);
		assert_int_equal(kv_cache_new(&f.kv, m.p, 2, b.batch.n), 0);
		assert_int_equal(f.kv ? 1 : 0, 1);
		check_cache(&f, &whole);
		kv_cache_free(f.kv);
		trace_release(&whole);
		model_batch_release(&b);
		model_close(&m);
		golden_close(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradients_are_the_slope),
		cmocka_unit_test(lora_at_the_head_is_the_slope),
		cmocka_unit_test(adapters_at_the_embedding_are_the_slope),
		cmocka_unit_test(rows_of_tokens_are_the_slope),
		cmocka_unit_test(biases_are_the_slope),
		cmocka_unit_test(any_order_of_steps_has_its_slope),
		cmocka_unit_test(a_cache_continues_as_one_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
