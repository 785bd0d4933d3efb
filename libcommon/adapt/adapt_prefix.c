/*
 * Prefix tuning (Li and Liang 2021, arXiv:2101.00190), without the network
 * that makes the prefix from a smaller one: P (n, 2 layers keys) has, for each
 * virtual token, the keys and then the values of every layer in turn, as
 * PEFT's. Attention reads them as they are: the keys are not rotated. Nothing
 * reads the rest of a virtual token's row, so its gradient is zero.
 */
#include "adapt/adapt_kind.h"
#include "adapt/soft.h"

#include <stdlib.h>

struct prefix {
	size_t layers, keys;    /* columns of a layer's keys */
};

/* Keys and values near zero leave the model nearly as it is. */
static const float deviation = 0.02f;

static int prefix_shape(struct adapter *a, const struct adapter_options *o)
{
	struct prefix *own = calloc(1, sizeof(*own));
	size_t n;

	a->own = own;
	if (!own)
		return err_set(E_NOMEM, "out of memory");
	TRY(soft_tokens(&n, o));
	TRY(soft_size(&own->layers, o, "num_layers"));
	TRY(soft_size(&own->keys, o, "token_dim"));
	if (o->cols && o->cols != 2 * own->layers * own->keys)
		return err_set(E_CONFIG, "a prefix of %zu columns, want 2 x "
			       "%zu layers of %zu", o->cols, own->layers,
			       own->keys);
	return soft_add(a, "keys_values", n, 2 * own->layers * own->keys);
}

static int prefix_init(struct adapter *a, const struct weight *w,
		       uint64_t seed)
{
	(void)w;
	adapter_init_normal(a, 0, deviation, seed);
	return 0;
}

static int prefix_check(const struct adapter *a, const struct adapter_model *m)
{
	const struct prefix *own = a->own;

	if (!m->keys)
		return err_set(E_CONFIG, "this model's layers have keys of "
			       "different sizes, which a prefix cannot have; "
			       "--method prompt can");
	if (own->layers == m->layers && own->keys == m->keys)
		return 0;
	return err_set(E_CONFIG, "a prefix of %zu layers with %zu columns of "
		       "keys, the model has %zu with %zu", own->layers,
		       own->keys, m->layers, m->keys);
}

static struct mat prefix_embedding(const struct adapter *a, size_t layer,
				   int grad)
{
	(void)a;
	(void)layer;
	(void)grad;
	return (struct mat){ 0 };
}

static struct mat prefix_keys(const struct adapter *a, size_t layer, int grad)
{
	const struct prefix *own = a->own;

	return mat_cols(soft_table(a, grad), 2 * layer * own->keys, own->keys);
}

static struct mat prefix_values(const struct adapter *a, size_t layer,
				int grad)
{
	const struct prefix *own = a->own;

	return mat_cols(soft_table(a, grad), (2 * layer + 1) * own->keys,
			own->keys);
}

static void prefix_release(struct adapter *a)
{
	free(a->own);
}

static const struct adapter_front front = {
	.check = prefix_check,
	.embedding = prefix_embedding,
	.keys = prefix_keys,
	.values = prefix_values,
};

const struct adapter_kind adapt_prefix = {
	.name = "prefix",
	.mark = "keys_values",
	.shape = prefix_shape,
	.init = prefix_init,
	.by_sequence = 1,
	.describe = soft_describe,
	.peft_name = soft_peft_name,
	.front = &front,
	.release = prefix_release,
};
