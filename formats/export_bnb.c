/* A base with NF4 or FP4 weights as bitsandbytes' 4-bit checkpoint: the arrays
 * that formats/bnb.h names. */
#include "formats/export_base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suffix.h"
#include "formats/bnb.h"
#include "weight/storage.h"

enum { STATE = 512, NF4_ZERO = 7 };

struct state {
	enum dtype dtype;       /* of dense weights: the first matrix's */
	enum storage_kind kind; /* of the weights in 4 bits */
	int nested, seen;
	json_t *came;           /* the quantization_config that config.json had
				 * of such weights; NULL: none. Borrowed */
	json_t *skip;           /* modules whose weights are not in 4 bits */
	int layers;             /* some of them are linear layers */
};

/* The shortest decimal number that reads back as x: Python's repr(). */
static void shortest(char *to, size_t size, double x)
{
	int digits = 1;

	do
		snprintf(to, size, "%.*g", digits, x);
	while (strtod(to, NULL) != x && digits++ < 17);
	if (!strpbrk(to, ".en"))
		strcat(to, ".0");
}

/* The JSON text, byte for byte as bitsandbytes writes it. */
static int state_text(char *to, const struct tensor *t)
{
	const struct storage *w = &t->node[0], *s = &t->node[w->scale];
	char number[40] = "";
	int n;

	n = snprintf(to, STATE, "{\"quant_type\": \"%s\", \"blocksize\": "
		     "%zu, \"dtype\": \"%s\", \"shape\": [",
		     storage_kind_name(w->kind), w->block,
		     bnb_dtype_name(t->dtype));
	for (int i = 0; i < t->rank; i++)
		n += snprintf(to + n, (size_t)(STATE - n), "%s%zu",
			      i ? ", " : "", t->shape[i]);
	n += snprintf(to + n, (size_t)(STATE - n), "]");
	if (s->kind == STORE_DYN8) {
		shortest(number, sizeof(number), t->node[s->shift].value);
		n += snprintf(to + n, (size_t)(STATE - n),
			      ", \"nested_blocksize\": %zu, \"nested_dtype\":"
			      " \"float32\", \"nested_offset\": %s", s->block,
			      number);
	}
	return n + snprintf(to + n, (size_t)(STATE - n), "}");
}

/* Is it what bitsandbytes can hold? */
static int check(const struct tensor *t)
{
	const struct storage *w = &t->node[0], *s;
	int ok = (w->kind == STORE_NF4 || w->kind == STORE_FP4) &&
		 w->scale > 0 && w->shift < 0 && w->part >= 0 &&
		 bnb_dtype_name(t->dtype);

	s = ok ? &t->node[w->scale] : NULL;
	if (ok && s->kind == STORE_DYN8)
		ok = s->scale > 0 && t->node[s->scale].kind == STORE_RAW &&
		     t->node[s->scale].dtype == DTYPE_F32 && s->shift > 0 &&
		     t->node[s->shift].kind == STORE_CONST;
	else if (ok)
		ok = s->kind == STORE_RAW && s->dtype == DTYPE_F32;
	return ok ? 0 : err_set(E_DATA, "%s: is stored in a form that "
				"bitsandbytes does not have; --to hf --dtype "
				"bf16 decodes it", t->name);
}

/* One of the arrays beside a weight. */
static int beside(struct export_base *b, const struct tensor *t,
		  const char *suffix, enum dtype d, size_t n, const void *data)
{
	char name[TENSOR_NAME + 64];

	snprintf(name, sizeof(name), "%s.%s", t->name, suffix);
	return shards_add(&b->shards, name, d, 1, &n, data);
}

/* The codes. What a stream leaves 0 after an odd one is the code of 0 there. */
static int add_codes(struct export_base *b, const struct tensor *t)
{
	const struct tensor_part *p = &t->part[t->node[0].part];
	size_t shape[2] = { p->bytes, 1 };
	unsigned char *copy;
	int err;

	if (t->count % 2 == 0 || t->node[0].kind == STORE_FP4)
		return shards_add(&b->shards, t->name, DTYPE_U8, 2, shape,
				  p->data);
	copy = malloc(p->bytes);
	if (!copy)
		return err_set(E_NOMEM, "%s: out of memory", t->name);
	memcpy(copy, p->data, p->bytes);
	copy[p->bytes - 1] |= NF4_ZERO;
	err = shards_add(&b->shards, t->name, DTYPE_U8, 2, shape, copy);
	free(copy);
	return err;
}

static int add_scales(struct export_base *b, const struct tensor *t)
{
	const struct storage *s = &t->node[t->node[0].scale], *nested;
	int is_nested = s->kind == STORE_DYN8;
	const struct tensor_part *p = &t->part[s->part];
	float map[BNB_BOOK];
	size_t n;

	TRY(beside(b, t, "absmax", is_nested ? DTYPE_U8 : DTYPE_F32, s->count,
		   p->data));
	TRY(bnb_book(map, &n, t->node[0].kind));
	TRY(beside(b, t, "quant_map", DTYPE_F32, n, map));
	if (!is_nested)
		return 0;
	nested = &t->node[s->scale];
	TRY(beside(b, t, "nested_absmax", DTYPE_F32, nested->count,
		   t->part[nested->part].data));
	TRY(bnb_book(map, &n, STORE_DYN8));
	return beside(b, t, "nested_quant_map", DTYPE_F32, n, map);
}

static int add_skip(struct state *s, const struct tensor *t)
{
	size_t n = strlen(t->name);
	json_t *module;

	if (n <= 7 || strcmp(t->name + n - 7, ".weight"))
		return 0;
	module = json_stringn(t->name, n - 7);
	return json_array_append_new(s->skip, module) ?
	       err_set(E_NOMEM, "out of memory") : 0;
}

/* transformers loads what stands beside 4-bit weights as it is, and computes
 * with it as it is: all of one type, or it fails. A checkpoint that was one
 * before keeps its types. */
static int add_dense(struct export_base *b, const struct tensor *t)
{
	struct state *s = b->own;
	enum dtype d = s->dtype && !s->came ? s->dtype : t->dtype;

	if (t->role == ROLE_LINEAR || t->role == ROLE_HEAD)
		TRY(add_skip(s, t));
	s->layers |= t->role == ROLE_LINEAR;
	return export_base_dense(b, t, dtype_is_float(t->dtype) ? d :
								  t->dtype);
}

static int add_coded(struct export_base *b, const struct tensor *t)
{
	struct state *s = b->own;
	char text[STATE], name[64];
	int n;

	TRY(check(t));
	if (s->seen && s->kind != t->node[0].kind)
		return err_set(E_DATA, "%s: is in %s and others are in %s, "
			       "which transformers does not have", t->name,
			       storage_kind_name(t->node[0].kind),
			       storage_kind_name(s->kind));
	s->kind = t->node[0].kind;
	if (!s->seen++)
		s->nested = t->node[t->node[0].scale].kind == STORE_DYN8;
	TRY(add_codes(b, t));
	TRY(add_scales(b, t));
	n = state_text(text, t);
	snprintf(name, sizeof(name), "quant_state.bitsandbytes__%s",
		 storage_kind_name(s->kind));
	return beside(b, t, name, DTYPE_U8, (size_t)n, text);
}

static int add(struct export_base *b, const struct tensor *t)
{
	struct state *s = b->own;
	json_t *q = json_object_get(b->config, "quantization_config");

	s->came = json_is_object(q) && bnb_is_4bit(q) ? q : NULL;
	if (!s->dtype && t->rank == 2 && bnb_dtype_name(t->dtype))
		s->dtype = t->dtype;
	return tensor_is_plain(t) ? add_dense(b, t) : add_coded(b, t);
}

/* Does the list name the module, or its end? */
static int names(json_t *list, const char *module)
{
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (json_string_length(v) &&
		    suffix_is_part(module, json_string_value(v)))
			return 1;
	return 0;
}

/* Is what config.json says of the quantisation still so? Without a list of
 * modules to leave alone transformers leaves the head alone. */
static int still_so(const struct state *s)
{
	json_t *list = json_object_get(s->came, "llm_int8_skip_modules"), *v;
	size_t i;

	if (!s->came || json_flag(s->came, "bnb_4bit_use_double_quant", 0) !=
				s->nested ||
	    strcmp(json_text(s->came, "bnb_4bit_quant_type", "fp4"),
		   storage_kind_name(s->kind)))
		return 0;
	if (!json_is_array(list))
		return !s->layers;
	json_array_foreach(s->skip, i, v)
		if (!names(list, json_string_value(v)))
			return 0;
	return 1;
}

static int configure(struct export_base *b, json_t *config, int *changed)
{
	struct state *s = b->own;
	json_t *q;

	if (!s->seen)
		return err_set(E_DATA, "no weight of the base is in NF4 or "
			       "FP4; run quantize-nf4 first");
	if (still_so(s))
		return 0;
	/* A head that is tied, or that transformers calls otherwise. */
	if (!names(s->skip, "lm_head") &&
	    json_array_append_new(s->skip, json_string("lm_head")))
		return err_set(E_NOMEM, "out of memory");
	q = json_pack("{sb sb ss ss ss sb sb sb sO sf sb sb ss}",
		      "_load_in_4bit", 1, "_load_in_8bit", 0,
		      "bnb_4bit_compute_dtype", bnb_dtype_name(s->dtype),
		      "bnb_4bit_quant_storage", "uint8",
		      "bnb_4bit_quant_type", storage_kind_name(s->kind),
		      "bnb_4bit_use_double_quant", s->nested,
		      "llm_int8_enable_fp32_cpu_offload", 0,
		      "llm_int8_has_fp16_weight", 0, "llm_int8_skip_modules",
		      s->skip, "llm_int8_threshold", 6.0, "load_in_4bit", 1,
		      "load_in_8bit", 0, "quant_method", "bitsandbytes");
	TRY(export_base_dtype(config, s->dtype, changed));
	return export_base_set(config, "quantization_config", q, changed);
}

int export_bnb(struct source *from, const char *dir,
	       const struct export_options *o)
{
	struct state s = { .skip = json_array() };
	struct export_base b = { .tensor = add, .configure = configure,
				 .own = &s };
	int err;

	if (!s.skip)
		return err_set(E_NOMEM, "out of memory");
	err = export_base_run(&b, from, dir, o);
	json_decref(s.skip);
	return err;
}
