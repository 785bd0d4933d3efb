/* What tokenizer_config.json says: special tokens, the chat template. */
#include "formats/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

/* "bos_token": "<s>" or {"content": "<s>"}; *id stays -1 without it. */
static int named_id(const struct tokenizer *t, json_t *config, const char *key,
		    int64_t *id, char **text)
{
	json_t *value = json_object_get(config, key);
	const char *name = json_is_object(value) ?
			   json_text(value, "content", NULL) :
			   json_string_value(value);

	if (!name)
		return 0;
	*id = tokenizer_id(t, name);
	if (*id < 0)
		return err_set(E_DATA, "%s '%s' is not in the vocabulary", key,
			       name);
	*text = strdup(name);
	return *text ? 0 : err_set(E_NOMEM, "no memory for %s", key);
}

/* All of the config's *_token, which templates may name; the first counts. */
static int special_parse(struct tokenizer *t, json_t *config)
{
	json_t *value;
	const char *key;

	json_object_foreach(config, key, value) {
		size_t n = strlen(key);

		if (json_is_object(value))
			value = json_object_get(value, "content");
		if (n > 6 && !strcmp(key + n - 6, "_token") &&
		    json_is_string(value) &&
		    !json_object_get(t->special, key) &&
		    json_object_set(t->special, key, value))
			return err_set(E_NOMEM, "no memory for %s", key);
	}
	return 0;
}

/* A text, or a list of {name, template} of which "default" counts. */
static int template_parse(struct tokenizer *t, json_t *config)
{
	json_t *value = json_object_get(config, "chat_template"), *entry;
	const char *text = json_string_value(value);
	size_t i;

	json_array_foreach(value, i, entry)
		if (!strcmp(json_text(entry, "name", ""), "default"))
			text = json_text(entry, "template", NULL);
	if (json_is_array(value))
		t->templates = json_incref(value);
	if (!text)
		return 0;
	t->template = strdup(text);
	return t->template ? 0 : err_set(E_NOMEM, "no memory for a template");
}

int tokenizer_configure(struct tokenizer *t, const char *config, size_t size)
{
	json_t *root;
	int err;

	t->bos = t->eos = -1;
	t->special = json_object();
	if (!t->special)
		return err_set(E_NOMEM, "no memory for a tokenizer");
	if (!config)
		return 0;
	TRY(json_parse(&root, config, size));
	err = named_id(t, root, "bos_token", &t->bos, &t->bos_text);
	if (!err)
		err = named_id(t, root, "eos_token", &t->eos,
			       &t->eos_text);
	if (!err)
		err = special_parse(t, root);
	if (!err)
		err = template_parse(t, root);
	json_decref(root);
	return err;
}

/* As named_id(), where none is there yet; one that is no token is none. */
static int complete_id(const struct tokenizer *t, json_t *from, const char *key,
		       int64_t *id, char **text)
{
	int err;

	if (*id >= 0)
		return 0;
	err = named_id(t, from, key, id, text);
	return err == E_DATA ? 0 : err;
}

static int from_map(struct tokenizer *t, json_t *map)
{
	TRY(complete_id(t, map, "bos_token", &t->bos, &t->bos_text));
	TRY(complete_id(t, map, "eos_token", &t->eos, &t->eos_text));
	return special_parse(t, map);
}

/* eos_token_id, a number or a list of them. */
static int from_model(struct tokenizer *t, json_t *config)
{
	json_t *id = json_object_get(config, "eos_token_id"), *named;
	const struct added *a;
	int err;

	if (json_is_array(id))
		id = json_array_get(id, 0);
	if (t->eos >= 0 || !json_is_integer(id) ||
	    json_integer_value(id) < 0 || json_integer_value(id) > UINT32_MAX)
		return 0;
	a = added_find(&t->added, (uint32_t)json_integer_value(id));
	if (!a)
		return 0;
	named = json_pack("{s:s%}", "eos_token", a->content.at, a->content.n);
	if (!named)
		return err_set(E_NOMEM, "no memory for eos_token");
	err = from_map(t, named);
	json_decref(named);
	return err;
}

static int complete(struct tokenizer *t, const char *text, size_t size,
		    int (*from)(struct tokenizer *t, json_t *root),
		    const char *name)
{
	json_t *root;
	int err;

	if (!text)
		return 0;
	err = json_parse(&root, text, size);
	if (!err) {
		err = from(t, root);
		json_decref(root);
	}
	return err ? err_at(err, "%s", name) : 0;
}

int tokenizer_complete(struct tokenizer *t, const char *map, size_t map_size,
		       const char *config, size_t config_size)
{
	TRY(complete(t, map, map_size, from_map, "special_tokens_map.json"));
	return complete(t, config, config_size, from_model, "config.json");
}
