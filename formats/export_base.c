#include "formats/export_base.h"

#include <stdlib.h>
#include <string.h>

#include "base/sig.h"

static int no_memory(void)
{
	return err_set(E_NOMEM, "out of memory");
}

static int write_side(struct export_base *b, const struct tensor *t)
{
	const char *name = t->name;

	if (strncmp(name, "file/", 5) || t->npart != 1)
		return err_set(E_DATA, "%s: is no side file", name);
	name += 5;
	if (strcmp(name, "config.json"))
		return export_dir_write(&b->dir, name, t->part[0].data,
					t->part[0].bytes);
	b->config = malloc(t->part[0].bytes + 1);
	if (!b->config)
		return no_memory();
	memcpy(b->config, t->part[0].data, t->part[0].bytes);
	b->config_size = t->part[0].bytes;
	return 0;
}

static int handle(struct export_base *b, const struct item *item)
{
	if (item->kind == ITEM_HEAD && item->stream == STREAM_ADAPTER)
		return err_set(E_DATA, "an adapter is on the input; merge it "
			       "first (merge-adapter), or export it with "
			       "--to peft");
	if (item->stream != STREAM_BASE)
		return 0;
	if (item->kind == ITEM_HEAD) {
		if (b->seen++)
			return err_set(E_DATA, "there are two bases");
	}
	if (item->kind != ITEM_TENSOR)
		return 0;
	TRY(source_load(b->from));
	if (item->tensor->role == ROLE_BLOB)
		return write_side(b, item->tensor);
	b->weights = 1;
	b->head |= item->tensor->role == ROLE_HEAD;
	return b->tensor(b, item->tensor);
}

int export_base_set(json_t *config, const char *key, json_t *value,
		    int *changed)
{
	if (!value)
		return no_memory();
	if (json_equal(json_object_get(config, key), value)) {
		json_decref(value);
		return 0;
	}
	*changed = 1;
	return json_object_set_new(config, key, value) ? no_memory() : 0;
}

int export_base_dtype(json_t *config, enum dtype d, int *changed)
{
	const char *name = d == DTYPE_F32 ? "float32" :
			   d == DTYPE_F16 ? "float16" :
			   d == DTYPE_F64 ? "float64" : "bfloat16";
	const char *key = json_object_get(config, "dtype") ? "dtype" :
							     "torch_dtype";

	return export_base_set(config, key, json_string(name), changed);
}

/* The head is tied if, and only if, it is not there. */
static int set_tied(struct export_base *b, json_t *config, int *changed)
{
	json_t *tied = json_object_get(config, "tie_word_embeddings");

	if (tied ? json_is_true(tied) == !b->head : b->head)
		return 0;
	return export_base_set(config, "tie_word_embeddings",
			       json_boolean(!b->head), changed);
}

static int write_config(struct export_base *b)
{
	json_t *config;
	int changed = 0, err;

	err = json_parse(&config, b->config ? b->config : "{}",
			 b->config ? b->config_size : 2);
	if (err)
		return err_at(err, "config.json");
	if (!json_is_object(config))
		err = err_set(E_DATA, "config.json: not an object");
	if (!err)
		err = set_tied(b, config, &changed);
	if (!err)
		err = b->configure(b, config, &changed);
	if (!b->config) {
		json_decref(config);
		return err;
	}
	if (!err && changed)
		err = export_dir_json(&b->dir, "config.json", config);
	else if (!err)
		err = export_dir_write(&b->dir, "config.json", b->config,
				       b->config_size);
	json_decref(config);
	return err;
}

static int run(struct export_base *b)
{
	struct item item;
	int err;

	do {
		TRY(source_next(b->from, &item));
		err = sig_stopped() ? err_set(E_IO, "stopped by a signal") :
				      handle(b, &item);
		if (err)
			return err_at(err, "%s", source_name(b->from));
	} while (item.kind != ITEM_NONE);
	if (!b->seen)
		return err_set(E_DATA, "no base on the input");
	TRY(write_config(b));
	TRY(shards_finish(&b->shards));
	return export_dir_commit(&b->dir);
}

int export_base_run(struct export_base *b, struct source *from,
		    const char *dir, const struct export_options *o)
{
	int err;

	b->o = o;
	b->from = from;
	err = export_dir_begin(&b->dir, dir, o->force);
	if (!err)
		err = shards_begin(&b->shards, &b->dir, o->shard);
	if (!err)
		err = run(b);
	shards_release(&b->shards);
	export_dir_release(&b->dir);
	free(b->config);
	return err;
}
