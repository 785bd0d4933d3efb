#include "infer/model.h"

#include <stdlib.h>
#include <string.h>

static void drop(struct model *m)
{
	for (size_t i = 0; i < m->nset; i++)
		adapter_set_release(&m->adapters[i]);
	free(m->adapters);
	m->adapters = NULL;
	m->nset = 0;
}

static int load(struct model *m, struct adapter_set *s,
		const struct model_adapter *a)
{
	TRY(adapter_set_read(s, a->config, a->tensors, &m->sites));
	TRY(adapter_set_place(s, 0));
	return adapter_set_load(s, a->tensors);
}

static int load_all(struct model *m, const struct model_adapter *a, size_t n)
{
	TRY(program_adapt(m->program, NULL));
	drop(m);
	m->adapters = calloc(n + 1, sizeof(*m->adapters));
	if (!m->adapters)
		return err_set(E_NOMEM, "out of memory");
	for (; m->nset < n; m->nset++) {
		int err = load(m, &m->adapters[m->nset], &a[m->nset]);

		if (err) {
			m->nset++;
			return err;
		}
	}
	return 0;
}

static int attach(struct model *m)
{
	const struct adapter **front = calloc(m->nset + 1, sizeof(*front));
	int err = front ? 0 : err_set(E_NOMEM, "out of memory");

	for (size_t i = 0; !err && i < m->nset; i++) {
		front[i] = adapter_set_front(&m->adapters[i]);
		if (!front[i])
			err = err_set(E_CONFIG, "adapter %zu is of the kind "
				      "%s: only soft prompts can be chosen "
				      "by the record; others are run one "
				      "after the other", i + 1,
				      m->adapters[i].at[0].kind->name);
	}
	if (!err)
		err = program_prompts(m->program, front, m->nset);
	free(front);
	return err;
}

int model_adapt(struct model *m, const struct model_adapter *a)
{
	TRY(load_all(m, a, a != NULL));
	return a ? program_adapt(m->program, &m->adapters[0]) : 0;
}

int model_prompts(struct model *m, const struct model_adapter *a, size_t n)
{
	TRY(load_all(m, a, n));
	return attach(m);
}

int model_open(struct model *m, const struct tensor_set *base,
	       const struct tensor_set *adapter, json_t *config)
{
	struct model_adapter a = { adapter, config };
	int err;

	memset(m, 0, sizeof(*m));
	err = program_open(&m->program, base, NULL);
	for (size_t i = 0; !err && i < base->n; i++)
		err = adapter_sites_add(&m->sites, &base->at[i]);
	if (!err && adapter)
		err = model_adapt(m, &a);
	if (err)
		model_release(m);
	return err;
}

void model_release(struct model *m)
{
	program_free(m->program);
	drop(m);
	adapter_sites_release(&m->sites);
	memset(m, 0, sizeof(*m));
}
