/*
 * layers [-j N] [-s SECONDS] [-t TOKENS] [word ...] - a layer of a large model
 *
 * A Llama layer in NF4 with LoRA r=8 on all of its matrices, forward and
 * backward. For each number of tokens (one sequence): the frozen products'
 * GFLOP/s (their adapters' time counts, their flops do not), its share of the
 * peak measured in between, and the same for the whole layer, whose attention
 * is time but no flops either. Words choose shapes. Weights are noise.
 */
#include <string.h>

#include "adapt/spec.h"
#include "arch/program.h"
#include "tests/bench/bench.h"

static double seconds = 1;      /* at least, for each line */

struct size {
	const char *name;
	size_t hidden, inner, heads, kv;
};

static const struct size sizes[] = {
	{ "135M", 576, 1536, 9, 3 },
	{ "7B", 4096, 11008, 32, 32 },
	{ "13B", 5120, 13824, 40, 40 },
	{ "33B", 6656, 17920, 52, 52 },
	{ "65B", 8192, 22016, 64, 64 },
};

struct layer {
	struct tensor_set base;
	struct adapter_sites sites;
	struct adapter_set set;
	struct program *program;
	size_t hidden;
	double forward, backward;       /* flops a token */
};

static void take(struct layer *l, struct tensor *t)
{
	if (tensor_set_take(&l->base, t))
		fail("tensor");
}

static void add_matrix(struct layer *l, const char *name, enum tensor_role r,
		       const char *kind, size_t rows, size_t cols)
{
	char full[128];
	struct tensor t;

	snprintf(full, sizeof(full), "model.%s.weight", name);
	make(&t, full, r, kind, rows, cols);
	/* Scales of an ordinary size. */
	for (int i = 0; i < t.nnode; i++)
		if (t.node[i].kind == STORE_CONST)
			t.node[i].value = 0.02;
	for (int i = 0; i < t.npart; i++)
		if (t.part[i].dtype == DTYPE_F32)
			fill_part(&t.part[i], 0.005f);
	take(l, &t);
}

static void add_norm(struct layer *l, const char *name, size_t n)
{
	struct tensor t;
	char full[128];

	snprintf(full, sizeof(full), "model.%s.weight", name);
	if (tensor_init(&t, full, ROLE_NORM, DTYPE_F32, 1, &n) ||
	    tensor_alloc(&t))
		fail("tensor");
	for (size_t i = 0; i < n; i++)
		((float *)t.part[0].data)[i] = 1;
	take(l, &t);
}

enum { VOCAB = 64 };

static void add_config(struct layer *l, const struct size *s)
{
	char text[1024];
	size_t n = (size_t)snprintf(text, sizeof(text),
		"{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": "
		"\"llama\", \"hidden_act\": \"silu\", \"hidden_size\": %zu, "
		"\"intermediate_size\": %zu, \"num_attention_heads\": %zu, "
		"\"num_key_value_heads\": %zu, \"num_hidden_layers\": 1, "
		"\"rms_norm_eps\": 1e-5, \"rope_theta\": 10000, "
		"\"max_position_embeddings\": 4096, \"vocab_size\": %d, "
		"\"tie_word_embeddings\": true}",
		s->hidden, s->inner, s->heads, s->kv, VOCAB);
	struct tensor t;

	if (tensor_init(&t, "file/config.json", ROLE_BLOB, DTYPE_U8, 1, &n) ||
	    tensor_alloc(&t))
		fail("config");
	memcpy(t.part[0].data, text, n);
	take(l, &t);
}

static void add_layer(struct layer *l, const struct size *s)
{
	size_t h = s->hidden, kv = h / s->heads * s->kv;

	add_matrix(l, "embed_tokens", ROLE_EMBED, "bf16", VOCAB, h);
	add_norm(l, "layers.0.input_layernorm", h);
	add_matrix(l, "layers.0.self_attn.q_proj", ROLE_LINEAR, "nf4", h, h);
	add_matrix(l, "layers.0.self_attn.k_proj", ROLE_LINEAR, "nf4", kv, h);
	add_matrix(l, "layers.0.self_attn.v_proj", ROLE_LINEAR, "nf4", kv, h);
	add_matrix(l, "layers.0.self_attn.o_proj", ROLE_LINEAR, "nf4", h, h);
	add_norm(l, "layers.0.post_attention_layernorm", h);
	add_matrix(l, "layers.0.mlp.gate_proj", ROLE_LINEAR, "nf4", s->inner,
		   h);
	add_matrix(l, "layers.0.mlp.up_proj", ROLE_LINEAR, "nf4", s->inner, h);
	add_matrix(l, "layers.0.mlp.down_proj", ROLE_LINEAR, "nf4", h,
		   s->inner);
	add_norm(l, "norm", h);
	/* Nothing is trained below q, k and v: their input has no gradient. */
	l->forward = 2.0 * (double)(2 * h * h + 2 * kv * h + 3 * h * s->inner);
	l->backward = 2.0 * (double)(h * h + 3 * h * s->inner);
}

static void adapt(struct layer *l)
{
	json_t *config = json_pack("{s:s, s:i, s:i, s:s}", "kind", "lora", "r",
				   8, "alpha", 16, "target_modules",
				   "all-linear");

	for (size_t i = 0; i < l->base.n; i++)
		if (adapter_sites_add(&l->sites, &l->base.at[i]))
			fail("adapter");
	if (!config || adapter_set_make(&l->set, config, &l->sites) ||
	    adapter_set_place(&l->set, 1) ||
	    adapter_set_init(&l->set, &l->base, 1) ||
	    program_adapt(l->program, &l->set))
		fail("adapter");
	json_decref(config);
}

static void layer_open(struct layer *l, const struct size *s)
{
	*l = (struct layer){ .hidden = s->hidden };
	add_config(l, s);
	add_layer(l, s);
	if (program_open(&l->program, &l->base, NULL))
		fail("program");
	adapt(l);
}

static void layer_close(struct layer *l)
{
	program_free(l->program);
	adapter_set_release(&l->set);
	adapter_sites_release(&l->sites);
	tensor_set_release(&l->base);
}

/* ---- timing ---- */

struct sequence {
	struct batch batch;
	uint32_t *id, *pos;
	int32_t *target;
	size_t start[2];
	uint64_t sample;
	float *dlast;
};

static void sequence_make(struct sequence *s, size_t n, size_t hidden)
{
	*s = (struct sequence){ .start = { 0, n } };
	s->id = room(n * sizeof(*s->id));
	s->pos = room(n * sizeof(*s->pos));
	s->target = room(n * sizeof(*s->target));
	s->dlast = room(n * hidden * sizeof(float));
	for (size_t i = 0; i < n; i++) {
		s->id[i] = (uint32_t)(i * 7 % VOCAB);
		s->pos[i] = (uint32_t)i;
	}
	s->batch = (struct batch){ n, 1, s->id, s->pos, s->start, &s->sample,
				   s->target, n };
}

static void sequence_free(struct sequence *s, size_t hidden)
{
	size_t n = s->batch.n;

	os_pages_free(s->id, n * sizeof(*s->id) + 64);
	os_pages_free(s->pos, n * sizeof(*s->pos) + 64);
	os_pages_free(s->target, n * sizeof(*s->target) + 64);
	os_pages_free(s->dlast, n * hidden * sizeof(float) + 64);
}

static double linear_seconds(struct program *p)
{
	size_t n;
	const struct program_time *t = program_profile(p, &n);
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		if (!strcmp(t[i].op, "linear"))
			sum += t[i].forward + t[i].backward;
	return sum;
}

/* Seconds of a turn, and of its products. */
static void turn(struct layer *l, struct sequence *s, double *all,
		 double *products)
{
	struct program_pass pass = { .batch = &s->batch, .train = 1 };
	struct mat d = mat_of(s->dlast, s->batch.n, l->hidden);
	double start;

	for (size_t i = 0; i < s->batch.n * l->hidden; i++)
		s->dlast[i] = noise();
	program_profile_reset(l->program);
	start = os_seconds();
	(void)program_forward(l->program, &pass);
	program_backward(l->program, &pass, d);
	*all = os_seconds() - start;
	*products = linear_seconds(l->program);
}

static void time_layer(struct layer *l, const char *name, size_t tokens,
		       struct pool *pool)
{
	struct program_need need = { .tokens = tokens, .sequences = 1,
				     .rows = 1, .train = 1 };
	double all, products, best = 1e9, least = 1e9, top = 0, flops;
	double end = os_seconds() + seconds;
	struct sequence s;

	sequence_make(&s, tokens, l->hidden);
	if (program_plan(l->program, pool, &need))
		fail("plan");
	turn(l, &s, &all, &products);
	do {
		for (int i = 0; i < 8; i++) {
			double p = peak(pool);

			top = p > top ? p : top;
		}
		turn(l, &s, &all, &products);
		best = all < best ? all : best;
		least = products < least ? products : least;
	} while (os_seconds() < end);
	flops = (l->forward + l->backward) * (double)tokens * 1e-9;
	printf("%-6s %5zu tokens -j%zu %9.1f %7.1f %6.0f%% %9.1f %6.0f%%\n",
	       name, tokens, pool_lanes(pool), flops / least, top,
	       100 * flops / least / top, flops / best,
	       100 * flops / best / top);
	fflush(stdout);
	sequence_free(&s, l->hidden);
}

int main(int argc, char **argv)
{
	static const size_t tokens[] = { 64, 512, 2048 };
	size_t lanes = 2, only = 0;
	struct pool *pool;
	char **words = argv + 1;

	(void)argc;
	for (; *words && **words == '-' && words[1]; words += 2)
		if (!strcmp(*words, "-j"))
			lanes = strtoul(words[1], NULL, 10);
		else if (!strcmp(*words, "-t"))
			only = strtoul(words[1], NULL, 10);
		else
			seconds = strtod(words[1], NULL);
	if (pool_new(&pool, lanes))
		fail("threads");
	printf("%-22s %9s %7s %7s %9s %7s\n", "", "products", "peak", "share",
	       "layer", "share");
	for (size_t i = 0; i < NELEM(sizes); i++) {
		struct layer l;

		if (*words && strcmp(*words, sizes[i].name))
			continue;
		layer_open(&l, &sizes[i]);
		for (size_t t = 0; !only && t < NELEM(tokens); t++)
			time_layer(&l, sizes[i].name, tokens[t], pool);
		if (only)
			time_layer(&l, sizes[i].name, only, pool);
		layer_close(&l);
	}
	pool_free(pool);
	return 0;
}
