/*
 * adapt - what may be trained beside (or in the place of) a frozen weight
 *
 * A kind is one row of functions, in one file adapt_<kind>.c. The ops call it
 * and know no kind by name. Around a product y = x W^T with W (out, in):
 *
 *   forward   before the product: computes what it keeps (h = s drop(x) A^T)
 *             and may add terms to the product (h B^T)
 *   after     after the product: may rewrite y (DoRA); NULL mostly
 *   before    backward, before dx += dy W: may rewrite dy; NULL mostly
 *   backward  adds to the parameters' gradients, may add terms to dx's product
 *
 * LoRA has forward and backward; a weight that is trained whole (modules_to_
 * save) has weight() and backward; a soft prompt, which stands before the
 * sequences and at no weight, has front alone.
 */
#ifndef ADAPT_ADAPT_H
#define ADAPT_ADAPT_H

#include "base/arena.h"
#include "base/json.h"
#include "base/rng.h"
#include "data/samples.h"
#include "kernel/gemm.h"
#include "tensor/mat.h"
#include "weight/weight.h"

enum { ADAPT_PARAMS = 12 };     /* of a kind, and the layer's bias */

struct adapter_kind;
struct adapter_set;
struct adapter;

/* What a soft prompt has to fit. */
struct adapter_model {
	size_t hidden;
	size_t layers;          /* with attention */
	size_t keys;            /* columns of a layer's keys, and values; 0:
				 * they differ */
};

/*
 * A soft prompt: virtual tokens (data/samples.h) before every sequence. Rows
 * of parameter 0 are theirs, and what they hold is views of it, or of its
 * gradient; one without at: none.
 */
struct adapter_front {
	/* The last virtual token predicts a sequence's first. */
	int predicts;

	/* E_CONFIG: it is another model's. */
	int (*check)(const struct adapter *a,
		     const struct adapter_model *m) MUST_CHECK;

	/* (n, hidden) What the layers begin with; none: zeros. layer: 0. */
	struct mat (*embedding)(const struct adapter *a, size_t layer,
				int grad);

	/* (n, keys) The keys (values) in a layer, counted from 0, as attention
	 * reads them; none: what the layer itself computes. */
	struct mat (*keys)(const struct adapter *a, size_t layer, int grad);
	struct mat (*values)(const struct adapter *a, size_t layer, int grad);
};

struct adapter_param {
	const char *name;       /* "lora_A": its tensor is "<module>.<name>" */
	size_t rows, cols;
	int state;              /* not trained, and nothing to who uses the
				 * adapter: carried while training is
				 * unfinished, zeros at its beginning */
	int plus;               /* LoRA+ moves it faster */
	int no_decay;           /* weight decay leaves it alone */
	float *at, *grad;       /* (rows, cols), set by adapter_set_place() */
	struct gemm_dense dense; /* at, as gemm() wants it */
	float lr_ratio;         /* times the learning rate */
};

/* What the kinds are made from; adapt/spec.h reads it from options, PEFT's
 * adapter_config.json, or the stream's "adapter" meta. */
struct adapter_options {
	const char *kind;       /* "lora" */
	size_t rank;
	size_t made_rank;       /* before it was pruned; 0: as rank */
	double alpha, dropout;
	int rslora;
	size_t cols;            /* of a stored adapter's mark; 0: a new one */
	int bias;               /* the layer's bias is trained too */
	json_t *extra;          /* a kind's own options, or NULL; borrowed */
};

struct adapter {
	const struct adapter_kind *kind;
	char *module;           /* "model.layers.0.self_attn.q_proj" */
	size_t out, in;         /* the weight's rows and cols */
	enum tensor_role role;
	size_t group;           /* the site's */
	size_t rank;
	double alpha;
	float scale;            /* alpha / rank, or alpha / sqrt(rank) */
	float dropout;
	int gaussian;           /* A begins as normal values */
	uint64_t seed;          /* dropout's */
	size_t nparam;
	struct adapter_param param[ADAPT_PARAMS];
	size_t bias;            /* 1 + the parameter that is the layer's bias;
				 * 0: none is */
	size_t keep;            /* floats kept for a row of x */
	size_t pooled;          /* ... and written while training, in scratch */
	void *own;              /* the kind's, freed by release() ... */
	size_t own_bytes;       /* ... and what it holds, for the plan */
};

/* One pass over a batch: what a kind's functions read besides their adapter. */
struct adapt_pass {
	struct pool *pool;
	void *space;            /* gemm_space() */
	const struct batch *batch; /* NULL outside training: no dropout */
	uint32_t step;          /* dropout's */
	struct mat keep;        /* (n, keep): forward writes, backward reads
				 * and spoils */
	struct mat scratch;     /* (n, adapter_scratch()), in training: for a
				 * masked x or dx, or what a kind makes of x */
	struct gemm_output *early; /* NULL: none; else an early output of the
				 * product to come, which a kind may fill in
				 * (n is 0 while it is not) */
};

/* A step of training that the optimizer has done. */
struct adapt_step {
	uint64_t done, all;     /* steps, this one counted */
	float scale;            /* the optimizer took the gradients
				 * times this */
	int elsewhere;          /* somebody else decides what is pruned */
	int final;              /* out: what is pruned now stays so */
};

struct adapter_kind {
	const char *name;
	const char *mark;       /* the parameter that a stored one is known by;
				 * its rows are the rank */

	/* A kind that stands where its list in the configuration says, a list
	 * of modules or an object by module, in the place of the kind that the
	 * configuration names: "modules_to_save". NULL: it has none. */
	const char *list;
	int follows;            /* of a matrix that is also another module's
				 * (a tied head), it stands there too */

	/* Fills param[] names and shapes, scale, keep from out, in, role and o.
	 * E_CONFIG: what does not go together, and why. */
	int (*shape)(struct adapter *a, const struct adapter_options *o)
		MUST_CHECK;

	/* First values; with them forward leaves y as it is. w: the base's;
	 * kinds with needs_weight unset do not look at it, and it may be
	 * NULL. E_NOMEM. */
	int (*init)(struct adapter *a, const struct weight *w,
		    uint64_t seed) MUST_CHECK;
	int needs_weight;

	/* Before the passes of a step, after parameters changed: computes
	 * what passes take for constant (DoRA's norms), from the base's
	 * weight, which outlives the adapter's use. E_NOMEM. */
	int (*refresh)(struct adapter *a, const struct weight *w,
		       struct pool *pool) MUST_CHECK;

	/* x (n, in). Adds at most two terms to y's output. */
	void (*forward)(const struct adapter *a, const struct adapt_pass *p,
			struct mat x, struct gemm_output *y);
	void (*after)(const struct adapter *a, const struct adapt_pass *p,
		      const struct weight *w, struct mat y, struct mat x);
	void (*before)(const struct adapter *a, const struct adapt_pass *p,
		       const struct weight *w, struct mat dy, struct mat x);

	/* dx: the output of dx's product, to add terms to; NULL when nobody
	 * below needs dx, and then finish() is not called. finish(), after the
	 * product: what is not a plain term (dropout), and gradients that an
	 * early output is for. */
	void (*backward)(const struct adapter *a, const struct adapt_pass *p,
			 struct mat dy, struct mat x, struct gemm_output *dx);
	void (*finish)(const struct adapter *a, const struct adapt_pass *p,
		       struct mat dy, struct mat x, struct mat dx);

	/* Used instead of the base's weight; NULL: the base's is used. */
	const struct weight *(*weight)(const struct adapter *a);

	/* All gradients of a step are in: adds to param[].grad what was kept
	 * apart, since passes may go layer by layer and a sum's order must not
	 * show it. NULL: nothing was. */
	void (*gathered)(const struct adapter *a);

	/* What stands at an embedding in this kind's place; NULL: itself. */
	const struct adapter_kind *at_embed;

	/* At an embedding: adds to row id, y (in); NULL: weight() is all. */
	void (*gather)(const struct adapter *a, size_t id, float *y);

	/* At an embedding: adds dy's rows to the gradient's rows id[]. NULL:
	 * the kind cannot stand at one. */
	void (*scatter)(const struct adapter *a, const uint32_t *id,
			struct mat dy);

	/* Rows [row, row + n) of the merged update: dst (n, in) holds W's rows
	 * on entry, W' on return. scale multiplies the update (1: all). */
	int (*merge)(const struct adapter *a, const struct weight *w,
		     float scale, float *dst, size_t row, size_t n) MUST_CHECK;
	/* The same for the layer's bias: adds to dst (out). NULL: nothing. */
	void (*merge_bias)(const struct adapter *a, float scale, float *dst);

	/* Its gradients are sums over the rows of each sequence, so that the
	 * sequences of a batch may come in several. */
	int by_sequence;
	int merge_adds;         /* it adds to dst what does not depend on it */
	int scales;             /* the update, merged and beside the base, is
				 * in proportion to the adapter's scale */

	/* Keys of the configuration that are this kind's, with a space
	 * between; NULL: none. */
	const char *keys;
	int starts;             /* A and B may begin as LoRA's choices do */

	/* The update as scale B A: a (rank, in), b (out, rank). NULL: it is no
	 * product, or depends on the base. */
	void (*factors)(const struct adapter *a, float *to_a, float *to_b);

	/* Keys of the configuration, with a space between: where adapters
	 * agree in them, parameters 0 and 1 add up as A and B do, to an adapter
	 * of this kind. NULL: they do not. */
	const char *adds;

	/* The inputs of a weight whose stored A has so many columns, with the
	 * options of config; 0: it does not say. NULL: as many. */
	size_t (*inputs)(json_t *config, size_t cols);
	/* For a kind whose update is the same number for all weights of a group
	 * in a row: add (n, in / group), what rows [row, row + n) of the merged
	 * update are. E_CONFIG: groups of that size have no such number, and
	 * what can be done. NULL: no group has. */
	int (*merge_groups)(const struct adapter *a, float scale, size_t group,
			    float *add, size_t row, size_t n) MUST_CHECK;

	/* Adds to the configuration what reading the adapter needs; NULL:
	 * nothing. E_NOMEM. */
	int (*describe)(const struct adapter *a, json_t *config) MUST_CHECK;

	/* The PEFT name of parameter i ("lora_A.weight"). */
	const char *(*peft_name)(const struct adapter *a, size_t i);

	/* A loss beside the model's; NULL: there is none. Adds weight times
	 * its gradient. On any thread, for one adapter. E_NOMEM. */
	int (*penalty)(struct adapter *a, double weight,
		       double *value) MUST_CHECK;

	/* For all adapters of the kind in a set together. check: E_CONFIG, a
	 * run of so many steps makes no sense. settle: after the optimizer's
	 * step, when gradients are still there; E_NOMEM. NULL: nothing. */
	int (*check)(const struct adapter_set *s, uint64_t steps) MUST_CHECK;
	int (*settle)(struct adapter_set *s, struct adapt_step *at) MUST_CHECK;

	/* A soft prompt's; it has no forward and what follows from that, and
	 * its first values come from the embedding, where it needs_weight. */
	const struct adapter_front *front;
	void (*release)(struct adapter *a);
};

const struct adapter_kind *adapter_kind_find(const char *name);

/* What an adapter of this kind is where a weight has that role. NULL: there is
 * no such kind. */
const struct adapter_kind *adapter_kind_for(const char *name,
					    enum tensor_role role);
const struct adapter_kind *adapter_kind_at(size_t i);

/* A place where an adapter can stand: a matrix of the base, or a norm, of which
 * only the bias can be trained. */
struct adapter_site {
	const char *module;     /* "model.layers.0.self_attn.q_proj" */
	size_t out, in;
	enum tensor_role role;  /* linear, head or embed; norm */
	size_t group;           /* weights of a row that share a scale and a
				 * zero (int storage); 0: there are none */
	int front;              /* before the sequences: module is
				 * ADAPTER_FRONT, the rest the embedding's */
	int bias;               /* it has one */
};

#define ADAPTER_FRONT "prompt"

/* All adapters of a model, in the order of its modules. */
struct adapter_set {
	struct adapter *at;
	size_t n, room;
	json_t *config;         /* the "adapter" meta, which describes it */
	struct arena params, grads;
};

/* Appends an adapter of o->kind at this site, without memory for its
 * parameters. E_CONFIG, naming the module. */
int adapter_set_add(struct adapter_set *s, const struct adapter_site *site,
		    const struct adapter_options *o) MUST_CHECK;

/* NULL: none. */
struct adapter *adapter_set_find(const struct adapter_set *s,
				 const char *module);

/* The set's soft prompt. NULL: none. */
const struct adapter *adapter_set_front(const struct adapter_set *s);

/* Bytes of parameters (gradients take as many of those that are trained). */
size_t adapter_set_bytes(const struct adapter_set *s, int trained);

/* Memory, zeroed, for all parameters, and with train for gradients. E_NOMEM.
 * After the last adapter_set_add(). */
int adapter_set_place(struct adapter_set *s, int train) MUST_CHECK;

/* First values for every adapter. base: "<module>.weight" of those that look at
 * it. E_DATA: one is not there. */
int adapter_set_init(struct adapter_set *s, const struct tensor_set *base,
		     uint64_t seed) MUST_CHECK;

/* Sets every gradient to 0. */
void adapter_set_clear(struct adapter_set *s);

/* The kinds' gathered(), when the last backward of a step is done. */
void adapter_set_gathered(const struct adapter_set *s);

/* The mean of the adapters' penalties; adds weight times its gradient. */
int adapter_set_penalty(struct adapter_set *s, struct pool *pool,
			double weight, double *value) MUST_CHECK;

/* The kinds' check() and settle(), for those that are in the set. A run of
 * ADAPT_ANY_STEPS is long enough for all that a long run is: what is refused
 * then always is. */
#define ADAPT_ANY_STEPS ((uint64_t)1 << 40)

int adapter_set_check(const struct adapter_set *s, uint64_t steps) MUST_CHECK;
int adapter_set_settle(struct adapter_set *s,
		       struct adapt_step *at) MUST_CHECK;

/* LoRA+ (Hayou et al. 2024, arXiv:2402.12354): the learning rate of the
 * parameters that are zero at first (B, vectors) is ratio times A's. E_CONFIG:
 * there are none. */
int adapter_set_ratio(struct adapter_set *s, double ratio) MUST_CHECK;

/* Are the gradients of a batch, bit for bit, those of its sequences one after
 * the other? */
int adapter_set_by_sequence(const struct adapter_set *s);

/* "<module>.<param>" into buf of TENSOR_NAME bytes. */
const char *adapter_param_name(char *buf, const struct adapter *a, size_t i);

/* Calls fn with every parameter (and with state, what is carried for training)
 * as a plain f32 tensor whose data is borrowed from the set; stops at the
 * first error. */
typedef int adapter_tensor_fn(void *ctx, const struct tensor *t);

int adapter_set_tensors(const struct adapter_set *s, int state,
			adapter_tensor_fn *fn, void *ctx) MUST_CHECK;

/* The layer's bias, where it is trained; NULL: it is not, or a is NULL. */
const struct adapter_param *adapter_bias(const struct adapter *a);

/* Its first values, "<module>.bias" of the base. E_DATA: it is not there. */
int adapter_bias_init(struct adapter *a,
		      const struct tensor_set *base) MUST_CHECK;

/* Fills the parameters from tensors of these names, of any float type; state
 * that is missing is zeros. E_DATA: one is missing, or has another shape. */
int adapter_set_load(struct adapter_set *s,
		     const struct tensor_set *from) MUST_CHECK;

/* The same for one. */
int adapter_load(struct adapter *a, const struct tensor_set *from) MUST_CHECK;

/* Safe on a zeroed struct. */
void adapter_set_release(struct adapter_set *s);

extern const struct adapter_kind
	adapt_adalora,
	adapt_bias,
	adapt_dora,
	adapt_embed,
	adapt_full,
	adapt_iec,
	adapt_lora,
	adapt_lora_bias,
	adapt_prefix,
	adapt_prompt,
	adapt_qalora,
	adapt_tokens;

#endif
