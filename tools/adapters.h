/*
 * adapters - what was read of -A, put to a model
 */
#ifndef TOOLS_ADAPTERS_H
#define TOOLS_ADAPTERS_H

#include "formats/named.h"
#include "infer/model.h"

static inline struct model_adapter adapters_of(const struct collected *a)
{
	return (struct model_adapter){
		&a->tensors, json_object_get(a->meta, "adapter"),
	};
}

/* Adapter i in the place of those before. */
static inline int adapters_use(struct model *m, const struct named *named,
			       size_t i)
{
	struct model_adapter a = adapters_of(&named->at[i]);

	return model_adapt(m, &a);
}

/* All of them, soft prompts, to be chosen by a record's field. */
static inline int adapters_by_field(struct model *m, const struct named *named,
				    struct by_field *b, const char *field)
{
	struct model_adapter *a = calloc(named->n + 1, sizeof(*a));
	int err = a ? 0 : err_set(E_NOMEM, "out of memory");

	for (size_t i = 0; !err && i < named->n; i++)
		a[i] = adapters_of(&named->at[i]);
	*b = (struct by_field){ field, named->name, named->n };
	if (!err)
		err = named->n ? model_prompts(m, a, named->n) :
		      err_set(E_USAGE, "--adapter-field: no adapter; give "
			      "-A NAME=FILE");
	free(a);
	return err;
}

#endif
