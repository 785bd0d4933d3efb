/*
 * model - a base, with an adapter or without, ready to be run
 */
#ifndef INFER_MODEL_H
#define INFER_MODEL_H

#include "adapt/spec.h"
#include "arch/program.h"

struct model {
	struct program *program;
	struct adapter_sites sites;
	struct adapter_set adapters;
};

/*
 * base is borrowed and must outlive the model; the adapter's values are
 * copied. adapter and config NULL: none. E_DATA, E_CONFIG, E_NOMEM.
 */
int model_open(struct model *m, const struct tensor_set *base,
	       const struct tensor_set *adapter, json_t *config) MUST_CHECK;

/* Safe on a zeroed struct. */
void model_release(struct model *m);

#endif
