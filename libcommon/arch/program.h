/*
 * program - a family's steps bound to a model's weights, run down and up
 *
 * program_new() binds; program_plan() sizes every buffer for at most so many
 * tokens; after it nothing allocates and nothing fails. Forward walks the
 * steps down, backward walks them up. The residual stream's gradient stops
 * below the lowest adapter.
 *
 * A batch is whole sequences packed without padding (data/samples.h).
 */
#ifndef ARCH_PROGRAM_H
#define ARCH_PROGRAM_H

#include "adapt/adapt.h"
#include "arch/family.h"
#include "base/par.h"
#include "data/samples.h"
#include "tensor/mat.h"
#include "tensor/tensor.h"

struct program;

/* Bytes by class, as --dry-run prints them. */
enum { BYTES_WEIGHTS, BYTES_ADAPTER, BYTES_OPTIMIZER, BYTES_ACTIVATIONS,
       BYTES_WORKSPACE, BYTES_DATA, BYTES_CLASSES };

struct bytes_plan {
	uint64_t by[BYTES_CLASSES];
};

/*
 * f, c and base are borrowed and must outlive the program. E_DATA: a tensor is
 * missing, has another shape than the config says (names both), cannot be
 * used, or is a weight that no step reads.
 */
int program_new(struct program **p, const struct family *f,
		const struct family_config *c,
		const struct tensor_set *base) MUST_CHECK;

/* Convenience: finds the family from the base's "file/config.json" blob (or
 * from arch_file, the --arch FILE's text), configures, and binds. The program
 * owns what it made. */
int program_open(struct program **p, const struct tensor_set *base,
		 const char *arch_file) MUST_CHECK;
void program_free(struct program *p);

/* The modules that an adapter can stand at: linear layers, head, embedding. */
struct program_module {
	const char *name;       /* "model.layers.0.self_attn.q_proj" */
	const struct weight *weight;
	enum tensor_role role;
	size_t layer;           /* SIZE_MAX: none */
};

size_t program_modules(const struct program *p,
		       const struct program_module **at);

/* Computes the base's products, forward and backward, with factors rounded to
 * bf16 (see kernel/gemm.h), if bf16 is set; what adapters add, attention and
 * all else stay f32. Before program_plan(). */
void program_compute(struct program *p, int bf16);

/* Attaches adapters (borrowed, with their values; NULL: none). E_CONFIG: a
 * module that is not there. Before program_plan(). */
int program_adapt(struct program *p, const struct adapter_set *s) MUST_CHECK;

/*
 * Gives the program soft prompts (borrowed, with their values): number i stands
 * where a batch has virtual_id(i, row). at is copied; n 0: none. Whoever calls
 * program_adapt() with a set that has one has given it number 0. E_CONFIG: one
 * is another model's. Before program_plan().
 */
int program_prompts(struct program *p, const struct adapter *const *at,
		    size_t n) MUST_CHECK;

/* How many there are; virtual tokens of number i, and of the one that has most;
 * does its last one predict a sequence's first token? */
size_t program_nprompt(const struct program *p);
size_t program_front(const struct program *p, size_t i);
size_t program_front_most(const struct program *p);
int program_predicts(const struct program *p, size_t i);

/* What adapters take for constant, computed anew (adapter_kind's refresh).
 * program_adapt() does it too, unless the base may be away; who trains does it
 * when parameters moved. E_NOMEM. */
int program_refresh(struct program *p, struct pool *pool) MUST_CHECK;

const struct tensor_set *program_base(const struct program *p);

/* Numbers of the model. */
size_t program_layers(const struct program *p);
size_t program_hidden(const struct program *p);
size_t program_vocab(const struct program *p);
size_t program_longest(const struct program *p); /* sequence that the model has
						* positions for, behind its
						* virtual tokens; SIZE_MAX */
double program_flops(const struct program *p); /* of the frozen products, a
						* token, forward only */

struct program_need {
	size_t tokens;          /* most tokens in a batch */
	size_t sequences;       /* most sequences */
	size_t rows;            /* most rows given to program_logits() */
	int train;              /* backward will be called */
	size_t recompute;       /* layers (from the first) whose activations are
				 * computed again in backward */
	int visits;             /* by program_visit() only, see below */
};

/* What a plan would take, without taking it. */
void program_cost(const struct program *p, const struct pool *pool,
		  const struct program_need *need, struct bytes_plan *bytes);

/* E_NOMEM. */
int program_plan(struct program *p, struct pool *pool,
		 const struct program_need *need) MUST_CHECK;
void program_unplan(struct program *p); /* gives back what it took */

/* Keys and values of the tokens seen so far, for inference. */
struct kv_cache;

int kv_cache_new(struct kv_cache **kv, const struct program *p,
		 size_t sequences, size_t tokens) MUST_CHECK;
void kv_cache_free(struct kv_cache *kv);
size_t kv_cache_bytes(const struct program *p, size_t sequences,
		      size_t tokens);
size_t kv_cache_len(const struct kv_cache *kv, size_t sequence);
void kv_cache_truncate(struct kv_cache *kv, size_t sequence, size_t len);
/* Copies sequence from's first len tokens to sequence to. */
void kv_cache_fork(struct kv_cache *kv, size_t to, size_t from, size_t len);

struct program_pass {
	const struct batch *batch;
	int train;              /* keep what backward needs; dropout is on */
	uint32_t step;          /* dropout's key */
	struct kv_cache *kv;    /* NULL: none. Else sequence i of the batch
				 * continues slot[i], and is appended to it */
	const size_t *slot;
};

/* The last hidden states (after the final norm), (n, hidden); valid until the
 * next forward. */
struct mat program_forward(struct program *p, const struct program_pass *pass);

/* logits (n, vocab) = head of x (n, hidden); n <= need.rows. */
void program_logits(struct program *p, struct mat x, struct mat logits);

/* dx (n, hidden) = dlogits W; adds to the gradients of a trained head.
 * Overwrites dlogits. x: what the last program_logits() was given. */
void program_logits_backward(struct program *p, struct mat x,
			     struct mat dlogits, struct mat dx);

/* From d(last hidden) (n, hidden) to the adapters' gradients, which it adds
 * to. Overwrites dlast. After program_forward(train). */
void program_backward(struct program *p, const struct program_pass *pass,
		      struct mat dlast);

/* ---- by segments, for a base that is not in memory as a whole ---- */

/*
 * Segment 0 is what comes before the layers (the embedding), then the layers
 * one by one, and the last is what comes after them, with the head. These are
 * the tensors that a segment reads.
 */
typedef int program_tensor_fn(void *ctx, const struct tensor *t);

size_t program_segments(const struct program *p);

/* The segment in which the gradients of an adapter at this module become
 * complete on the way up: the lowest that it has a part in. */
size_t program_module_segment(const struct program *p, const char *module);
int program_segment_tensors(const struct program *p, size_t segment,
			    program_tensor_fn *fn, void *ctx) MUST_CHECK;

/* program_refresh() of a segment's adapters. */
int program_refresh_segment(struct program *p, size_t segment,
			    struct pool *pool) MUST_CHECK;

/* From now on nothing reads the base before use(segment) was called, which
 * brings its tensors into memory until the next use. When it fails, what is
 * computed is worthless from there on, and program_failed() gives its code:
 * whoever reads results asks for it. */
void program_page(struct program *p, int (*use)(void *ctx, size_t segment),
		  void *ctx);
int program_failed(const struct program *p);

/*
 * Layer-major training: a pass is a row of visits, each to one segment: down to
 * the last, which is visited once, for forward, loss and backward, and up
 * again. So all parts of a step can be at one segment before the next. What a
 * part carries from visit to visit (what leaves a layer; gradients) is the
 * caller's to keep, in slots of (n, cols) floats. Needs need.visits in the
 * plan, which gives up everything else between visits.
 */
struct program_carry {
	size_t slot;
	int load, save;         /* it reads what is there, leaves something */
	int piece;              /* the program's */
};

size_t program_visits(const struct program *p);
size_t program_visit_segment(const struct program *p, size_t visit);
size_t program_slots(const struct program *p);
size_t program_slot_cols(const struct program *p, size_t slot);
size_t program_carries(const struct program *p, size_t visit,
		       const struct program_carry **at);

/* Where the visit at hand finds what is carried, or leaves it: floats of as
 * many rows as the part has. What it only loads, it does not change, unless no
 * later visit loads it. */
void program_carry_at(struct program *p, const struct program_carry *c,
		      float *at);

/* The forward or the backward of a visit; of the last segment, the forward
 * gives what program_forward() does, and the loss comes between them (dlast:
 * its memory; else NULL). */
struct mat program_visit(struct program *p, size_t visit,
			 const struct program_pass *pass);
void program_visit_back(struct program *p, size_t visit,
			const struct program_pass *pass, struct mat dlast);

/* The slots of a plan that is not made yet, in floats a row. */
struct program_slots_cost {
	size_t n;               /* slots */
	size_t all;             /* of all; SIZE_MAX: too large */
	size_t most;            /* of those that one visit carries */
};

struct program_slots_cost program_slots_cost(const struct program *p,
					     const struct pool *pool,
					     const struct program_need *need);

/* Output of block i of the last forward with keep_states set, for tests and
 * st-check --arch. */
struct mat program_state(const struct program *p, size_t layer);
void program_keep_states(struct program *p);    /* before program_plan() */

/* Seconds by op since the last reset, for --profile; n ops, and the head, with
 * what is done to its logits, apart from the others. again: forward, once
 * more, in backward. */
struct program_time {
	const char *op;         /* "linear" */
	double forward, again, backward;
};

const struct program_time *program_profile(struct program *p, size_t *n);
void program_profile_reset(struct program *p);

#endif
