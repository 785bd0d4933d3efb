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
 * save) has weight() and backward.
 */
#ifndef ADAPT_ADAPT_H
#define ADAPT_ADAPT_H

#include "base/rng.h"
#include "data/samples.h"
#include "kernel/gemm.h"
#include "tensor/mat.h"
#include "weight/weight.h"

#include "base/json.h"

enum { ADAPT_PARAMS = 4 };

struct adapter_kind;

struct adapter_param {
	const char *name;       /* "lora_A": its tensor is "<module>.<name>" */
	size_t rows, cols;
	int state;              /* carried along, not trained */
	float *at, *grad;       /* (rows, cols), set by the adapter set's plan */
	float lr_ratio;         /* times the learning rate; LoRA+ */
};

/* What the kinds are made from; adapt/spec.h reads it from options, PEFT's
 * adapter_config.json, or the stream's "adapter" meta. */
struct adapter_options {
	const char *kind;       /* "lora" */
	size_t rank;
	double alpha, dropout;
	int rslora;
	json_t *extra;          /* a kind's own options, or NULL; borrowed */
};

struct adapter {
	const struct adapter_kind *kind;
	char *module;           /* "model.layers.0.self_attn.q_proj" */
	size_t out, in;         /* the weight's rows and cols */
	size_t rank;
	double alpha;
	float scale;            /* alpha / rank, or alpha / sqrt(rank) */
	float dropout;
	uint64_t seed;          /* dropout's */
	size_t nparam;
	struct adapter_param param[ADAPT_PARAMS];
	size_t keep;            /* floats kept for a row of x */
	void *own;              /* the kind's, freed by release() */
};

/* One pass over a batch: what a kind's functions read besides their adapter. */
struct adapt_pass {
	struct pool *pool;
	void *space;            /* gemm_space() */
	const struct batch *batch; /* NULL outside training: no dropout */
	uint32_t step;          /* dropout's */
	struct mat keep;        /* (n, keep): forward writes, backward reads */
	struct mat scratch;     /* (n, in), for a masked x or dx */
};

struct adapter_kind {
	const char *name;

	/* Fills param[] names and shapes, scale, keep from out, in and o.
	 * E_CONFIG: what does not go together, and why. */
	int (*shape)(struct adapter *a, const struct adapter_options *o)
		MUST_CHECK;

	/* First values; with them forward leaves y as it is. w: the base's. */
	void (*init)(struct adapter *a, const struct weight *w, uint64_t seed);

	/* x (n, in). Adds at most two terms to y's output. */
	void (*forward)(const struct adapter *a, const struct adapt_pass *p,
			struct mat x, struct gemm_output *y);
	void (*after)(const struct adapter *a, const struct adapt_pass *p,
		      const struct weight *w, struct mat y, struct mat x);
	void (*before)(const struct adapter *a, const struct adapt_pass *p,
		       const struct weight *w, struct mat dy, struct mat x);

	/* dx: the output of dx's product, to add terms to; NULL when nobody
	 * below needs dx. dxm: where dx is, for kinds whose share is not a
	 * plain term (dropout), added after the product by finish(). */
	void (*backward)(const struct adapter *a, const struct adapt_pass *p,
			 struct mat dy, struct mat x, struct gemm_output *dx);
	void (*finish)(const struct adapter *a, const struct adapt_pass *p,
		       struct mat dy, struct mat dx);

	/* Used instead of the base's weight; NULL: the base's is used. */
	const struct weight *(*weight)(const struct adapter *a);

	/* Rows [row, row + n) of the merged update: dst (n, in) holds W's rows
	 * on entry, W' on return. scale multiplies the update (1: all). */
	int (*merge)(const struct adapter *a, const struct weight *w,
		     float scale, float *dst, size_t row, size_t n) MUST_CHECK;

	/* The PEFT name of parameter i ("lora_A.weight"). */
	const char *(*peft_name)(const struct adapter *a, size_t i);

	/* Adds to the gradients, returns the loss; NULL: there is none. */
	float (*penalty)(struct adapter *a);
	void (*release)(struct adapter *a);
};

const struct adapter_kind *adapter_kind_find(const char *name);
const struct adapter_kind *adapter_kind_at(size_t i);

/* All adapters of a model, in the order of its modules. */
struct adapter_set {
	struct adapter *at;
	size_t n;
	struct adapter_options options; /* the set's defaults */
	json_t *config;         /* the "adapter" meta that describes it */
};

struct adapter *adapter_set_find(const struct adapter_set *s,
				 const char *module);
void adapter_set_release(struct adapter_set *s);

#endif
