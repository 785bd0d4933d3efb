/* A GGUF file as the model it was made from: Hugging Face's names, rows in
 * its order, blocks kept or decoded and rounded to bf16. */
#include "formats/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/size.h"
#include "formats/foreign.h"
#include "formats/gguf_adapter.h"
#include "formats/gguf_files.h"
#include "formats/gguf_general.h"
#include "formats/gguf_rope.h"
#include "formats/hf_names.h"

struct model {
	struct foreign *foreign;
	struct gguf gguf;
	struct file *file;      /* foreign's, at index 0 */
	struct hf_model hf;
	int tied;               /* the head is the embedding, there or not */
};

static int probe(const char *path, const unsigned char *head, size_t n)
{
	size_t length = path ? strlen(path) : 0;

	return head && ((n >= 4 && !memcmp(head, "GGUF", 4)) ||
			(length > 5 && !strcmp(path + length - 5, ".gguf")));
}

/* Adds a made file; takes json, which may be NULL: then there is none. */
static int add_file(struct model *m, const char *name, json_t *json)
{
	char *text = NULL;
	int err;

	if (!json)
		return 0;
	err = json_print(&text, json, !strcmp(name, "tokenizer.json") ? 0 : 2);
	json_decref(json);
	return err ? err : foreign_made(m->foreign, name, text, strlen(text));
}

static int add_files(struct model *m)
{
	json_t *json = NULL;
	int err;

	err = gguf_config(&json, &m->gguf, m->file);
	if (err)
		return err;
	err = hf_model_begin(&m->hf, json);
	if (err) {
		json_decref(json);
		return err;
	}
	TRY(add_file(m, "config.json", json));
	TRY(gguf_generation(&json, &m->gguf));
	TRY(add_file(m, "generation_config.json", json));
	TRY(gguf_tokenizer(&json, &m->gguf));
	TRY(add_file(m, "tokenizer.json", json));
	TRY(gguf_tokenizer_config(&json, &m->gguf));
	TRY(add_file(m, "tokenizer_config.json", json));
	TRY(gguf_general(&json, &m->gguf));
	return add_file(m, "gguf.json", json);
}

/* The rows' order, which blocks of a vector cannot have. */
static int find_rows(const struct model *m, const struct family_tensor *ft,
		     struct foreign_item *item)
{
	TRY(gguf_rows_of(&item->rows, ft, m->hf.config,
			 item->tensor.shape[0]));
	if (gguf_rows_moved(&item->rows) && item->tensor.rank < 2 &&
	    item->block->decode)
		return err_set(E_DATA, "%s: its rows are no whole blocks",
			       item->tensor.name);
	return 0;
}

/* Two tensors of a family may have one name, of which a model has one. */
static const struct family_tensor *find_tensor(const struct model *m,
					       const char *name,
					       size_t *layer,
					       const char **suffix)
{
	size_t n;
	const struct family_tensor *ft, *all = family_tensors(m->hf.family,
							      &n);

	ft = family_match_gguf(m->hf.family, name, layer, suffix);
	for (size_t i = 0; ft && i < n; i++)
		if (!strcmp(all[i].gguf, ft->gguf) &&
		    family_uses(m->hf.config, &all[i], *layer))
			return &all[i];
	return ft;
}

static int add_tensor(struct model *m, const struct gguf_tensor *t)
{
	const struct family_tensor *ft;
	char from[TENSOR_NAME], name[FAMILY_PATH + 32];
	size_t layer, shape[GGUF_RANK], n;
	struct foreign_item *item;
	struct hf_name place;
	const char *suffix;

	memcpy(from, t->name, t->length);
	from[t->length] = 0;
	if (gguf_is_rope(from) || /* now in config.json */
	    (m->tied && !strcmp(from, "output.weight")))
		return 0;
	ft = find_tensor(m, from, &layer, &suffix);
	if (!ft)
		return err_set(E_DATA, "%s: the family %s has no such tensor",
			       from, family_name(m->hf.family));
	family_hf_name(name, FAMILY_PATH, ft, layer);
	n = strlen(name);
	snprintf(name + n, sizeof(name) - n, ".%s", suffix);
	for (int i = 0; i < t->rank; i++)
		shape[i] = t->dim[t->rank - 1 - i];
	TRY(hf_name_find(&place, m->hf.family, name, t->rank));
	TRY(foreign_add(m->foreign, name, place.role,
			t->block->decode ? DTYPE_BF16 : t->block->dtype,
			t->rank, shape, &item));
	item->at = t->at;
	item->order = place.order;
	item->from = t->block->dtype;
	item->block = t->block;
	if (!t->block->decode && !dtype_is_float(t->block->dtype))
		return err_set(E_DATA, "%s: is stored as %s, want numbers",
			       from, t->block->name);
	TRY(hf_model_add(&m->hf, &item->tensor));
	item->plus1 = ft->plus1 && !strcmp(suffix, "weight");
	TRY(find_rows(m, ft, item));
	if (!t->block->decode)
		item->block = NULL;
	return 0;
}

static int check_kind(const struct gguf *g)
{
	json_t *type = gguf_json_text(g, "general.type");
	int model = !type || !strcmp(json_string_value(type), "model");

	json_decref(type);
	if (!model)
		return err_set(E_DATA, "general.type: is neither model nor "
			       "adapter");
	if (gguf_whole(g, "split.count", 1) > 1)
		return err_set(E_DATA, "is one part of several; please join "
			       "them first");
	return 0;
}

static int fill(struct model *m)
{
	TRY(check_kind(&m->gguf));
	TRY(add_files(m));
	m->tied = gguf_is_tied(&m->gguf, m->hf.family, m->file);
	for (size_t i = 0; i < m->gguf.ntensor; i++)
		TRY(add_tensor(m, &m->gguf.tensor[i]));
	TRY(hf_model_end(&m->hf));
	return foreign_sort(m->foreign);
}

static int open_model(struct foreign *f, const struct gguf *g)
{
	struct model m = { .foreign = f, .gguf = *g, .file = f->file };
	int err = fill(&m);

	hf_model_release(&m.hf);
	return err;
}

static int open_file(void **self, const char *path, struct io_in *in)
{
	struct foreign *f = NULL;
	struct gguf g = { 0 };
	struct file file;
	size_t index;
	int err;

	(void)path;
	TRY(file_take(&file, in));
	err = gguf_read(&g, &file);
	if (!err && !g.ntensor)
		err = err_set(E_DATA, "there is no tensor in it");
	if (!err)
		err = foreign_new(&f, gguf_is_adapter(&g) ? STREAM_ADAPTER :
							    STREAM_BASE);
	if (!err)
		err = foreign_take(f, &file, &index);
	else
		file_close(&file);
	if (!err)
		err = f->kind == STREAM_ADAPTER ? gguf_adapter_fill(f, &g) :
						  open_model(f, &g);
	gguf_release(&g);
	if (err)
		foreign_close(f);
	else
		*self = f;
	return err;
}

const struct source_format format_gguf = {
	.name = "GGUF", .probe = probe, .open = open_file,
	.keep_blocks = foreign_keep_blocks, .base = gguf_adapter_base,
	.next = foreign_next, .load = foreign_load, .close = foreign_close,
};
