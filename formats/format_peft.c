/* A PEFT adapter directory as an adapter stream */
#include "formats/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/size.h"
#include "base/suffix.h"
#include "formats/foreign.h"
#include "formats/hf_names.h"
#include "formats/peft_config.h"
#include "formats/peft_front.h"
#include "formats/peft_kinds.h"
#include "formats/peft_tokens.h"
#include "formats/safetensors.h"

static const char prefix[] = "base_model.model.";

static int probe(const char *path, const unsigned char *head, size_t n)
{
	return path && !head && !n &&
	       foreign_has(path, "adapter_config.json") &&
	       !foreign_has(path, "model.safetensors") &&
	       !foreign_has(path, "model.safetensors.index.json");
}

/* Is it a module that was trained whole? */
static int is_weight(const struct peft_param *param)
{
	return !strcmp(param->ours, ".weight");
}

static int is_bias(const struct peft_param *param)
{
	return !strcmp(param->ours, ".bias");
}

/*
 * Our name of a tensor: module in place of name, *param its parameter.
 * NULL: the tensor is not needed. E_DATA: it is none of a LoRA adapter's.
 */
static int split(char *name, const struct peft_kind *kind,
		 const struct peft_param **param)
{
	*param = NULL;
	if (suffix_cut(name, ".base_layer.weight"))
		return 0;
	*param = peft_param_theirs(kind, name);
	if (*param)
		suffix_cut(name, (*param)->theirs);
	if (!*param || strstr(name, ".lora_") ||
	    (!strcmp((*param)->ours, ".lora_B_bias") && (!kind->also ||
				strcmp(kind->also, (*param)->ours))))
		return err_set(E_DATA, "%s: adapters with this tensor are not "
			       "read yet", name);
	if (is_weight(*param) || is_bias(*param))
		suffix_cut(name, ".modules_to_save");
	return 0;
}

/* A module that lost all of its ranks has tensors without elements. */
static int is_pruned(const struct peft_kind *kind,
		     const struct safetensors_entry *e)
{
	return !strcmp(kind->type, "ADALORA") && !e->bytes;
}

/* A soft prompt is one tensor. */
static int fill_front(struct foreign *f, const struct safetensors *s,
		      size_t file, json_t *peft)
{
	const struct safetensors_entry *e = s->entry;
	struct foreign_item *item;

	if (s->n != 1 || strcmp(e->name, PEFT_FRONT))
		return err_set(E_DATA, "%zu tensors, of which %s is the first; "
			       "want " PEFT_FRONT " alone", s->n,
			       s->n ? e->name : "none");
	if (!dtype_is_float(e->dtype) || e->rank != 2 || !e->bytes)
		return err_set(E_DATA, "%s: is no matrix of a float type",
			       e->name);
	TRY(peft_front_read(f->meta, peft, e->shape[0], e->shape[1]));
	TRY(foreign_add(f, peft_kind_of(peft)->front, ROLE_ADAPTER, DTYPE_F32,
			e->rank, e->shape, &item));
	item->file = file;
	item->at = e->at;
	item->from = e->dtype;
	return 0;
}

static int add_tensor(struct foreign *f, const struct safetensors_entry *e,
		      size_t file, json_t *peft)
{
	json_t *saved = json_object_get(peft, "modules_to_save");
	const struct peft_kind *kind = peft_kind_of(peft);
	const struct peft_param *param;
	char module[TENSOR_NAME], name[TENSOR_NAME + 16];
	struct foreign_item *item;
	struct hf_name place;
	size_t shape[2];
	int turned;

	if (strncmp(e->name, prefix, strlen(prefix)))
		return err_set(E_DATA, "%s: does not begin with %s", e->name,
			       prefix);
	strcpy(module, e->name + strlen(prefix));
	TRY(split(module, kind, &param));
	if (!param || is_pruned(kind, e))
		return 0;
	if (!dtype_is_float(e->dtype) || e->rank != (param->flat ? 1 : 2) ||
	    !e->bytes)
		return err_set(E_DATA, "%s: is no %s of a float type",
			       e->name, param->flat ? "vector" : "matrix");
	if (is_weight(param) && !peft_is_saved(saved, module))
		return err_set(E_DATA, "%s: is not in modules_to_save",
			       e->name);
	if (is_bias(param) && !peft_is_saved(saved, module) &&
	    !strcmp(json_text(peft, "bias", "none"), "none"))
		return err_set(E_DATA, "%s: \"bias\" says that none is "
			       "trained", e->name);
	snprintf(name, sizeof(name), "%s.weight", module);
	TRY(hf_name_find(&place, NULL, name, 2));
	if (peft_tokens_is_copy(peft, param->ours, place.role))
		return 0;
	snprintf(name, sizeof(name), "%s%s", module, param->ours);
	turned = is_weight(param) && family_turns(name);
	shape[0] = e->shape[turned];
	shape[1] = e->shape[!turned];
	TRY(foreign_add(f, name, ROLE_ADAPTER, DTYPE_F32, e->rank, shape,
			&item));
	item->transposed = turned;
	item->file = file;
	item->at = e->at;
	item->from = e->dtype;
	item->order = place.order;
	return 0;
}

/* A without B, or the reverse, or the ranks differ. index: name -> item. */
static int check_pair(const struct foreign *f, json_t *index,
		      const struct tensor *t)
{
	static const char *const pair[][2] = {
		{ ".lora_A", ".lora_B" },
		{ ".lora_embedding_A", ".lora_embedding_B" },
	};
	char module[TENSOR_NAME], name[TENSOR_NAME + 32];
	const struct tensor *other;
	json_t *at;
	int a, ok;

	for (size_t i = 0; i < NELEM(pair); i++) {
		strcpy(module, t->name);
		a = suffix_cut(module, pair[i][0]);
		if (!a && !suffix_cut(module, pair[i][1]))
			continue;
		snprintf(name, sizeof(name), "%s%s", module, pair[i][a]);
		at = json_object_get(index, name);
		other = at ? &f->item[json_integer_value(at)].tensor : NULL;
		ok = other && (a ? t->shape[0] == other->shape[1] :
				   t->shape[1] == other->shape[0]);
		if (!ok)
			return err_set(E_DATA, "%s: %s and %s do not go "
				       "together", module, pair[i][0] + 1,
				       pair[i][1] + 1);
	}
	return 0;
}

/* Beside A stands what makes the kind. */
static int check_also(json_t *index, const struct tensor *t, const char *also)
{
	char module[TENSOR_NAME], name[TENSOR_NAME + 32];

	strcpy(module, t->name);
	if (!also || !suffix_cut(module, ".lora_A"))
		return 0;
	snprintf(name, sizeof(name), "%s%s", module, also);
	return json_object_get(index, name) ? 0 :
	       err_set(E_DATA, "%s: there is no %s, which the configuration "
		       "promises", module, also + 1);
}

static int check_pairs(const struct foreign *f, const struct peft_kind *kind)
{
	json_t *index = json_object();
	int err = index ? 0 : err_set(E_NOMEM, "out of memory");

	for (size_t i = 0; i < f->n && !err; i++)
		if (json_object_set_new(index, f->item[i].tensor.name,
					json_integer((json_int_t)i)))
			err = err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < f->n && !err; i++)
		err = check_pair(f, index, &f->item[i].tensor);
	for (size_t i = 0; i < f->n && !err; i++)
		err = check_also(index, &f->item[i].tensor, kind->also);
	json_decref(index);
	return err;
}

/* What the tensors add to the configuration: each module's own numbers. */
static int add_config(struct foreign *f, json_t *peft, json_t *added)
{
	struct peft_config c;
	json_t *tokens = json_object();
	int err = peft_config_begin(&c, peft);

	for (size_t i = 0; i < f->n && !err; i++) {
		const struct tensor *t = &f->item[i].tensor;
		char module[TENSOR_NAME];

		strcpy(module, t->name);
		if (suffix_cut(module, ".lora_A") ||
		    suffix_cut(module, ".lora_embedding_A"))
			err = peft_config_module(&c, module, t->shape[0]);
		else if (suffix_cut(module, ".trainable_tokens_delta"))
			err = peft_tokens_module(tokens, peft, module,
						 t->shape[0]);
	}
	if (!err)
		err = peft_config_end(&c, f->meta);
	if (!err)
		err = peft_tokens_read(json_object_get(f->meta, "adapter"),
				       tokens, added);
	json_decref(tokens);
	peft_config_release(&c);
	return err;
}

static int fill(struct foreign *f, const struct safetensors *s, size_t file,
		json_t *peft, json_t *added)
{
	TRY(peft_config_check(peft));
	if (peft_kind_of(peft)->front)
		return fill_front(f, s, file, peft);
	for (size_t i = 0; i < s->n; i++)
		TRY(add_tensor(f, &s->entry[i], file, peft));
	if (!f->n)
		return err_set(E_DATA, "there is no tensor in it");
	TRY(foreign_sort(f));
	TRY(check_pairs(f, peft_kind_of(peft)));
	return add_config(f, peft, added);
}

static int open_tensors(struct file *file, const char *dir)
{
	static const char name[] = "adapter_model.safetensors";

	if (!foreign_has(dir, name) && foreign_has(dir, "adapter_model.bin"))
		return err_set(E_DATA, "adapter_model.bin is a pickle, which "
			       "is a program and is not run; please save the "
			       "adapter as safetensors");
	return file_open(file, dir, name);
}

static int open_dir(void **self, const char *path, struct io_in *in)
{
	struct safetensors s = { 0 };
	struct foreign *f = NULL;
	struct file file = { 0 };
	json_t *peft = NULL, *added = NULL;
	size_t index = 0;
	int err;

	(void)in;
	err = foreign_json(&peft, path, "adapter_config.json");
	if (!err && foreign_has(path, "added_tokens.json"))
		err = foreign_json(&added, path, "added_tokens.json");
	if (!err)
		err = open_tensors(&file, path);
	if (!err)
		err = safetensors_read(&s, &file);
	if (!err)
		err = foreign_new(&f, STREAM_ADAPTER);
	if (!err)
		err = foreign_take(f, &file, &index);
	if (!err)
		err = fill(f, &s, index, peft, added);
	file_close(&file);
	safetensors_release(&s);
	json_decref(peft);
	json_decref(added);
	if (err)
		foreign_close(f);
	else
		*self = f;
	return err;
}

const struct source_format format_peft = {
	.name = "PEFT adapter directory", .probe = probe, .open = open_dir,
	.next = foreign_next, .load = foreign_load, .close = foreign_close,
};
