#include "formats/gguf_adapter_out.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/suffix.h"
#include "formats/base_config.h"
#include "formats/gguf_rows_out.h"
#include "formats/peft_config.h"
#include "formats/peft_kinds.h"

static const char a_end[] = ".weight.lora_a", b_end[] = ".weight.lora_b";

int gguf_adapter_out_begin(struct gguf_adapter_out *w, struct file *file,
			   const struct export_options *o)
{
	w->o = o;
	w->out.file = file;
	if (!o->base)
		return err_set(E_USAGE, "--to gguf of an adapter needs --base "
			       "MODEL: llama.cpp has the rows of query and "
			       "key by the base's heads");
	if (o->blocks)
		return err_set(E_USAGE, "--dtype %s: an adapter is written in "
			       "f32, f16 or bf16", o->blocks);
	TRY(base_config(&w->base, o->base));
	TRY(family_find(&w->family, w->base));
	TRY(family_configure(&w->config, w->family, w->base));
	w->out.arch = family_gguf(w->family);
	return *w->out.arch ? 0 :
	       err_set(E_DATA, "%s: llama.cpp does not know the family %s; "
		       "--to peft writes the adapter", o->base,
		       family_name(w->family));
}

static int no_kind(const char *kind)
{
	const struct peft_kind *k = peft_kind_find(kind);

	return err_set(E_DATA, "llama.cpp has no adapters of the kind %.40s: "
		       "%s", kind, !k || !k->front ?
		       "combine-adapters --lora makes LoRA of adalora, qalora "
		       "and iec, merge-adapter merges any into its base" :
		       strcmp(kind, "prompt") ? "--to peft is all it goes to" :
		       "merge-adapter makes tokens of the base's of it");
}

static int take_config(struct gguf_adapter_out *w, json_t *adapter)
{
	const char *kind = json_text(adapter, "kind", "lora");

	json_decref(w->adapter);
	w->adapter = json_incref(adapter);
	if (strcmp(kind, "lora"))
		return no_kind(kind);
	if (json_object_get(adapter, "rules") ||
	    strcmp(json_text(adapter, "bias", "none"), "none"))
		return err_set(E_DATA, "the adapter has rules or trained "
			       "biases, which a GGUF adapter cannot have; "
			       "merge-adapter merges it into its base");
	if (json_array_size(json_object_get(adapter, "modules_to_save")))
		return err_set(E_DATA, "the adapter has modules that were "
			       "trained whole, which a GGUF adapter cannot "
			       "have; merge-adapter merges it into its base");
	w->alpha = json_number(adapter, "alpha",
			       2 * json_number(adapter, "r", 8));
	return w->alpha > 0 && isfinite(w->alpha) ? 0 :
	       err_set(E_DATA, "the adapter's alpha is no positive number");
}

int gguf_adapter_out_meta(struct gguf_adapter_out *w, const char *key,
			  json_t *value)
{
	return strcmp(key, "adapter") ? 0 : take_config(w, value);
}

/* The module's scale over what llama.cpp makes of its rank. */
static int find_times(const struct gguf_adapter_out *w, const char *module,
		      size_t rank, float *times)
{
	double r = (double)rank, alpha = w->alpha;

	TRY(peft_pattern(json_object_get(w->adapter, "alpha_pattern"), module,
			 &alpha));
	if (!(alpha > 0 && isfinite(alpha)))
		return err_set(E_DATA, "%s: its alpha is no positive number",
			       module);
	*times = 0;
	if (json_flag(w->adapter, "rslora", 0))
		*times = (float)(alpha / w->alpha * sqrt(r));
	else if (alpha < w->alpha || alpha > w->alpha)
		*times = (float)(alpha / w->alpha);
	return 0;
}

/* The module's weight: which it is, that it is linear, and its shape. */
static int find_module(const struct gguf_adapter_out *w, const char *module,
		       const struct family_tensor **ft, size_t *layer,
		       size_t shape[2])
{
	const char *suffix;
	size_t layers;

	*ft = family_match_hf(w->family, module, layer, &suffix);
	TRY(family_size(&layers, w->config, "layers"));
	if (!*ft || (strstr((*ft)->hf, "{i}") && *layer >= layers))
		return err_set(E_DATA, "%s: %s has no such module", module,
			       w->o->base);
	if (strcmp((*ft)->role, "linear"))
		return err_set(E_DATA, "%s: llama.cpp takes adapters of "
			       "linear layers only; merge-adapter merges it "
			       "into its base", module);
	TRY(family_size(&shape[0], w->config, (*ft)->rows[0]));
	return family_size(&shape[1], w->config, (*ft)->rows[1]);
}

static const struct gguf_block *block_of(const struct export_options *o)
{
	return gguf_block_find(o->dtype == DTYPE_F16 ? 1 :
			       o->dtype == DTYPE_BF16 ? 30 : 0);
}

int gguf_adapter_out_add(struct gguf_adapter_out *w, const struct tensor *t)
{
	struct gguf_form form = { .block = block_of(w->o) };
	char module[TENSOR_NAME], name[FAMILY_PATH + 32];
	const struct family_tensor *ft;
	size_t layer, shape[2];
	int a;

	if (!w->adapter)
		return err_set(E_DATA, "the adapter has no configuration");
	strcpy(module, t->name);
	a = suffix_cut(module, ".lora_A");
	if ((!a && !suffix_cut(module, ".lora_B")) || t->rank != 2)
		return err_set(E_DATA, "%s: llama.cpp's adapters have no such "
			       "parameter; merge-adapter merges it into its "
			       "base", t->name);
	TRY(find_module(w, module, &ft, &layer, shape));
	if (t->shape[a] != shape[a])
		return err_set(E_DATA, "%s: has %zu %s, but %s has %zu",
			       t->name, t->shape[a], a ? "columns" : "rows",
			       w->o->base, shape[a]);
	if (!a) {
		TRY(gguf_rows_of(&form.rows, ft, w->config, t->shape[0]));
		TRY(find_times(w, module, t->shape[1], &form.times));
	}
	family_gguf_name(name, FAMILY_PATH, ft, layer);
	return gguf_out_rows(&w->out, strcat(name, a ? a_end : b_end), t,
			     &form);
}

/* ---- the end ---- */

static int check_pairs(const struct gguf_out *o)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct gguf_out_tensor *t = &o->tensor[i], *other;
		char name[FAMILY_PATH + 32];
		int a;

		snprintf(name, sizeof(name), "%s", t->name);
		a = suffix_cut(name, a_end);
		if (!a)
			suffix_cut(name, b_end);
		other = gguf_out_find(o, strcat(name, a ? b_end : a_end));
		if (!other || t->dim[a] != other->dim[!a])
			return err_set(E_DATA, "%s: has no %s, or one of "
				       "another rank", t->name,
				       a ? "lora_B" : "lora_A");
	}
	return o->n ? 0 : err_set(E_DATA, "the adapter has no tensor");
}

/* What a reader needs to put the rows back. */
static int put_heads(struct gguf_adapter_out *w)
{
	static const char *const names[] = { "heads", "kv_heads",
					     "head_dim" };
	const struct family_key *k;
	char key[FAMILY_PATH + 1];
	size_t n, value;

	k = family_metadata(w->family, &n);
	for (size_t i = 0; i < n; i++)
		for (size_t m = 0; m < NELEM(names); m++) {
			if (strcmp(k[i].name, names[m]))
				continue;
			TRY(family_size(&value, w->config, names[m]));
			snprintf(key, sizeof(key), ".%s", k[i].key);
			TRY(gguf_out_u32(&w->out, key, (uint32_t)value));
		}
	return 0;
}

int gguf_adapter_out_end(struct gguf_adapter_out *w)
{
	struct gguf_out *o = &w->out;

	TRY(check_pairs(o));
	TRY(gguf_out_text(o, "general.architecture", o->arch));
	TRY(gguf_out_text(o, "general.type", "adapter"));
	TRY(gguf_out_text(o, "adapter.type", "lora"));
	TRY(gguf_out_f32(o, "adapter.lora.alpha", (float)w->alpha));
	if (w->o->base_name)
		TRY(gguf_out_text(o, "general.base_model.0.name",
				  w->o->base_name));
	TRY(put_heads(w));
	return gguf_out_finish(o);
}

void gguf_adapter_out_release(struct gguf_adapter_out *w)
{
	gguf_out_release(&w->out);
	family_config_free(w->config);
	json_decref(w->adapter);
	json_decref(w->base);
	*w = (struct gguf_adapter_out){ 0 };
}
