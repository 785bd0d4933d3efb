#include "formats/export_base.h"

#include <stdlib.h>
#include <string.h>

#include "formats/export_dense.h"

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
	free(b->text);
	b->text = malloc(t->part[0].bytes + 1);
	if (!b->text)
		return no_memory();
	memcpy(b->text, t->part[0].data, t->part[0].bytes);
	b->text_size = t->part[0].bytes;
	return 0;
}

/* What the text says, once it can have come: it is before all weights. */
static int parse_config(struct export_base *b)
{
	int err;

	if (b->config)
		return 0;
	err = json_parse(&b->config, b->text ? b->text : "{}",
			 b->text ? b->text_size : 2);
	if (!err && !json_is_object(b->config))
		err = err_set(E_DATA, "not an object");
	if (err)
		return err_at(err, "config.json");
	if (family_find(&b->family, b->config))
		b->family = NULL;
	return 0;
}

static int is_transposed(const struct export_base *b, const struct tensor *t)
{
	const struct family_tensor *ft;
	const char *suffix;
	size_t layer;

	if (!b->family || t->rank != 2)
		return 0;
	ft = family_match_hf(b->family, t->name, &layer, &suffix);
	return ft && ft->transposed && !strcmp(suffix, "weight");
}

int export_base_array(struct export_base *b, const struct tensor *t,
		      enum dtype d, const void *data)
{
	size_t turned[2] = { t->shape[1], t->shape[0] };
	void *copy;
	int err;

	if (!is_transposed(b, t))
		return shards_add(&b->shards, t->name, d, t->rank, t->shape,
				  data);
	TRY(export_turned(&copy, t, d, data));
	err = shards_add(&b->shards, t->name, d, 2, turned, copy);
	free(copy);
	return err;
}

int export_base_dense(struct export_base *b, const struct tensor *t,
		      enum dtype d)
{
	void *data;
	int err;

	if (tensor_is_plain(t) && (d == t->dtype || !dtype_is_float(t->dtype)))
		return export_base_array(b, t, t->dtype, t->part[0].data);
	TRY(export_dense(&data, t, d));
	err = export_base_array(b, t, d, data);
	free(data);
	return err;
}

static int handle(void *self, const struct item *item)
{
	struct export_base *b = self;

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
	TRY(parse_config(b));
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
	int changed = 0;

	TRY(parse_config(b));
	TRY(set_tied(b, b->config, &changed));
	TRY(b->configure(b, b->config, &changed));
	if (!b->text)
		return 0;
	return changed ? export_dir_json(&b->dir, "config.json", b->config) :
			 export_dir_write(&b->dir, "config.json", b->text,
					  b->text_size);
}

static int run(struct export_base *b)
{
	TRY(export_each(b->from, handle, b));
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
	json_decref(b->config);
	free(b->text);
	return err;
}
