/*
 * optim - how gradients move an adapter's parameters
 *
 * A kind is one row of functions in one file optim_<kind>.c. What it keeps
 * between steps are arrays with an element for each of the parameter's, or for
 * each block of them; they travel in an adapter stream as
 * "<module>.<param>.<state>".
 */
#ifndef TRAIN_OPTIM_H
#define TRAIN_OPTIM_H

#include "adapt/adapt.h"
#include "base/par.h"

enum { OPTIM_STATES = 4 };

struct optim_options {
	double beta1, beta2, eps;
	double weight_decay, momentum;
	size_t least;           /* elements of a parameter, for a kind with a
				 * simpler one for smaller ones; 0: 4096 */
};

/* One step over an array; every element is independent of the others. */
struct optim_move {
	const struct optim_options *options;
	uint64_t t;             /* 1, 2, ... */
	double lr;
	float scale;            /* of the gradient */
};

struct optim_state {
	const char *name;
	enum dtype dtype;
	size_t per;             /* elements of the parameter, for one of these:
				 * 1, or a power of two up to 4096 */
};

struct optim_kind {
	const char *name;
	size_t nstate;
	struct optim_state state[OPTIM_STATES];
	const struct optim_kind *small; /* for parameters of fewer than
					 * options.least elements; or NULL */

	/* p (n) and state arrays are updated; g is read. p begins where a
	 * block does. */
	void (*step)(const struct optim_move *m, float *p,
		     void *const state[], const float *g, size_t n);
};

const struct optim_kind *optim_find(const char *name);  /* or NULL */
const struct optim_kind *optim_at(size_t i);            /* or NULL */

/* States in groups, each in memory that may come and go: adapter i of the set
 * is in group of[i], and the states of group g at at[g]. Borrowed. */
struct optim_groups {
	const size_t *of;
	size_t n;
	void *const *at;

	/* Called before a state of the group is read or written by anything
	 * but optim_step_group(). */
	int (*use)(void *ctx, size_t group);
	void *ctx;
};

struct optim {
	const struct optim_kind *kind;
	struct optim_options options;
	struct adapter_set *set;        /* borrowed */
	uint64_t t;                     /* steps taken */
	struct arena memory;
	struct optim_piece *piece;      /* what a thread takes at a time */
	size_t npiece;
	struct optim_groups groups;     /* n 0: the states are in memory */
	size_t *order, *first;          /* pieces by group */
};

/* Bytes that optim_init() will ask for. */
size_t optim_bytes(const struct optim_kind *k,
		   const struct optim_options *options,
		   const struct adapter_set *set);

/* State all zero. The set is placed, with gradients, and outlives o. E_NOMEM.
 * Safe to release after a failure. */
int optim_init(struct optim *o, const struct optim_kind *k,
	       const struct optim_options *options,
	       struct adapter_set *set) MUST_CHECK;
void optim_release(struct optim *o);

/* Likewise with the states in groups; optim_group_bytes() says what each takes,
 * and zeroed they begin. Adds to bytes (n). */
int optim_init_groups(struct optim *o, const struct optim_kind *k,
		      const struct optim_options *options,
		      struct adapter_set *set,
		      const struct optim_groups *g) MUST_CHECK;
void optim_group_bytes(const struct optim_kind *k,
		       const struct optim_options *options,
		       const struct adapter_set *set, const size_t *of,
		       size_t *bytes);

/* The 2-norm of all gradients together: squares are summed in f64, by pieces
 * of fixed size, in order. */
double optim_norm(const struct optim *o, struct pool *pool);

/* Moves every parameter by its gradient times scale, with learning rate lr
 * (times the parameter's lr_ratio), and counts the step. */
void optim_step(struct optim *o, struct pool *pool, double lr, float scale);

/* The same, group by group: counts the step, then moves the parameters of one
 * group after the other. */
void optim_begin_step(struct optim *o);
void optim_step_group(struct optim *o, struct pool *pool, double lr,
		      float scale, size_t group);

/* The state, as tensors of role state whose data is borrowed. */
int optim_tensors(const struct optim *o, adapter_tensor_fn *fn,
		  void *ctx) MUST_CHECK;

/* E_DATA: a state tensor is missing or has another shape. */
int optim_load(struct optim *o, const struct tensor_set *from) MUST_CHECK;

extern const struct optim_kind
	optim_adamw,
	optim_adamw8,
	optim_sgd;

#endif
