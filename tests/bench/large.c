/*
 * large - writes a base of a large model's shape, with weights out of noise
 *
 * A Llama as the hub has them: config.json, the matrices by their names and
 * with their roles, gains, an untied head. No checkpoint and no network, and
 * one tensor in memory.
 *
 * Weights are normal. A matrix's spread keeps activations of ordinary size,
 * whatever the shape: 1/sqrt(inputs), and for what adds to the residual stream
 * less, so that all layers together add as much as one. Logits then spread by
 * 1, and the loss of random tokens is near ln(vocabulary) + 1/2.
 *
 * An element is drawn by its number: four of them from one word of 64 bits, a
 * mixed counter (splitmix64: Steele, Lea, Flood 2014), each 12 bits that choose
 * from a table of normal numbers. So the bytes are a function of shape and
 * seed, on any number of threads and any machine.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/opt.h"
#include "base/os.h"
#include "base/par.h"
#include "base/rng.h"
#include "base/sig.h"
#include "base/size.h"
#include "formats/sink.h"

struct shape {
	size_t layers, hidden, inner, heads, vocab;
};

#define SHAPES "tiny|7b|13b|33b|65b"

static const struct shape shapes[] = {
	{ 2, 64, 176, 4, 256 },
	{ 32, 4096, 11008, 32, 32000 },
	{ 40, 5120, 13824, 40, 32000 },
	{ 60, 6656, 17920, 52, 32000 },
	{ 80, 8192, 22016, 64, 32000 },
};

static int shape, type;
static size_t layers;
static uint64_t seed = 42;

static struct opt own[] = {
	{ "shape", 0, OPT_CHOICE, &shape, "NAME", "the model's shape",
	  .choices = SHAPES, .flags = OPT_RECORD },
	{ "layers", 0, OPT_COUNT, &layers, "N",
	  "that many of its layers; 0: all", .flags = OPT_RECORD },
	{ "seed", 0, OPT_SEED, &seed, "N", "of the weights",
	  .flags = OPT_RECORD },
	{ "dtype", 0, OPT_CHOICE, &type, "TYPE", "of the weights",
	  .choices = "bf16|f16", .flags = OPT_RECORD },
	{ 0 }
};

static const struct opt_program program = {
	.name = "large",
	.brief = "write a base of a large model's shape, out of noise",
	.usage = "[option ...]",
	.about = "A base stream of a Llama, for benchmarks.",
	.examples = "large --shape 65b | quantize-nf4 -o 65b.st",
	.own = own,
	.shared = opt_shared,
	.without = "memory config log arch level raw quiet verbose",
};

enum {
	TABLE = 1 << 12,
	SEGMENT = 1 << 18,      /* elements in a task */
};

struct work {
	struct shape s;
	enum dtype dtype;
	struct pool *pool;
	struct sink *out;
	uint16_t *data;         /* room for the largest tensor */
	float normal[TABLE];
	uint16_t table[TABLE];  /* this tensor's values */
	uint64_t key;
	size_t count;
};

/* ---- values ---- */

/* In pairs of opposite sign: the mean is 0 to the bit. */
static void fill_normal(struct work *w)
{
	struct rng r = rng_of(seed, "normal");

	for (size_t i = 0; i < TABLE; i += 2) {
		w->normal[i] = rng_normal(r, i);
		w->normal[i + 1] = -w->normal[i];
	}
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static void draw(void *ctx, size_t task, size_t lane)
{
	const struct work *w = ctx;
	const uint16_t *t = w->table;
	size_t end = size_min(w->count, (task + 1) * SEGMENT);

	(void)lane;
	for (size_t i = task * SEGMENT; i < end; i += 4) {
		uint64_t x = mix(w->key + i / 4 * 0x9e3779b97f4a7c15u);
		uint16_t *to = w->data + i;

		to[0] = t[x % TABLE];
		to[1] = t[x >> 12 & (TABLE - 1)];
		to[2] = t[x >> 24 & (TABLE - 1)];
		to[3] = t[x >> 36 & (TABLE - 1)];
	}
}

/* w->data becomes mean + spread * normal. */
static void fill(struct work *w, const struct tensor *t, float mean,
		 float spread)
{
	uint32_t word[4];
	float x[TABLE];

	for (size_t i = 0; i < TABLE; i++)
		x[i] = mean + spread * w->normal[i];
	(void)dtype_from_f32(w->table, w->dtype, x, TABLE);
	rng_words(rng_of(seed, t->name), 0, word);
	w->key = (uint64_t)word[1] << 32 | word[0];
	w->count = t->count;
	pool_run(w->pool, size_ceil(t->count, SEGMENT), draw, w);
}

/* ---- tensors ---- */

/* Of (rows, cols); cols 0: a vector. Counts are multiples of 4. */
static int put(struct work *w, const char *name, enum tensor_role role,
	       size_t rows, size_t cols, float mean, float spread)
{
	struct tensor t;
	char full[128];
	int err;

	snprintf(full, sizeof(full), "%s.weight", name);
	TRY(tensor_init(&t, full, role, w->dtype, cols ? 2 : 1,
			(size_t[]){ rows, cols }));
	fill(w, &t, mean, spread);
	t.part[0].data = w->data;
	err = sink_tensor(w->out, &t);
	t.part[0].data = NULL;  /* it is ours */
	tensor_release(&t);
	return err;
}

static int put_norm(struct work *w, const char *name)
{
	return put(w, name, ROLE_NORM, w->s.hidden, 0, 1, 0.1f);
}

static int put_linear(struct work *w, size_t layer, const char *name,
		      size_t rows, size_t cols, size_t shares)
{
	char full[96];

	snprintf(full, sizeof(full), "model.layers.%zu.%s", layer, name);
	return put(w, full, ROLE_LINEAR, rows, cols, 0,
		   1 / sqrtf((float)(cols * shares)));
}

static int put_layer(struct work *w, size_t i)
{
	size_t h = w->s.hidden, inner = w->s.inner, adds = 2 * w->s.layers;
	char norm[96];

	snprintf(norm, sizeof(norm), "model.layers.%zu.input_layernorm", i);
	TRY(put_norm(w, norm));
	TRY(put_linear(w, i, "self_attn.q_proj", h, h, 1));
	TRY(put_linear(w, i, "self_attn.k_proj", h, h, 1));
	TRY(put_linear(w, i, "self_attn.v_proj", h, h, 1));
	TRY(put_linear(w, i, "self_attn.o_proj", h, h, adds));
	snprintf(norm, sizeof(norm),
		 "model.layers.%zu.post_attention_layernorm", i);
	TRY(put_norm(w, norm));
	TRY(put_linear(w, i, "mlp.gate_proj", inner, h, 1));
	TRY(put_linear(w, i, "mlp.up_proj", inner, h, 1));
	return put_linear(w, i, "mlp.down_proj", h, inner, adds);
}

static int put_config(struct work *w)
{
	const struct shape *s = &w->s;
	char text[1024];
	struct tensor t;
	size_t n = (size_t)snprintf(text, sizeof(text),
		"{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": "
		"\"llama\", \"hidden_act\": \"silu\", \"hidden_size\": %zu, "
		"\"intermediate_size\": %zu, \"num_attention_heads\": %zu, "
		"\"num_key_value_heads\": %zu, \"num_hidden_layers\": %zu, "
		"\"rms_norm_eps\": 1e-5, \"rope_theta\": 10000, "
		"\"max_position_embeddings\": 4096, \"vocab_size\": %zu, "
		"\"tie_word_embeddings\": false}\n",
		s->hidden, s->inner, s->heads, s->heads, s->layers, s->vocab);
	int err;

	TRY(tensor_init(&t, "file/config.json", ROLE_BLOB, DTYPE_U8, 1, &n));
	t.part[0].data = text;
	err = sink_tensor(w->out, &t);
	t.part[0].data = NULL;
	tensor_release(&t);
	return err;
}

static int put_base(struct work *w)
{
	const struct shape *s = &w->s;

	TRY(sink_head(w->out, STREAM_BASE));
	TRY(put_config(w));
	TRY(put(w, "model.embed_tokens", ROLE_EMBED, s->vocab, s->hidden, 0,
		0.02f));
	for (size_t i = 0; i < s->layers; i++)
		TRY(put_layer(w, i));
	TRY(put_norm(w, "model.norm"));
	TRY(put(w, "lm_head", ROLE_HEAD, s->vocab, s->hidden, 0,
		1 / sqrtf((float)s->hidden)));
	TRY(sink_provenance(w->out, &program, NULL, 0));
	return sink_end(w->out, NULL);
}

/* ---- the program ---- */

static int run(struct work *w)
{
	size_t most;
	int err;

	w->s = shapes[shape];
	w->s.layers = layers ? layers : w->s.layers;
	w->dtype = type ? DTYPE_F16 : DTYPE_BF16;
	most = w->s.hidden * size_max(w->s.vocab, w->s.inner) * 2;
	TRY(pool_new(&w->pool, opt_common.threads ? opt_common.threads :
						    os_cpus()));
	w->data = os_pages(most);
	if (!w->data)
		return err_set(E_NOMEM, "out of memory");
	fill_normal(w);
	TRY(sink_open(&w->out, opt_common.output, &(struct sink_options){ 0 }));
	err = put_base(w);
	if (!err)
		return sink_close(w->out);
	sink_abort(w->out, err, program.name);
	return err;
}

int main(int argc, char **argv)
{
	static struct work w;
	char **operands;
	size_t noperand;
	int done, err;

	sig_init();
	err = opt_parse(&program, argc, argv, &operands, &noperand, &done);
	if (done)
		return err;
	if (!err && noperand)
		err = err_set(E_USAGE, "%s: no operand is read", *operands);
	if (!err)
		err = run(&w);
	if (err)
		fprintf(stderr, "%s: %s\n", program.name, err_text());
	pool_free(w.pool);
	return err;
}
