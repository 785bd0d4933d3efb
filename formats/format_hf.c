/* A Hugging Face model directory: weights in one file or several, side files */
#include "formats/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/size.h"
#include "formats/bnb.h"
#include "formats/foreign.h"
#include "formats/hf_bnb.h"
#include "formats/hf_config.h"
#include "formats/hf_names.h"
#include "formats/hf_templates.h"
#include "formats/safetensors.h"

enum { SHARDS = 500 };         /* files of weights at most */

/* What travels beside the weights, in this order. */
static const char *const side[] = {
	"config.json", "generation_config.json", "tokenizer.json",
	"tokenizer_config.json", "special_tokens_map.json",
	"added_tokens.json", "chat_template.jinja", "chat_template.json",
	"vocab.json", "merges.txt", "tokenizer.model",
	"gguf.json",
};

struct model {
	struct foreign *foreign;
	const char *dir;
	struct hf_model hf;
	json_t *config;
	int inner;              /* the model is a part of what is there, and
				 * config.json is made */
	json_t *map;            /* the index's weight_map; NULL: one file */
	size_t found;           /* tensors of the map that were met */
	int tied;               /* config.json says that the head is */
	int coded;              /* weights are in bitsandbytes' 4 bits */
	struct hf_bnb bnb;
};

static int probe(const char *path, const unsigned char *head, size_t n)
{
	return path && !head && !n &&
	       (foreign_has(path, "config.json") ||
		foreign_has(path, "model.safetensors"));
}

/* What the family says of a tensor. */
static int find_name(const struct model *m, struct hf_name *name,
		     const char *from, int rank)
{
	char text[TENSOR_NAME];

	if (m->inner && strlen(from) < TENSOR_NAME) {
		const char *own = hf_config_name(
			text, sizeof(text), from,
			family_prefix(m->hf.family));

		if (!own)
			return err_set(E_DATA, "%s: is no part of the model "
				       "of text, and images and sounds are "
				       "not supported; please take a "
				       "checkpoint of text alone", from);
		from = own;
	}
	return hf_name_find(name, m->hf.family, from, rank);
}

static int add_tensor(struct model *m, const struct safetensors_entry *e,
		      size_t file)
{
	size_t shape[TENSOR_RANK];
	struct foreign_item *item;
	struct hf_name name;

	TRY(find_name(m, &name, e->name, e->rank));
	if (name.drop || (m->tied && name.role == ROLE_HEAD))
		return 0;
	if (!dtype_is_float(e->dtype))
		return err_set(E_DATA, "%s: is stored as %s, want a float "
			       "type", e->name, dtype_name(e->dtype));
	memcpy(shape, e->shape, sizeof(shape));
	if (name.transposed) {
		shape[0] = e->shape[1];
		shape[1] = e->shape[0];
	}
	TRY(foreign_add(m->foreign, name.name, name.role, e->dtype, e->rank,
			shape, &item));
	item->file = file;
	item->at = e->at;
	item->order = name.order;
	item->transposed = name.transposed;
	return hf_model_add(&m->hf, &item->tensor);
}

/* A weight of 4 bits, which has the shape of a linear layer's whatever the
 * family's checkpoints do. */
static int add_coded(struct model *m, struct hf_bnb_array *a)
{
	struct hf_bnb_weight w = { 0 };
	struct foreign_item *item = NULL;
	struct hf_name name;
	int err;

	TRY(find_name(m, &name, a->entry.name, 2));
	err = hf_bnb_weight(&w, &m->bnb, a, m->foreign, name.name, name.role);
	if (!err)
		err = foreign_add(m->foreign, name.name, name.role,
				  w.tensor.dtype, 2, w.tensor.shape, &item);
	if (!err && !(item->part = malloc(sizeof(w.part))))
		err = err_set(E_NOMEM, "out of memory");
	if (err) {
		tensor_release(&w.tensor);
		return err;
	}
	memcpy(item->part, w.part, sizeof(w.part));
	item->order = name.order;
	tensor_release(&item->tensor);
	tensor_move(&item->tensor, &w.tensor);
	return hf_model_add(&m->hf, &item->tensor);
}

static int add_array(struct model *m, const struct safetensors_entry *e,
		     size_t file)
{
	return m->coded ? hf_bnb_add(&m->bnb, e, file) : add_tensor(m, e, file);
}

/* What hf_bnb_add() has listed. */
static int add_listed(struct model *m)
{
	for (size_t i = 0; i < m->bnb.n; i++) {
		struct hf_bnb_array *a = &m->bnb.at[i];

		if (hf_bnb_is_codes(&m->bnb, a))
			TRY(add_coded(m, a));
		else if (!hf_bnb_is_beside(a))
			TRY(add_tensor(m, &a->entry, a->file));
	}
	return m->coded ? hf_bnb_end(&m->bnb) : 0;
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
			err = add_array(m, &s.entry[i], index);
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

	/* As transformers does: an index beside it is an older model's. */
	if (foreign_has(m->dir, "model.safetensors"))
		return add_shard(m, "model.safetensors");
	if (foreign_has(m->dir, list)) {
		TRY(foreign_json(&index, m->dir, list));
		err = add_shards(m, index);
		json_decref(index);
		return err ? err_at(err, "%s", list) : 0;
	}
	if (foreign_has(m->dir, "pytorch_model.bin") ||
	    foreign_has(m->dir, "pytorch_model.bin.index.json"))
		return err_set(E_DATA, "the weights are a pickle, which is a "
			       "program and is not run; please convert them "
			       "to safetensors");
	return err_set(E_NOINPUT, "there is no model.safetensors");
}

/* config.json of the part that is taken. */
static int add_config(struct model *m)
{
	char *text;

	TRY(json_print(&text, m->config, 2));
	return foreign_made(m->foreign, side[0], text, strlen(text));
}

static int add_side(struct model *m)
{
	if (m->inner)
		TRY(add_config(m));
	for (size_t i = m->inner; i < NELEM(side); i++)
		if (foreign_has(m->dir, side[i]))
			TRY(foreign_side(m->foreign, m->dir, side[i]));
	return hf_templates_add(m->foreign, m->dir);
}

static int read_config(struct model *m)
{
	json_t *quantization;

	TRY(foreign_json(&m->config, m->dir, "config.json"));
	TRY(hf_config_text(&m->config, &m->inner));
	quantization = json_object_get(m->config, "quantization_config");
	m->coded = json_is_object(quantization);
	if (m->coded && !bnb_is_4bit(quantization))
		return err_set(E_DATA, "config.json: the weights are quantised "
			       "in a way that is not read (%s); please take "
			       "the original", json_text(quantization,
							 "quant_method", "?"));
	m->tied = json_flag(m->config, "tie_word_embeddings", 0);
	return hf_model_begin(&m->hf, m->config);
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
		err = add_listed(&m);
	if (!err)
		err = hf_model_end(&m.hf);
	if (!err)
		err = foreign_sort(m.foreign);
	hf_bnb_release(&m.bnb);
	hf_model_release(&m.hf);
	json_decref(m.config);
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
