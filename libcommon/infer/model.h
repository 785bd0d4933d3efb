/*
 * model - a base, with an adapter, with soft prompts or with nothing, ready to
 * be run
 */
#ifndef INFER_MODEL_H
#define INFER_MODEL_H

#include "adapt/spec.h"
#include "arch/program.h"

struct model {
	struct program *program;
	struct adapter_sites sites;
	struct adapter_set *adapters;   /* (nset) */
	size_t nset;
};

/* An adapter as it was read; the values are copied. */
struct model_adapter {
	const struct tensor_set *tensors;
	json_t *config;
};

/*
 * base is borrowed and must outlive the model; adapter and config NULL: none.
 * E_DATA, E_CONFIG, E_NOMEM.
 */
int model_open(struct model *m, const struct tensor_set *base,
	       const struct tensor_set *adapter, json_t *config) MUST_CHECK;

/* Another adapter in the place of those that are there, before a plan is made.
 * NULL: none. After a failure the model can only be released. */
int model_adapt(struct model *m, const struct model_adapter *a) MUST_CHECK;

/* Likewise several soft prompts, by number, for batches that have some before
 * one sequence and others before another (program_prompts()). E_CONFIG: one is
 * no soft prompt. */
int model_prompts(struct model *m, const struct model_adapter *a,
		  size_t n) MUST_CHECK;

/* Safe on a zeroed struct. */
void model_release(struct model *m);

#endif
