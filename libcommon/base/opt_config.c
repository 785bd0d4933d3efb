/* opt_config - options from a JSON file, under their long names */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/opt_text.h"

enum { CONFIG_BYTES = 1 << 20 };

char *opt_scalar_text(json_t *v)
{
	char buf[64];

	switch (json_typeof(v)) {
	case JSON_STRING:
		return strdup(json_string_value(v));
	case JSON_INTEGER:
		snprintf(buf, sizeof(buf), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(v));
		return strdup(buf);
	case JSON_REAL:
		snprintf(buf, sizeof(buf), "%.17g", json_real_value(v));
		return strdup(buf);
	case JSON_TRUE:
		return strdup("true");
	case JSON_FALSE:
		return strdup("false");
	default:
		return NULL;
	}
}

static int set_scalar(struct opt *o, const char *key, json_t *v)
{
	char *text = opt_scalar_text(v);
	int err;

	if (!text || (o->type == OPT_FLAG) != json_is_boolean(v)) {
		free(text);
		return err_set(E_CONFIG, "%s: wrong type of value", key);
	}
	err = opt_set(o, text) ? err_at(E_CONFIG, "%s", key) : 0;
	/* Texts are kept for the program's life: the option points to them. */
	if (err || (o->type != OPT_TEXT && o->type != OPT_LIST))
		free(text);
	return err;
}

static int set_key(const struct opt_program *p, const char *key, json_t *v)
{
	struct opt *o = opt_find(p, key);
	json_t *each;
	size_t i;

	if (!o)
		return err_set(E_CONFIG, "unknown key '%s'", key);
	if (o->given || json_is_null(v))
		return 0;
	if (o->type != OPT_LIST || !json_is_array(v))
		return set_scalar(o, key, v);
	json_array_foreach(v, i, each)
		TRY(set_scalar(o, key, each));
	return 0;
}

int opt_read_config(const struct opt_program *p, const char *path)
{
	json_t *root, *v;
	const char *key;
	int err = json_read_file(&root, path, CONFIG_BYTES);

	if (err)
		return err == E_DATA ? E_CONFIG : err;
	if (!json_is_object(root))
		err = err_set(E_CONFIG, "not a JSON object");
	else
		json_object_foreach(root, key, v)
			if (!err)
				err = set_key(p, key, v);
	json_decref(root);
	return err ? err_at(err, "%s", path) : 0;
}
