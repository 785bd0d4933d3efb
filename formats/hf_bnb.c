#include "formats/hf_bnb.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "base/suffix.h"
#include "formats/bnb.h"

enum {
	STATE_MOST = 4096,      /* bytes of a quant_state */
	BLOCK_LEAST = 16, BLOCK_MOST = 1 << 16,
};

static const char *const kinds[] = { "nf4", "fp4" };

static const char *const beside[] = {
	".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map",
	".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4",
};

int hf_bnb_add(struct hf_bnb *b, const struct safetensors_entry *e,
	       size_t file)
{
	char *name;

	if (!b->index && !(b->index = json_object()))
		return err_set(E_NOMEM, "out of memory");
	if (json_object_get(b->index, e->name))
		return err_set(E_DATA, "%s: there are two of it", e->name);
	if (b->n == b->room) {
		size_t room = b->room ? 2 * b->room : 256;
		struct hf_bnb_array *at = realloc(b->at, room * sizeof(*at));

		if (!at)
			return err_set(E_NOMEM, "out of memory");
		b->at = at;
		b->room = room;
	}
	name = strdup(e->name);
	if (!name || json_object_set_new(b->index, name,
					 json_integer((json_int_t)b->n))) {
		free(name);
		return err_set(E_NOMEM, "out of memory");
	}
	b->at[b->n] = (struct hf_bnb_array){ *e, file, 0 };
	b->at[b->n++].entry.name = name;
	return 0;
}

/* The array "<name><suffix>"; NULL: not there. */
static struct hf_bnb_array *find(const struct hf_bnb *b, const char *name,
				 const char *suffix)
{
	char whole[2 * TENSOR_NAME];
	json_t *at;

	if (snprintf(whole, sizeof(whole), "%s%s", name, suffix) >=
	    (int)sizeof(whole))
		return NULL;
	at = json_object_get(b->index, whole);
	return at ? &b->at[json_integer_value(at)] : NULL;
}

/* The array of the weight's state, and what it is of: "nf4". */
static struct hf_bnb_array *state_of(const struct hf_bnb *b, const char *name,
				     const char **kind)
{
	struct hf_bnb_array *a = NULL;

	for (size_t i = 0; i < NELEM(kinds) && !a; i++) {
		a = find(b, name, beside[NELEM(beside) - NELEM(kinds) + i]);
		*kind = kinds[i];
	}
	return a;
}

int hf_bnb_is_codes(const struct hf_bnb *b, const struct hf_bnb_array *a)
{
	const char *kind;

	return state_of(b, a->entry.name, &kind) != NULL;
}

int hf_bnb_is_beside(const struct hf_bnb_array *a)
{
	for (size_t i = 0; i < NELEM(beside); i++)
		if (suffix_stem(a->entry.name, beside[i]))
			return 1;
	return 0;
}

/* ---- one weight ---- */

struct reading {
	struct hf_bnb *b;
	const struct foreign *f;
	const char *name;       /* of the weight in the file */
};

static int no_array(const struct reading *r, const char *suffix,
		    const char *why)
{
	return err_set(E_DATA, "%s%s: %s", r->name, suffix, why);
}

static int need(const struct reading *r, const char *suffix, enum dtype d,
		size_t count, struct hf_bnb_array **a)
{
	size_t bytes;

	*a = find(r->b, r->name, suffix);
	if (!*a)
		return no_array(r, suffix, "is missing");
	(*a)->used = 1;
	if ((*a)->entry.dtype != d || dtype_bytes(&bytes, d, count) ||
	    (*a)->entry.bytes != bytes)
		return no_array(r, suffix, "is not of the size and type that "
					   "the weight's state asks for");
	return 0;
}

/* The book must be the one that the storage has by its name. */
static int check_book(const struct reading *r, const char *suffix,
		      enum storage_kind kind)
{
	float want[BNB_BOOK], is[BNB_BOOK];
	struct hf_bnb_array *a;
	size_t n;

	TRY(bnb_book(want, &n, kind));
	TRY(need(r, suffix, DTYPE_F32, n, &a));
	TRY(file_read(&r->f->file[a->file], is, n * sizeof(*is),
		      a->entry.at));
	for (size_t i = 0; i < n; i++)
		if (!(is[i] >= want[i] && is[i] <= want[i]))
			return no_array(r, suffix, "is not bitsandbytes' own");
	return 0;
}

static int read_state(const struct reading *r, struct hf_bnb_array *a,
		      json_t **state)
{
	char text[STATE_MOST];
	int err;

	a->used = 1;
	*state = NULL;
	if (a->entry.dtype != DTYPE_U8 || a->entry.bytes > sizeof(text))
		return err_set(E_DATA, "%s: is no text of at most %d bytes",
			       a->entry.name, STATE_MOST);
	TRY(file_read(&r->f->file[a->file], text, a->entry.bytes,
		      a->entry.at));
	err = json_parse(state, text, a->entry.bytes);
	return err ? err_at(err, "%s", a->entry.name) : 0;
}

/* A block size, or 0. */
static size_t block_of(json_t *state, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(state, key));

	return n >= BLOCK_LEAST && n <= BLOCK_MOST && !(n & (n - 1)) ?
	       (size_t)n : 0;
}

static int shape_of(json_t *state, size_t *shape)
{
	json_t *list = json_object_get(state, "shape");

	for (size_t i = 0; i < 2; i++) {
		json_int_t n = json_integer_value(json_array_get(list, i));

		if (json_array_size(list) != 2 || n < 1 || n > INT32_MAX)
			return 1;
		shape[i] = (size_t)n;
	}
	return 0;
}

/* The tree's lower half: scales in 8 bits, their scales, and one offset. */
static int nest(const struct reading *r, struct tensor *t, json_t *state)
{
	size_t block = block_of(state, "nested_blocksize");
	double offset = json_number(state, "nested_offset", NAN);
	size_t groups = t->node[1].count, n;
	struct storage *s = t->node;

	if (!block || !isfinite((float)offset) ||
	    strcmp(json_text(state, "nested_dtype", ""), "float32"))
		return no_array(r, "", "its nested_blocksize, nested_dtype or "
				       "nested_offset is missing or unknown");
	n = size_ceil(groups, block);
	s[1].kind = STORE_DYN8;
	s[1].block = block;
	s[1].scale = tensor_node(t, STORE_RAW, n);
	s[1].shift = tensor_node(t, STORE_CONST, n);
	s[2].dtype = s[3].dtype = DTYPE_F32;
	s[2].part = tensor_part(t, DTYPE_F32, n);
	s[3].value = (double)(float)offset;
	return check_book(r, ".nested_quant_map", STORE_DYN8);
}

/* The storage tree that quantize-nf4 makes too, scales before codes. */
static int describe(const struct reading *r, struct tensor *t, json_t *state,
		    const char *kind, const char *name, enum tensor_role role)
{
	enum dtype d = bnb_dtype_find(json_text(state, "dtype", ""));
	size_t block = block_of(state, "blocksize"), shape[2], groups;
	int nested = json_object_get(state, "nested_offset") != NULL;

	if (strcmp(json_text(state, "quant_type", ""), kind) || !block ||
	    d == DTYPE_NONE || shape_of(state, shape))
		return no_array(r, "", "its quant_state's quant_type, "
				       "blocksize, dtype or shape is missing "
				       "or unknown");
	TRY(tensor_init(t, name, role, d, 2, shape));
	groups = size_ceil(t->count, block);
	t->nnode = t->npart = 0;
	tensor_node(t, bnb_kind(kind), t->count);
	tensor_node(t, STORE_RAW, groups);
	t->node[0].block = block;
	t->node[0].scale = 1;
	t->node[1].dtype = DTYPE_F32;
	if (nested)
		TRY(nest(r, t, state));
	t->node[1].part = tensor_part(t, nested ? DTYPE_U8 : DTYPE_F32,
				      groups);
	t->node[0].part = tensor_part(t, DTYPE_U4, t->count);
	return check_book(r, ".quant_map", bnb_kind(kind));
}

static int place(const struct reading *r, struct hf_bnb_weight *w, int node,
		 const char *suffix)
{
	const struct tensor *t = &w->tensor;
	int part = t->node[node].part;
	struct hf_bnb_array *a;

	TRY(need(r, suffix, t->part[part].dtype, t->part[part].count, &a));
	w->part[part] = (struct foreign_place){ a->file, a->entry.at };
	return 0;
}

static int fill(const struct reading *r, struct hf_bnb_weight *w,
		const struct hf_bnb_array *a)
{
	struct tensor *t = &w->tensor;
	int codes;

	TRY(place(r, w, 1, ".absmax"));
	if (t->node[1].kind == STORE_DYN8)
		TRY(place(r, w, t->node[1].scale, ".nested_absmax"));
	codes = t->node[0].part;
	if (a->entry.bytes != t->part[codes].bytes)
		return no_array(r, "", "is not of the size that its "
				       "quant_state says");
	w->part[codes] = (struct foreign_place){ a->file, a->entry.at };
	return 0;
}

int hf_bnb_weight(struct hf_bnb_weight *w, struct hf_bnb *b,
		  struct hf_bnb_array *a, const struct foreign *f,
		  const char *name, enum tensor_role role)
{
	struct reading r = { b, f, a->entry.name };
	const char *kind;
	struct hf_bnb_array *s = state_of(b, a->entry.name, &kind);
	json_t *state;
	int err = read_state(&r, s, &state);

	if (!err)
		err = describe(&r, &w->tensor, state, kind, name, role);
	json_decref(state);
	if (!err)
		err = fill(&r, w, a);
	b->coded += !err;
	return err;
}

int hf_bnb_end(const struct hf_bnb *b)
{
	if (!b->coded)
		return err_set(E_DATA, "config.json: quantization_config is "
			       "of 4-bit weights, and none is there");
	for (size_t i = 0; i < b->n; i++)
		if (hf_bnb_is_beside(&b->at[i]) && !b->at[i].used)
			return err_set(E_DATA, "%s: belongs to no weight",
				       b->at[i].entry.name);
	return 0;
}

void hf_bnb_release(struct hf_bnb *b)
{
	for (size_t i = 0; i < b->n; i++)
		free((char *)b->at[i].entry.name);
	free(b->at);
	json_decref(b->index);
	*b = (struct hf_bnb){ 0 };
}
