/*
 * merge - adapters folded into the weights that they stand at
 *
 * Tensor by tensor: a merger knows its adapters and meets the base's tensors
 * one at a time, in any order. A merged value is computed in f32 and rounded
 * once to the type that it is stored in.
 */
#ifndef ADAPT_MERGE_H
#define ADAPT_MERGE_H

#include "adapt/adapt.h"

/* One adapter of a base, as it was read. */
struct merge_adapter {
	struct tensor_set tensors; /* role adapter: the parameters, loaded */
	json_t *config;         /* adapt/spec.h */
	float scale;            /* times the update; 1: all of it */
	unsigned char *used;    /* (tensors.n) merge_tensor() met its place */
};

struct merger {
	struct merge_adapter *at; /* merged in this order */
	size_t n;
	enum dtype dtype;       /* of what was quantised and, with all, of the
				 * rest; NONE: what each was made from */
	int all;
	int parts;              /* embedding and head become two, also where
				 * no adapter stands */
	int peft_safe;          /* round the update before it is added, as
				 * PEFT's safe_merge does: rounds twice */
};

/* Takes tensors and config (whose reference it owns then). E_NOMEM. */
int merger_add(struct merger *m, struct tensor_set *tensors, json_t *config,
	       float scale) MUST_CHECK;
void merger_release(struct merger *m);  /* safe on a zeroed struct */

/* Does an adapter stand at the base's tensor of this name? */
int merger_changes(const struct merger *m, const char *name);

/* Does one that stands at one use of the tensor alone, where another module is
 * tied to it? */
int merger_changes_alone(const struct merger *m, const char *name);

/* The type that the merged tensor has. */
enum dtype merger_dtype(const struct merger *m, const struct tensor *t);

/*
 * to: new, plain, of type d, with from's name, role and shape. from: loaded,
 * in any storage, not changed. Same bytes for any pool. E_DATA: an adapter
 * does not fit, a value is not finite (naming the element); E_CONFIG; E_NOMEM.
 */
int merge_tensor(struct tensor *to, const struct tensor *from,
		 struct merger *m, enum dtype d, struct pool *pool) MUST_CHECK;

/*
 * Is the tensor one of whole numbers by groups (int storage) that the adapters
 * can be merged into without touching a code? So it is when they all have
 * merge_groups(), no type is asked for, and none replaces it.
 */
int merger_keeps_codes(const struct merger *m, const struct tensor *t);

/*
 * to: new, as from, for which merger_keeps_codes(), with the same codes and
 * scales; zeros are f32, each less by update / scale, rounded once. E_CONFIG:
 * an adapter's groups do not go into from's; E_DATA, E_NOMEM.
 */
int merge_zeros(struct tensor *to, const struct tensor *from,
		struct merger *m, struct pool *pool) MUST_CHECK;

/* merge_zeros() where it can be, else merge_tensor() with the type of
 * merger_dtype(). */
int merge_best(struct tensor *to, const struct tensor *from,
	       struct merger *m, struct pool *pool) MUST_CHECK;

/*
 * What merging from would be refused for, told by its shape and storage alone:
 * it need not be loaded. E_DATA: an adapter does not fit; E_CONFIG: its groups
 * do not; E_NOMEM.
 */
int merger_foresee(struct merger *m, const struct tensor *from) MUST_CHECK;

/* After the last tensor that was foreseen. E_DATA: a parameter has no place in
 * the base, which may get a head that it has not (head: it has one). */
int merger_foreseen(const struct merger *m, int head) MUST_CHECK;

/* After the last tensor. E_DATA: a parameter had no place in the base. */
int merger_finish(const struct merger *m) MUST_CHECK;

#endif
