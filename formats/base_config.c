#include "formats/base_config.h"

#include <string.h>

#include "formats/source.h"

/* *past: side files are behind us. */
static int look(json_t **config, struct source *s, const struct tensor *t,
		int *past)
{
	int err;

	*past = t->role != ROLE_BLOB;
	if (strcmp(t->name, "file/config.json"))
		return 0;
	TRY(source_load(s));
	if (t->npart != 1)
		return err_set(E_DATA, "config.json: is no file");
	err = json_parse(config, t->part[0].data, t->part[0].bytes);
	return err ? err_at(err, "config.json") : 0;
}

int base_config(json_t **config, const char *path)
{
	char *const paths[] = { (char *)path, NULL };
	struct source *s;
	struct item item;
	int err, past = 0;

	*config = NULL;
	TRY(source_open(&s, paths));
	source_trust(s);
	do {
		err = source_next(s, &item);
		if (!err && item.kind == ITEM_TENSOR)
			err = look(config, s, item.tensor, &past);
	} while (!err && item.kind != ITEM_NONE && !past && !*config);
	source_close(s);
	if (!err && !json_is_object(*config))
		err = err_set(E_DATA, "there is no config.json, which a base "
			      "has");
	if (err) {
		json_decref(*config);
		*config = NULL;
	}
	return err ? err_at(err, "%s", path) : 0;
}
