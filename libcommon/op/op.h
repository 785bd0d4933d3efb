/*
 * op - the mathematics of a step, its two directions side by side
 *
 * An op is one row of functions in one file, op_<name>.c. A node is an op
 * bound to its weights and numbers, once for every place in the model where
 * it stands; a call is a node with the matrices of one pass. Ops allocate
 * nothing and cannot fail once shape() agreed: who plans (arch/) gives them
 * all they write to.
 *
 * Gradients: backward gets the gradients of its outputs (dout), which it may
 * overwrite if rewrites() says so, and writes those of its inputs (din).
 */
#ifndef OP_OP_H
#define OP_OP_H

#include "adapt/adapt.h"
#include "kernel/attention.h"
#include "tensor/mat.h"
#include "weight/weight.h"

enum { OP_IN = 4, OP_OUT = 4, OP_NUMBERS = 4 };

/* A weight that a node multiplies by, and what stands beside it. */
struct op_module {
	const char *name;       /* "model.layers.0.self_attn.q_proj" */
	const char *tied;       /* the module whose tensor it uses; or NULL */
	const struct weight *weight;
	const float *bias;      /* (weight->rows), or NULL */
	struct adapter *adapter; /* or NULL */
};

struct op;

struct op_node {
	const struct op *op;
	size_t nin, nout;
	size_t in_cols[OP_IN], out_cols[OP_OUT];
	struct op_module module[OP_OUT]; /* linear: one an output; embed: one */
	const float *gain, *shift;      /* a norm's vectors; or NULL */
	size_t ngain;
	double number[OP_NUMBERS];      /* in the step's order; NAN: absent,
					 * or a group */
	size_t table;                   /* which of op_run's rope tables */
	size_t aux;             /* floats kept for a row, forward to backward */
	size_t layer;           /* SIZE_MAX: none */
	size_t cache;           /* attend: which cache of keys and values */
	const struct adapter *const *front; /* embed, attend: soft prompts,
				 * by number */
	size_t nfront;
};

/* cos and sin, (positions, half). */
struct op_rope_table {
	const float *cos, *sin;
	size_t half;
};

/* A cache of keys and values: takes in k and v (n, cols) of the batch, and
 * says where each sequence's are, from its first token on. */
typedef void op_cache_fn(void *ctx, size_t cache, struct mat k, struct mat v,
			 struct attention_past *past);

/* One pass over a batch: what all its calls share. */
struct op_run {
	struct pool *pool;
	void *space;                    /* op->space() bytes, 64-aligned */
	float *scratch;                 /* an adapter's: n x op_scratch() */
	const struct batch *batch;
	const uint32_t *pos;            /* (n) */
	int train;                      /* dropout is on */
	uint32_t step;
	const struct op_rope_table *table;
	op_cache_fn *cache;             /* NULL: none */
	void *cache_ctx;
	struct attention_past *past;    /* (nseq), for cache */
};

struct op_call {
	const struct op_node *node;
	const struct op_run *run;
	size_t rows;
	struct mat in[OP_IN], out[OP_OUT];
	struct mat din[OP_IN], dout[OP_OUT]; /* din without at: not wanted */
	int add[OP_IN];                 /* din is increased, not overwritten */
	struct mat aux;                 /* (rows, node->aux) */
};

enum {
	OP_CHEAP = 1,           /* recompute the output rather than keep it */
	OP_INPLACE = 2,         /* an output may be an input that is done */
	OP_INPLACE_GRAD = 4,    /* din[0] may be dout[0] */
	OP_OWNS = 16,           /* the only reader of its inputs: writes all
				 * their gradients, and never adds */
	OP_SHARES = 8,          /* dout is each din, unchanged; where they are
				 * the same memory there is nothing to do */
};

/* What backward reads besides dout and aux. */
enum { OP_READS_IN = 1, /* << input */ OP_READS_OUT = 1 << OP_IN };

struct op {
	const char *name;
	size_t nin;
	unsigned flags;

	/* From nin, in_cols, modules, gain, numbers, and nout as the step has
	 * it: checks them, and sets nout, out_cols and aux. E_DATA. Called
	 * again after adapters are set. */
	int (*shape)(struct op_node *n) MUST_CHECK;

	/* OP_READS_ bits. NULL: none. */
	unsigned (*reads)(const struct op_node *n);

	/* Does backward write to dout? NULL: no. */
	int (*rewrites)(const struct op_node *n);

	/* Bytes of work space for rows rows. NULL: none. */
	size_t (*space)(const struct op_node *n, const struct pool *pool,
			size_t rows, int train);

	void (*forward)(const struct op_call *c);
	void (*backward)(const struct op_call *c);
};

const struct op *op_find(const char *name);     /* NULL: none */
const struct op *op_at(size_t i);

/* Has the node a parameter that is trained? */
int op_trains(const struct op_node *n);

/* Floats of scratch that the node's adapters want for a row, in training. */
size_t op_scratch(const struct op_node *n);

/* fn(ctx, first, count) for blocks of rows, in parallel: for ops whose rows
 * do not depend on each other. */
typedef void op_rows_fn(const struct op_call *c, size_t first, size_t count);
void op_rows(const struct op_call *c, op_rows_fn *fn);

/* A node's soft prompts at m, whose rows are the batch's: put() copies a view
 * of each virtual token's into its row; take() adds such rows to the view of
 * the gradient and, with clear, sets them to 0. Rows whose prompt has no such
 * view are left alone. */
typedef struct mat op_front_fn(const struct adapter *a, size_t layer,
			       int grad);
typedef op_front_fn *op_front_view(const struct adapter_front *f);

void op_front_put(const struct op_call *c, op_front_view *view, struct mat m);
void op_front_take(const struct op_call *c, op_front_view *view, struct mat m,
		   int clear);

/* Views. */
op_front_view op_front_embedding, op_front_keys, op_front_values;

/* The weight in use: the base's, or the one that is trained in its place. */
const struct weight *op_weight(const struct op_module *m);

extern const struct op op_add, op_attend, op_embed, op_geglu, op_geglu_tanh,
	op_gelu, op_gelu_tanh, op_layernorm, op_linear, op_position,
	op_rmsnorm, op_rope, op_rope_pairs, op_scale, op_silu, op_softcap,
	op_split, op_swiglu;

#endif
