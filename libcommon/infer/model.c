#include "infer/model.h"

#include <string.h>

static int attach(struct model *m, const struct tensor_set *base,
		  const struct tensor_set *adapter, json_t *config)
{
	for (size_t i = 0; i < base->n; i++)
		TRY(adapter_sites_add(&m->sites, &base->at[i]));
	TRY(adapter_set_read(&m->adapters, config, adapter, &m->sites));
	TRY(adapter_set_place(&m->adapters, 0));
	TRY(adapter_set_load(&m->adapters, adapter));
	return program_adapt(m->program, &m->adapters);
}

int model_open(struct model *m, const struct tensor_set *base,
	       const struct tensor_set *adapter, json_t *config)
{
	int err;

	memset(m, 0, sizeof(*m));
	err = program_open(&m->program, base, NULL);
	if (!err && adapter)
		err = attach(m, base, adapter, config);
	if (err)
		model_release(m);
	return err;
}

void model_release(struct model *m)
{
	program_free(m->program);
	adapter_set_release(&m->adapters);
	adapter_sites_release(&m->sites);
	memset(m, 0, sizeof(*m));
}
