#include "adapt/alone.h"

#include <stdio.h>
#include <string.h>

#include "base/suffix.h"
#include "adapt/match.h"

/* Of a module whose A has so many columns; 0: the configuration is silent. */
static size_t inputs(json_t *config, const char *module, size_t cols)
{
	json_t *own = adapter_config_at(config, module);
	const struct adapter_kind *kind = adapter_kind_find(
					json_text(own, "kind", "lora"));

	return kind && kind->inputs ? kind->inputs(own, cols) : cols;
}

static int add_site(struct adapter_sites *s, json_t *config,
		    const struct tensor_set *set, const struct tensor *a)
{
	size_t len = strlen(a->name) - strlen(".lora_A");
	char name[TENSOR_NAME + 16];
	const struct tensor *b;
	size_t in;

	snprintf(name, sizeof(name), "%.*s.lora_B", (int)len, a->name);
	b = tensor_set_find(set, name);
	if (!b)
		return err_set(E_DATA, "the adapter has no %s", name);
	name[len] = 0;
	in = inputs(config, name, tensor_cols(a));
	if (!in)
		return err_set(E_DATA, "%s: how many inputs it has is not in "
			       "the adapter, but in its base", name);
	snprintf(name, sizeof(name), "%.*s.weight", (int)len, a->name);
	return adapter_sites_add(s, &(struct tensor){
		.name = name, .role = ROLE_LINEAR, .rank = 2,
		.shape = { tensor_rows(b), in } });
}

/* At an embedding, A has the weight's rows and B its columns. */
static int add_embed(struct adapter_sites *s, const struct tensor_set *set,
		     const struct tensor *a)
{
	size_t len = strlen(a->name) - strlen(".lora_embedding_A");
	char name[TENSOR_NAME + 32];
	const struct tensor *b;

	snprintf(name, sizeof(name), "%.*s.lora_embedding_B", (int)len,
		 a->name);
	b = tensor_set_find(set, name);
	if (!b)
		return err_set(E_DATA, "the adapter has no %s", name);
	snprintf(name, sizeof(name), "%.*s.weight", (int)len, a->name);
	return adapter_sites_add(s, &(struct tensor){
		.name = name, .role = ROLE_EMBED, .rank = 2,
		.shape = { tensor_cols(a), tensor_rows(b) } });
}

/* A bias is at a module that has more, or at a norm. */
static int add_bias(struct adapter_sites *s, const struct tensor *t)
{
	return adapter_sites_add(s, &(struct tensor){
		.name = t->name, .role = ROLE_BIAS, .rank = 1,
		.count = t->count, .shape = { t->count } });
}

/* A weight that is trained whole is its own site. */
static int add_whole(struct adapter_sites *s, const struct tensor *t)
{
	return adapter_sites_add(s, &(struct tensor){
		.name = t->name, .role = ROLE_LINEAR, .rank = t->rank,
		.shape = { t->shape[0], t->shape[1] } });
}

/* Of rows of tokens nobody says how many there are besides. */
static int add_tokens(struct adapter_sites *s, const struct tensor *t,
		      json_t *config)
{
	static const char end[] = ".trainable_tokens_delta";
	size_t len = strlen(t->name) - strlen(end), rows = 1, i;
	char name[TENSOR_NAME + 16];
	json_t *list = NULL, *id;

	snprintf(name, sizeof(name), "%.*s", (int)len, t->name);
	match_listed(json_object_get(config, adapt_tokens.list), name, &list);
	json_array_foreach(list, i, id)
		if (json_integer_value(id) >= (json_int_t)rows &&
		    json_integer_value(id) < UINT32_MAX)
			rows = (size_t)json_integer_value(id) + 1;
	strcat(name, ".weight");
	return adapter_sites_add(s, &(struct tensor){
		.name = name, .role = ROLE_EMBED, .rank = 2,
		.shape = { rows, tensor_cols(t) } });
}

int adapter_set_alone(struct adapter_set *s, struct adapter_sites *sites,
		      json_t *config, const struct tensor_set *tensors)
{
	const struct adapter_kind *kind =
		adapter_kind_find(json_text(config, "kind", "lora"));

	if (!json_is_object(config))
		return err_set(E_DATA, "the adapter has no configuration");
	if (kind && kind->front)
		return err_set(E_CONFIG, "a soft prompt has no sum with "
			       "others; eval and generate choose one of "
			       "several by --adapter-field");
	for (size_t i = 0; i < tensors->n; i++) {
		const struct tensor *t = &tensors->at[i];

		if (t->role != ROLE_ADAPTER)
			continue;
		if (suffix_stem(t->name, ".lora_A"))
			TRY(add_site(sites, config, tensors, t));
		else if (suffix_stem(t->name, ".lora_embedding_A"))
			TRY(add_embed(sites, tensors, t));
		else if (suffix_stem(t->name, ".weight"))
			TRY(add_whole(sites, t));
		else if (suffix_stem(t->name, ".trainable_tokens_delta"))
			TRY(add_tokens(sites, t, config));
		else if (suffix_stem(t->name, ".bias"))
			TRY(add_bias(sites, t));
	}
	TRY(adapter_set_read(s, config, tensors, sites));
	TRY(adapter_set_place(s, 0));
	return adapter_set_load(s, tensors);
}
