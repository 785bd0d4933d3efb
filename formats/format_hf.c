/* A Hugging Face model directory: weights in one file or several, side files */
#include "formats/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/size.h"
#include "formats/foreign.h"
#include "formats/hf_names.h"
#include "formats/safetensors.h"

enum { SHARDS = 500 };         /* files of weights at most */

/* What travels beside the weights, in this order. */
static const char *const side[] = {
	"config.json", "generation_config.json", "tokenizer.json",
	"tokenizer_config.json", "special_tokens_map.json",
	"added_tokens.json", "chat_template.jinja", "chat_template.json",
	"vocab.json", "merges.txt", "tokenizer.model",
};

struct model {
	struct foreign *foreign;
	const char *dir;
	struct hf_model hf;
	json_t *map;            /* the index's weight_map; NULL: one file */
	size_t found;           /* tensors of the map that were met */
	int tied;               /* config.json says that the head is */
};

static int probe(const char *path, const unsigned char *head, size_t n)
{
	return path && !head && !n &&
	       (foreign_has(path, "config.json") ||
		foreign_has(path, "model.safetensors"));
}

static int add_tensor(struct model *m, const struct safetensors_entry *e,
		      size_t file)
{
	struct foreign_item *item;
	struct hf_name name;

	TRY(hf_name_find(&name, m->hf.family, e->name, e->rank));
	if (name.drop || (m->tied && name.role == ROLE_HEAD))
		return 0;
	TRY(foreign_add(m->foreign, e->name, name.role, e->dtype, e->rank,
			e->shape, &item));
	item->file = file;
	item->at = e->at;
	item->order = name.order;
	if (!dtype_is_float(e->dtype))
		return err_set(E_DATA, "%s: is stored as %s, want a float "
			       "type", e->name, dtype_name(e->dtype));
	return hf_model_add(&m->hf, &item->tensor);
}

/* The index must say that this tensor is in this file. */
static int check_map(struct model *m, const char *tensor, const char *file)
{
	json_t *where;

	if (!m->map)
		return 0;
	where = json_object_get(m->map, tensor);
	if (!where)
		return err_set(E_DATA, "%s: is not in the index", tensor);
	if (strcmp(json_string_value(where), file))
		return err_set(E_DATA, "%s: the index has it in %s", tensor,
			       json_string_value(where));
	m->found++;
	return 0;
}

static int add_shard(struct model *m, const char *name)
{
	struct safetensors s = { 0 };
	struct file file;
	size_t index = 0;
	int err;

	TRY(file_open(&file, m->dir, name));
	err = safetensors_read(&s, &file);
	if (err)
		file_close(&file);
	else
		err = foreign_take(m->foreign, &file, &index);
	for (size_t i = 0; i < s.n && !err; i++) {
		err = check_map(m, s.entry[i].name, name);
		if (!err)
			err = add_tensor(m, &s.entry[i], index);
		if (err)
			err_at(err, "%s", name);
	}
	safetensors_release(&s);
	return err;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of the index's files, each once, sorted. */
static int shard_names(json_t *map, const char ***names, size_t *n)
{
	size_t count = json_object_size(map), kept = 0, i = 0;
	const char *key;
	json_t *value;

	*names = calloc(count + 1, sizeof(**names));
	if (!*names)
		return err_set(E_NOMEM, "out of memory");
	json_object_foreach(map, key, value) {
		const char *file = json_string_value(value);

		if (!file || !*file || strchr(file, '/') || *file == '.')
			return err_set(E_DATA, "%s: the index names no plain "
				       "file for it", key);
		(*names)[i++] = file;
	}
	if (count)
		qsort(*names, count, sizeof(**names), by_text);
	for (i = 0; i < count; i++)
		if (!kept || strcmp((*names)[kept - 1], (*names)[i]))
			(*names)[kept++] = (*names)[i];
	*n = kept;
	return kept <= SHARDS ? 0 :
	       err_set(E_DATA, "the index names %zu files", kept);
}

static int add_shards(struct model *m, json_t *index)
{
	const char **names = NULL;
	size_t n = 0;
	int err;

	m->map = json_object_get(index, "weight_map");
	if (!json_is_object(m->map))
		return err_set(E_DATA, "the index has no weight_map");
	err = shard_names(m->map, &names, &n);
	for (size_t i = 0; i < n && !err; i++)
		err = add_shard(m, names[i]);
	free(names);
	if (!err && m->found != json_object_size(m->map))
		err = err_set(E_DATA, "the index names tensors that are in no "
			      "file");
	return err;
}

static int add_weights(struct model *m)
{
	static const char list[] = "model.safetensors.index.json";
	json_t *index;
	int err;

	if (foreign_has(m->dir, list)) {
		TRY(foreign_json(&index, m->dir, list));
		err = add_shards(m, index);
		json_decref(index);
		return err ? err_at(err, "%s", list) : 0;
	}
	if (foreign_has(m->dir, "model.safetensors"))
		return add_shard(m, "model.safetensors");
	if (foreign_has(m->dir, "pytorch_model.bin") ||
	    foreign_has(m->dir, "pytorch_model.bin.index.json"))
		return err_set(E_DATA, "the weights are a pickle, which is a "
			       "program and is not run; please convert them "
			       "to safetensors");
	return err_set(E_NOINPUT, "there is no model.safetensors");
}

static int add_side(struct model *m)
{
	for (size_t i = 0; i < NELEM(side); i++)
		if (foreign_has(m->dir, side[i]))
			TRY(foreign_side(m->foreign, m->dir, side[i]));
	return 0;
}

static int read_config(struct model *m)
{
	const char *method;
	json_t *config;
	int err;

	TRY(foreign_json(&config, m->dir, "config.json"));
	method = json_text(config, "quantization_config.quant_method", NULL);
	if (json_object_get(config, "quantization_config"))
		err = err_set(E_DATA, "config.json: the weights are quantised "
			      "already (%s), which is not read yet; please "
			      "take the original", method ? method : "?");
	else
		err = hf_model_begin(&m->hf, config);
	m->tied = json_flag(config, "tie_word_embeddings", 0);
	json_decref(config);
	return err;
}

static int open_dir(void **self, const char *path, struct io_in *in)
{
	struct model m = { .dir = path };
	int err;

	(void)in;
	err = read_config(&m);
	if (!err)
		err = foreign_new(&m.foreign, STREAM_BASE);
	if (!err)
		err = add_side(&m);
	if (!err)
		err = add_weights(&m);
	if (!err)
		err = hf_model_end(&m.hf);
	if (!err)
		err = foreign_sort(m.foreign);
	hf_model_release(&m.hf);
	if (err)
		foreign_close(m.foreign);
	else
		*self = m.foreign;
	return err;
}

const struct source_format format_hf = {
	.name = "Hugging Face directory", .probe = probe, .open = open_dir,
	.next = foreign_next, .load = foreign_load, .close = foreign_close,
};
