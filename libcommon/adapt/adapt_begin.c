/* adapt_begin - an adapter's first values */
#include "adapt/adapt_kind.h"

#include <stdio.h>

void adapter_init_normal(struct adapter *a, size_t i, float deviation,
			 uint64_t seed)
{
	struct adapter_param *p = &a->param[i];
	char name[TENSOR_NAME];
	struct rng r = rng_of(seed, adapter_param_name(name, a, i));

	for (size_t k = 0; k < p->rows * p->cols; k++)
		p->at[k] = rng_normal(r, k) * deviation;
}

static const struct tensor *embedding_of(const struct tensor_set *base)
{
	for (size_t i = 0; i < base->n; i++)
		if (base->at[i].role == ROLE_EMBED && base->at[i].rank == 2)
			return &base->at[i];
	return NULL;
}

static int init(struct adapter *a, const struct tensor_set *base,
		uint64_t seed)
{
	char name[TENSOR_NAME + 8];
	const struct tensor *t;
	struct weight w;

	if (!a->kind->needs_weight)
		return a->kind->init(a, NULL, seed);
	snprintf(name, sizeof(name), "%s.weight", a->module);
	t = a->kind->front ? embedding_of(base) : tensor_set_find(base, name);
	if (!t)
		return err_set(E_DATA, "the base has no %s", name);
	TRY(weight_bind(&w, t));
	TRY(tensor_set_borrow(base, t));
	TRY(a->kind->init(a, &w, seed));
	return tensor_set_return(base, t);
}

int adapter_set_init(struct adapter_set *s, const struct tensor_set *base,
		     uint64_t seed)
{
	for (size_t i = 0; i < s->n; i++) {
		TRY(init(&s->at[i], base, seed));
		TRY(adapter_bias_init(&s->at[i], base));
	}
	return 0;
}
