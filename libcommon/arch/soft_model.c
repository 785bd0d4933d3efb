#include "arch/soft_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/adapt.h"
#include "arch/family.h"

static const char config_name[] = "file/config.json";

static const struct adapter_kind *front_kind(json_t *adapter)
{
	const struct adapter_kind *k =
		adapter_kind_find(json_text(adapter, "kind", "lora"));

	return k && k->front ? k : NULL;
}

int soft_model_wants(json_t *adapter, const struct tensor *t)
{
	return front_kind(adapter) && t->role == ROLE_BLOB &&
	       !strcmp(t->name, config_name);
}

/* The number of the step that begins a token's row; 1: it has none. */
static int embed_scale(double *x, const struct family *f,
		       const struct family_config *c)
{
	size_t n;
	const struct family_step *s = family_steps(f, FAMILY_HEAD, &n);

	*x = 1;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(s[i].op, "embed") && s[i].nkey)
			return family_real_at(x, c, s[i].key[0], SIZE_MAX);
	return 0;
}

static int size_of(size_t *n, const struct family_config *c, const char *name,
		   const char *otherwise)
{
	return family_size(n, c, family_has(c, name) ? name : otherwise);
}

static int add(json_t *adapter, const struct family *f,
	       const struct family_config *c)
{
	int all_keys = front_kind(adapter) == &adapt_prefix;
	size_t layers, heads, dim;
	double scale;

	TRY(family_size(&layers, c, "layers"));
	TRY(size_of(&heads, c, all_keys ? "kv_heads" : "heads", "heads"));
	TRY(family_size(&dim, c, all_keys ? "head_dim" : "hidden"));
	TRY(embed_scale(&scale, f, c));
	if (json_object_set_new(adapter, "num_layers",
				json_integer((json_int_t)layers)) ||
	    json_object_set_new(adapter, "num_attention_heads",
				json_integer((json_int_t)heads)) ||
	    json_object_set_new(adapter, "token_dim", json_integer(
			(json_int_t)(all_keys ? heads * dim : dim))) ||
	    (scale != 1 && json_object_set_new(adapter, "embed_scale",
					       json_real(scale))))
		return err_set(E_NOMEM, "out of memory");
	return 0;
}

int soft_model(json_t *adapter, const struct tensor *t)
{
	const struct family *f = NULL;
	struct family_config *c = NULL;
	json_t *config;
	int err;

	if (!front_kind(adapter))
		return 0;
	err = json_parse(&config, t->part[0].data, t->part[0].bytes);
	if (err)
		return err_at(err, "config.json");
	err = family_find(&f, config);
	if (!err)
		err = family_configure(&c, f, config);
	if (!err)
		err = add(adapter, f, c);
	family_config_free(c);
	json_decref(config);
	return err;
}

int soft_model_scale(double *scale, const struct tensor_set *base)
{
	json_t *model = json_pack("{ss}", "kind", adapt_prompt.name);
	int err = model ? soft_model_of(model, base) :
			  err_set(E_NOMEM, "out of memory");

	*scale = json_number(model, "embed_scale", 1);
	json_decref(model);
	return err;
}

int soft_model_of(json_t *adapter, const struct tensor_set *base)
{
	const struct tensor *t = tensor_set_find(base, config_name);

	if (!front_kind(adapter))
		return 0;
	if (!t || !t->npart || !t->part[0].data)
		return err_set(E_DATA, "the base has no config.json");
	return soft_model(adapter, t);
}
