/* An adapter as a PEFT directory */
#include "formats/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/family.h"
#include "base/suffix.h"
#include "formats/export_adalora.h"
#include "formats/export_card.h"
#include "formats/export_dense.h"
#include "formats/export_dir.h"
#include "formats/peft_config.h"
#include "formats/peft_front.h"
#include "formats/peft_kinds.h"
#include "formats/peft_tokens.h"
#include "formats/safetensors.h"

struct work {
	struct source *from;
	const struct export_options *o;
	struct export_dir dir;
	struct safetensors_out out;
	json_t *adapter;        /* the stream's "adapter" meta */
	const struct peft_kind *kind;
	struct tensor_set set;  /* of a kind that is cut */
	json_t *provenance;
	json_t *chat;           /* its "chat" meta, or NULL */
	json_t *columns;        /* of each module's A */
	int seen;
};

/* "model.layers.0.mlp.up_proj.lora_A" in PEFT's words; param NULL: a soft
 * prompt. A bias is its module's own where no adapter stands. Free it. */
static int peft_name(char **name, const char *ours,
		     const struct peft_param *param, json_t *columns)
{
	size_t n = param ? strlen(ours) - strlen(param->ours) : 0;
	const char *theirs = param ? param->theirs : NULL;

	if (param && !strcmp(param->ours, ".bias") &&
	    !json_object_getn(columns, ours, n))
		theirs = param->ours;

	*name = malloc(n + 64);
	if (!*name)
		return err_set(E_NOMEM, "out of memory");
	if (param)
		sprintf(*name, "base_model.model.%.*s%s", (int)n, ours,
			theirs);
	else
		strcpy(*name, PEFT_FRONT);
	return 0;
}

static int note_columns(struct work *w, const struct tensor *t)
{
	char module[TENSOR_NAME];

	strcpy(module, t->name);
	if (!suffix_cut(module, ".lora_A"))
		return 0;
	return json_object_set_new(w->columns, module, json_integer(
				(json_int_t)tensor_cols(t))) ?
		       err_set(E_NOMEM, "out of memory") : 0;
}

/* A matrix that was trained whole lies as the base's own checkpoint has it. */
static int add_turned(struct work *w, const char *name, const struct tensor *t,
		      enum dtype d, const void *data)
{
	size_t shape[2] = { t->shape[1], t->shape[0] };
	void *turned;
	int err;

	TRY(export_turned(&turned, t, d, data));
	err = safetensors_add(&w->out, name, d, 2, shape, turned);
	free(turned);
	return err;
}

static int add_array(struct work *w, const char *name, const struct tensor *t,
		     enum dtype d, int flat)
{
	size_t vector = t->count;
	void *data;
	int err;

	TRY(export_dense(&data, t, d));
	err = family_turns(t->name) && t->rank == 2 ?
	      add_turned(w, name, t, d, data) :
	      safetensors_add(&w->out, name, d, flat ? 1 : t->rank,
			      flat ? &vector : t->shape, data);
	free(data);
	return err;
}

static int add(struct work *w, const struct tensor *t)
{
	enum dtype d = w->o->dtype ? w->o->dtype : DTYPE_F32;
	const struct peft_param *param = peft_param_ours(w->kind, t->name);
	char *name;
	int err;

	if (!param && !(w->kind->front && !strcmp(t->name, w->kind->front)))
		return err_set(E_DATA, "%s: PEFT has no name for it", t->name);
	TRY(note_columns(w, t));
	TRY(peft_name(&name, t->name, param, w->columns));
	err = safetensors_fits(&w->out, name) ?
	      add_array(w, name, t, d, param && param->flat) :
	      err_set(E_DATA, "the adapter has too many tensors for one file");
	free(name);
	return err;
}

/* What is cut needs the whole adapter first. */
static int add_cut(struct work *w)
{
	if (!w->set.n)
		return 0;
	TRY(export_adalora(&w->set, w->adapter));
	for (size_t i = 0; i < w->set.n; i++)
		if (w->set.at[i].count)
			TRY(add(w, &w->set.at[i]));
	return 0;
}

static const char *first_module(json_t *rule)
{
	return json_string_value(json_array_get(
		json_object_get(rule, "target_modules"), 0));
}

/* A recipe's adapter has rules where modules differ in more than ranks and
 * alphas. */
static int check_rules(json_t *rules)
{
	json_t *first = json_array_get(rules, 0), *rule = first;
	const char *kind = json_text(first, "kind", "lora");
	const char *other = kind;
	size_t i;

	if (!rules)
		return 0;
	json_array_foreach(rules, i, rule) {
		other = json_text(rule, "kind", "lora");
		if (strcmp(kind, other))
			break;
	}
	if (!rule)
		rule = json_array_get(rules, 1);
	if (!first_module(first) || !first_module(rule))
		return err_set(E_DATA, "the adapter's rules name no modules");
	if (strcmp(kind, other))
		return err_set(E_DATA, "%.200s is of the kind %.40s, %.200s "
			       "of %.40s: PEFT has one kind for all; "
			       "combine-adapters makes it LoRA, if none is "
			       "dora, and merge-adapter merges it",
			       first_module(rule), other, first_module(first),
			       kind);
	return err_set(E_DATA, "%.200s has other options than %.200s, and not "
		       "in rank and alpha alone: PEFT has them once for all; "
		       "combine-adapters makes it LoRA, if none is dora, and "
		       "merge-adapter merges it", first_module(rule),
		       first_module(first));
}

static int take_config(struct work *w, json_t *adapter)
{
	const char *name = json_text(adapter, "kind", "lora");

	TRY(check_rules(json_object_get(adapter, "rules")));
	json_decref(w->adapter);
	w->adapter = json_deep_copy(adapter);
	w->kind = peft_kind_find(name);
	return w->kind ? 0 : err_set(E_DATA, "PEFT has no adapters of the kind "
				     "%.40s; combine-adapters makes LoRA of "
				     "it, which is the same, and merge-adapter "
				     "merges it", name);
}

static int handle(void *self, const struct item *item)
{
	struct work *w = self;

	if (item->stream != STREAM_ADAPTER)
		return 0;
	if (item->kind == ITEM_HEAD && w->seen++)
		return err_set(E_DATA, "there are two adapters");
	if (item->kind == ITEM_META && !strcmp(item->key, "adapter"))
		return take_config(w, item->value);
	if (item->kind == ITEM_META && !strcmp(item->key, "chat")) {
		json_decref(w->chat);
		w->chat = json_deep_copy(item->value);
	}
	if (item->kind == ITEM_OTHER && !strcmp(item->type, "prov") &&
	    json_array_append(w->provenance, item->value))
		return err_set(E_NOMEM, "out of memory");
	if (item->kind != ITEM_TENSOR || item->tensor->role != ROLE_ADAPTER)
		return 0;
	TRY(source_load(w->from));
	if (!w->kind)
		return err_set(E_DATA, "the adapter has no configuration");
	return w->kind->cut ? tensor_set_take(&w->set, item->tensor) :
			      add(w, item->tensor);
}

static int read_all(struct work *w)
{
	TRY(export_each(w->from, handle, w));
	if (!w->seen)
		return err_set(E_DATA, "no adapter on the input");
	if (!json_is_object(w->adapter))
		return err_set(E_DATA, "the adapter has no configuration");
	TRY(add_cut(w));
	return w->out.n ? 0 : err_set(E_DATA, "the adapter has no tensor");
}

/* Of the training, where it is not the base's: for the tokenizer's folder. */
static int write_template(struct work *w)
{
	const char *text = json_text(w->chat, "template", NULL);

	return text ? export_dir_write(&w->dir, "chat_template.jinja", text,
				       strlen(text)) : 0;
}

static int write_tokens(struct work *w)
{
	json_t *file;
	int err;

	TRY(peft_tokens_file(&file, w->adapter));
	err = file ? export_dir_json(&w->dir, "added_tokens.json", file) : 0;
	json_decref(file);
	return err;
}

static int write_texts(struct work *w)
{
	json_t *peft;
	char *card;
	int err;

	err = peft_config_write(&peft, w->adapter, w->o->base_name,
				w->columns);
	if (!err)
		err = export_dir_json(&w->dir, "adapter_config.json", peft);
	if (!err)
		err = export_card(&card, peft, w->provenance);
	json_decref(peft);
	if (err)
		return err;
	err = export_dir_write(&w->dir, "README.md", card, strlen(card));
	free(card);
	return err;
}

static int run(struct work *w, const char *dir)
{
	char *path;
	int err;

	w->provenance = json_array();
	w->columns = json_object();
	if (!w->provenance || !w->columns)
		return err_set(E_NOMEM, "out of memory");
	TRY(export_dir_begin(&w->dir, dir, w->o->force));
	path = export_dir_path(&w->dir, "adapter_model.safetensors");
	err = path ? safetensors_create(&w->out, path) :
		     err_set(E_NOMEM, "out of memory");
	free(path);
	if (err)
		return err;
	TRY(read_all(w));
	TRY(safetensors_finish(&w->out));
	TRY(write_texts(w));
	TRY(write_tokens(w));
	TRY(write_template(w));
	return export_dir_commit(&w->dir);
}

int export_peft(struct source *from, const char *dir,
		const struct export_options *o)
{
	struct work w = { .from = from, .o = o };
	int err = run(&w, dir);

	safetensors_abandon(&w.out);
	export_dir_release(&w.dir);
	tensor_set_release(&w.set);
	json_decref(w.adapter);
	json_decref(w.provenance);
	json_decref(w.columns);
	json_decref(w.chat);
	return err;
}
