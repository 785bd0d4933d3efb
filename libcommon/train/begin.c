#include "train/begin.h"

#include <string.h>

#include "arch/soft_model.h"

static int starts(const struct begin *b, const struct adapter_options *o,
		  enum tensor_role role)
{
	const struct adapter_kind *k = adapter_kind_for(o->kind, role);

	return b->start && k && k->starts;
}

/* Does the adapter at this site want its weight? */
static int wants(const struct begin *b, const struct adapter_site *site,
		 struct adapter_options *o, int *yes)
{
	const struct adapter_kind *kind;

	TRY(adapter_wanted(o, b->config, site, yes));
	kind = *yes ? adapter_kind_for(o->kind, site->role) : NULL;
	*yes = kind && (kind->needs_weight || starts(b, o, site->role));
	return 0;
}

int begin_look(struct begin *b, const struct tensor *t, int *load)
{
	struct adapter_options o;

	*load = soft_model_wants(b->config, t);
	b->first = b->sites.n;
	TRY(adapter_sites_add(&b->sites, t));
	for (size_t i = b->first; i < b->sites.n; i++) {
		int wanted;

		TRY(wants(b, &b->sites.at[i], &o, &wanted));
		*load |= wanted;
	}
	return 0;
}

static int keep(void *ctx, const struct tensor *t)
{
	struct begin *b = ctx;
	struct tensor copy;
	int err = tensor_copy(&copy, t);

	if (!err)
		err = tensor_set_take(&b->values, &copy);
	tensor_release(&copy);
	return err;
}

static int start(struct begin *b, struct adapter *a, const struct tensor *t,
		 struct tensor *changed)
{
	struct start_options how = b->how;

	how.rank = a->rank;
	how.scale = (double)a->scale;
	return b->start->make(changed, a->param[0].at, a->param[1].at, t, &how,
			      b->pool);
}

static int init(struct begin *b, struct adapter *a, const struct tensor *t)
{
	struct weight w;

	TRY(weight_bind(&w, t));
	return a->kind->init(a, &w, b->seed);
}

static int take_site(struct begin *b, const struct adapter_site *site,
		     const struct tensor *t, struct tensor *changed)
{
	struct adapter_set one = { 0 };
	struct adapter_options o;
	int wanted, err;

	TRY(wants(b, site, &o, &wanted));
	if (!wanted)
		return 0;
	err = adapter_set_add(&one, site, &o);
	if (!err)
		err = adapter_set_place(&one, 0);
	if (!err)
		err = starts(b, &o, t->role) ? start(b, one.at, t, changed) :
				      init(b, one.at, t);
	if (!err)
		err = adapter_set_tensors(&one, 0, keep, b);
	if (err)
		tensor_release(changed);
	adapter_set_release(&one);
	return err;
}

int begin_take(struct begin *b, const struct tensor *t,
	       struct tensor *changed)
{
	memset(changed, 0, sizeof(*changed));
	if (soft_model_wants(b->config, t))
		return soft_model(b->config, t);
	for (size_t i = b->first; i < b->sites.n; i++)
		TRY(take_site(b, &b->sites.at[i], t, changed));
	return 0;
}

int begin_end(struct begin *b, struct adapter_set *s)
{
	char name[TENSOR_NAME];

	TRY(adapter_set_make(s, b->config, &b->sites));
	TRY(adapter_set_place(s, 0));
	for (size_t i = 0; i < s->n; i++) {
		struct adapter *a = &s->at[i];

		if (tensor_set_find(&b->values,
				    adapter_param_name(name, a, 0)))
			TRY(adapter_load(a, &b->values));
		else
			TRY(a->kind->init(a, NULL, b->seed));
	}
	return 0;
}

void begin_release(struct begin *b)
{
	adapter_sites_release(&b->sites);
	tensor_set_release(&b->values);
}
