#include "train/begin.h"

#include <string.h>

#include "arch/soft_model.h"
#include "weight/plain.h"

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

/* The sites that a tensor stands for: its own, and with the first embedding
 * the place before the sequences. */
static size_t sites_of(const struct begin *b, const struct tensor *t,
		       const struct adapter_site *at[2])
{
	const struct adapter_site *own = adapter_sites_of(&b->sites, t->name);
	size_t n = 0;

	if (own)
		at[n++] = own;
	for (size_t i = b->first; i < b->sites.n; i++)
		if (b->sites.at[i].front)
			at[n++] = &b->sites.at[i];
	return n;
}

static int look_bias(struct begin *b, const struct tensor *t, int *load)
{
	const struct adapter_site *site = adapter_sites_of(&b->sites, t->name);
	struct adapter_options o;
	int wanted = 0;

	if (site)
		TRY(adapter_wanted(&o, b->config, site, &wanted));
	*load = wanted && o.bias;
	return 0;
}

int begin_look(struct begin *b, const struct tensor *t, int *load)
{
	const struct adapter_site *at[2];
	struct adapter_options o;
	size_t n;
	int wanted;

	*load = soft_model_wants(b->config, t);
	b->first = b->sites.n;
	TRY(adapter_sites_add(&b->sites, t));
	if (t->role == ROLE_BIAS)
		return look_bias(b, t, load);
	n = sites_of(b, t, at);
	while (n--) {
		TRY(wants(b, at[n], &o, &wanted));
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

/* A bias is its own first value. */
static int take_bias(struct begin *b, const struct tensor *t)
{
	struct tensor plain = { 0 };
	int err = weight_plain(&plain, t, DTYPE_F32);

	if (!err)
		err = tensor_set_take(&b->values, &plain);
	tensor_release(&plain);
	return err;
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
	const struct adapter_site *at[2];
	size_t n;

	memset(changed, 0, sizeof(*changed));
	if (soft_model_wants(b->config, t))
		return soft_model(b->config, t);
	if (t->role == ROLE_BIAS)
		return take_bias(b, t);
	n = sites_of(b, t, at);
	for (size_t i = 0; i < n; i++)
		TRY(take_site(b, at[i], t, changed));
	return 0;
}

int begin_end(struct begin *b, struct adapter_set *s)
{
	char name[TENSOR_NAME];

	TRY(adapter_set_make(s, b->config, &b->sites));
	TRY(adapter_set_place(s, 0));
	for (size_t i = 0; i < s->n; i++) {
		struct adapter *a = &s->at[i];

		if (!a->kind->needs_weight &&
		    !tensor_set_find(&b->values,
				     adapter_param_name(name, a, 0))) {
			TRY(a->kind->init(a, NULL, b->seed));
			TRY(adapter_bias_init(a, &b->values));
			continue;
		}
		TRY(adapter_load(a, &b->values));
	}
	return 0;
}

void begin_release(struct begin *b)
{
	adapter_sites_release(&b->sites);
	tensor_set_release(&b->values);
}
