#include "formats/peft_tokens.h"

#include "base/suffix.h"
#include "formats/peft_config.h"

#include <string.h>

static const char key[] = "trainable_token_indices";

static int no_memory(void)
{
	return err_set(E_NOMEM, "out of memory");
}

/* The list of a module, or the only one. */
static json_t *list_of(json_t *peft, const char *module)
{
	json_t *all = json_object_get(peft, key), *list;
	const char *name;

	if (json_is_array(all))
		return all;
	json_object_foreach(all, name, list)
		if (suffix_is(module, name))
			return list;
	return NULL;
}

int peft_tokens_module(json_t *tokens, json_t *peft, const char *module,
		       size_t rows)
{
	json_t *list = list_of(peft, module), *v;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) != rows)
		return err_set(E_DATA, "%s: %s has no list of %zu for it",
			       module, key, rows);
	json_array_foreach(list, i, v)
		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return err_set(E_DATA, "%s: %s: entry %zu is no token",
				       module, key, i + 1);
	return json_object_set(tokens, module, list) ? no_memory() : 0;
}

/* A list is the embedding's alone. */
int peft_tokens_is_copy(json_t *peft, const char *param,
			enum tensor_role role)
{
	return role == ROLE_HEAD &&
	       json_is_array(json_object_get(peft, key)) &&
	       !strcmp(param, ".trainable_tokens_delta");
}

static int is_trained(json_t *tokens, json_int_t id)
{
	const char *module;
	json_t *list, *v;
	size_t i;

	json_object_foreach(tokens, module, list)
		json_array_foreach(list, i, v)
			if (json_integer_value(v) == id)
				return 1;
	return 0;
}

int peft_tokens_read(json_t *adapter, json_t *tokens, json_t *file)
{
	json_t *added = json_array(), *id, *one;
	const char *content;
	int err = !added;

	json_object_foreach(file, content, id)
		if (!err && *content && json_is_integer(id) &&
		    is_trained(tokens, json_integer_value(id))) {
			one = json_pack("{s:O,s:s}", "id", id, "content",
					content);
			err = !one || json_array_append_new(added, one);
		}
	if (!err && json_object_size(tokens))
		err = json_object_set(adapter, key, tokens);
	if (!err && json_array_size(added))
		err = json_object_set(adapter, "added_tokens", added);
	json_decref(added);
	return err ? no_memory() : 0;
}

int peft_tokens_write(json_t *peft, json_t *adapter)
{
	json_t *saved = json_object_get(adapter, "modules_to_save");
	json_t *all = json_object_get(adapter, key), *to, *list;
	const char *module;
	int err = 0;

	if (!json_object_size(all))
		return 0;
	to = json_object();
	json_object_foreach(all, module, list)
		if (!err && !peft_is_saved(saved, module))
			err = json_object_set(to, module, list);
	if (!err && json_object_size(to))
		err = json_object_set(peft, key, to);
	json_decref(to);
	return err || !to ? no_memory() : 0;
}

int peft_tokens_file(json_t **file, json_t *adapter)
{
	json_t *added = json_object_get(adapter, "added_tokens"), *one;
	size_t i;
	int err = 0;

	*file = NULL;
	if (!json_array_size(added))
		return 0;
	*file = json_object();
	json_array_foreach(added, i, one)
		err |= json_object_set(*file, json_text(one, "content", ""),
				       json_object_get(one, "id"));
	if (!err && *file)
		return 0;
	json_decref(*file);
	*file = NULL;
	return no_memory();
}
