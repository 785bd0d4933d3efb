#include "formats/gguf_adapter.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/suffix.h"
#include "formats/gguf_files.h"
#include "formats/hf_names.h"
#include "formats/peft_config.h"

int gguf_is_adapter(const struct gguf *g)
{
	json_t *type = gguf_json_text(g, "general.type");
	int yes = type && !strcmp(json_string_value(type), "adapter");

	json_decref(type);
	return yes;
}

static int check_kind(const struct gguf *g)
{
	json_t *type = gguf_json_text(g, "adapter.type");
	const char *name = type ? json_string_value(type) : "(none)";
	int err = strcmp(name, "lora") ?
		  err_set(E_DATA, "adapter.type: is %.40s, want lora", name) :
		  0;

	json_decref(type);
	if (!err && gguf_find(g, "adapter.alora.invocation_tokens"))
		err = err_set(E_DATA, "adapter.alora.invocation_tokens: an "
			      "adapter that begins at a token is not read");
	return err;
}

/* ---- the order of rows ---- */

/* A number of the family, under its key; 0: it is not there. */
static int number(const struct gguf *g, const struct family *f,
		  const char *name, size_t *x)
{
	size_t n;
	const struct family_key *k = family_metadata(f, &n);
	double value = 0;

	*x = 0;
	for (size_t i = 0; i < n && !*x; i++) {
		if (strcmp(k[i].name, name))
			continue;
		TRY(gguf_number_of(g, f, k[i].key, 0, &value));
		if (value < 0 || value > 0x1p31 || floor(value) < value)
			return err_set(E_DATA, "%s.%s: is no whole number",
				       family_gguf(f), k[i].key);
		*x = (size_t)value;
	}
	return 0;
}

/* What an adapter of our own says itself. */
static int find_rows(struct foreign_item *it, const struct gguf *g,
		     const struct family *f, const struct family_tensor *ft)
{
	size_t rows = it->tensor.shape[0];
	struct gguf_rows o = { 0 };

	if (ft->gguf_permuted)
		TRY(number(g, f, ft->permute_heads, &o.heads));
	if (*ft->grouped) {
		TRY(number(g, f, ft->grouped, &o.groups));
		TRY(number(g, f, "head_dim", &o.dim));
	}
	if (!o.heads && !(o.groups && o.dim)) {
		it->unsorted = ft;
		return 0;
	}
	it->rows = o;
	return gguf_rows_check(&o, it->tensor.name, rows);
}

int gguf_adapter_base(void *foreign, json_t *config)
{
	struct foreign *f = foreign;
	struct family_config *c = NULL;
	const struct family *family;
	int err = 0;

	for (size_t i = 0; i < f->n && !err; i++) {
		struct foreign_item *it = &f->item[i];

		if (!it->unsorted)
			continue;
		if (!c)
			err = family_find(&family, config);
		if (!err && !c)
			err = family_configure(&c, family, config);
		if (!err)
			err = gguf_rows_of(&it->rows, it->unsorted, c,
					   it->tensor.shape[0]);
		if (!err)
			it->unsorted = NULL;
	}
	family_config_free(c);
	return err;
}

/* ---- tensors ---- */

static int add_tensor(struct foreign *f, const struct gguf *g,
		      const struct family *family,
		      const struct gguf_tensor *t)
{
	char name[TENSOR_NAME], module[FAMILY_PATH], whole[FAMILY_PATH + 16];
	size_t shape[2] = { t->dim[1], t->dim[0] }, layer;
	const struct family_tensor *ft;
	struct foreign_item *item;
	struct hf_name place;
	const char *suffix;
	int a;

	memcpy(name, t->name, t->length);
	name[t->length] = 0;
	a = suffix_cut(name, ".lora_a");
	if (!a && !suffix_cut(name, ".lora_b"))
		return err_set(E_DATA, "%s: is no lora_a and no lora_b", name);
	ft = family_match_gguf(family, name, &layer, &suffix);
	if (!ft || strcmp(suffix, "weight"))
		return err_set(E_DATA, "%s: the family %s has no such tensor",
			       name, family_name(family));
	if (strcmp(ft->role, "linear"))
		return err_set(E_DATA, "%s: adapters of what is no linear "
			       "layer are not read yet", name);
	if (t->rank != 2 || (!t->block->decode &&
			     !dtype_is_float(t->block->dtype)))
		return err_set(E_DATA, "%.*s: is no matrix of numbers",
			       (int)t->length, t->name);
	family_hf_name(module, sizeof(module), ft, layer);
	snprintf(whole, sizeof(whole), "%s.weight", module);
	TRY(hf_name_find(&place, family, whole, 2));
	snprintf(whole, sizeof(whole), "%s.lora_%c", module, a ? 'A' : 'B');
	TRY(foreign_add(f, whole, ROLE_ADAPTER, DTYPE_F32, 2, shape, &item));
	item->at = t->at;
	item->order = place.order | (uint64_t)!a;
	item->from = t->block->dtype;
	item->block = t->block->decode ? t->block : NULL;
	return a || !(ft->gguf_permuted || *ft->grouped) ? 0 :
	       find_rows(item, g, family, ft);
}

static int same_module(const struct tensor *a, const struct tensor *b)
{
	size_t n = strlen(a->name), m = strlen(b->name);

	return n == m && !strncmp(a->name, b->name, n - 1);
}

/* Sorted, an A stands before its B. */
static int check_pairs(const struct foreign *f)
{
	for (size_t i = 0; i < f->n; i += 2) {
		const struct tensor *a = &f->item[i].tensor;
		const struct tensor *b = a + 1;

		if (i + 1 < f->n)
			b = &f->item[i + 1].tensor;
		if (i + 1 == f->n || !same_module(a, b) ||
		    a->shape[0] != b->shape[1])
			return err_set(E_DATA, "%s: lora_a and lora_b do not "
				       "go together", a->name);
	}
	return 0;
}

/* ---- the configuration ---- */

/* The rank that most modules have. */
static size_t usual_rank(const struct foreign *f)
{
	size_t best = 0, most = 0;

	for (size_t i = 0; i < f->n; i += 2) {
		size_t rank = f->item[i].tensor.shape[0], n = 0;

		for (size_t k = 0; k < f->n; k += 2)
			n += f->item[k].tensor.shape[0] == rank;
		if (n > most) {
			most = n;
			best = rank;
		}
	}
	return best;
}

/* With alpha 0, B A is added as it is: each module's alpha is its rank. */
static int put_config(struct foreign *f, double alpha)
{
	struct peft_config c;
	size_t rank = usual_rank(f);
	json_t *patterns = json_object();
	json_t *peft = json_pack("{ss sI sf sO}", "peft_type", "LORA", "r",
				 (json_int_t)rank, "lora_alpha",
				 alpha > 0 ? alpha : (double)rank,
				 "alpha_pattern", patterns);
	int err = peft && patterns ? peft_config_begin(&c, peft) :
		  err_set(E_NOMEM, "out of memory");

	for (size_t i = 0; i < f->n && !err; i += 2) {
		char module[TENSOR_NAME];
		size_t own = f->item[i].tensor.shape[0];

		strcpy(module, f->item[i].tensor.name);
		suffix_cut(module, ".lora_A");
		if (!(alpha > 0) && own != rank)
			err = gguf_put(patterns, module,
				       json_integer((json_int_t)own));
		if (!err)
			err = peft_config_module(&c, module, own);
	}
	if (!err)
		err = peft_config_end(&c, f->meta);
	if (peft && patterns)
		peft_config_release(&c);
	json_decref(patterns);
	json_decref(peft);
	return err;
}

int gguf_adapter_fill(struct foreign *f, const struct gguf *g)
{
	const struct gguf_value *v = gguf_find(g, "adapter.lora.alpha");
	const struct family *family;
	double alpha = 0;

	TRY(check_kind(g));
	TRY(gguf_family(&family, g));
	if (v && (gguf_number(v, &alpha) || !(alpha >= 0 && alpha < 1e9)))
		return err_set(E_DATA, "adapter.lora.alpha: is no number of 0 "
			       "or more");
	for (size_t i = 0; i < g->ntensor; i++)
		TRY(add_tensor(f, g, family, &g->tensor[i]));
	TRY(foreign_sort(f));
	TRY(check_pairs(f));
	return put_config(f, alpha);
}
