/*
 * An NF4 base as bitsandbytes' 4-bit checkpoint: beside the codes P.weight
 * stand P.weight.absmax, .quant_map, with double quantisation .nested_absmax
 * and .nested_quant_map, and .quant_state.bitsandbytes__nf4, a JSON text.
 */
#include "formats/export_base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/export_dense.h"
#include "weight/weight.h"

enum { NESTED_BLOCK = 256, STATE = 512, CODE_OF_ZERO = 7 };

struct state {
	enum dtype dtype;       /* of dense weights: the first matrix's */
	int nested, seen;
	json_t *skip;           /* modules whose weights are not in 4 bits */
};

/* The values of all codes of a storage with scale 1: its book. */
static int book(float *dst, enum storage_kind kind, size_t n)
{
	struct tensor t = { .dtype = DTYPE_F32, .count = n };
	unsigned char code[256];
	int one, top = tensor_node(&t, kind, n), err;

	one = tensor_node(&t, STORE_CONST, 1);
	t.name = (char[]){ "book" };
	t.rank = 1;
	t.shape[0] = n;
	t.node[one].value = 1;
	t.node[top].scale = one;
	t.node[top].block = n;
	t.node[top].bits = n == 16 ? 4 : 8;
	t.node[top].part = tensor_part(&t, n == 16 ? DTYPE_U4 : DTYPE_U8, n);
	for (size_t i = 0; i < n; i++)
		code[n == 16 ? i / 2 : i] = (unsigned char)(
			n == 16 ? (i & ~(size_t)1) << 4 | i | 1 : i);
	t.part[0].data = code;
	err = weight_decode(&t, dst, 0, n);
	return err;
}

static const char *torch_name(enum dtype d)
{
	return d == DTYPE_F32 ? "float32" : d == DTYPE_F16 ? "float16" :
	       d == DTYPE_BF16 ? "bfloat16" : NULL;
}

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

	n = snprintf(to, STATE, "{\"quant_type\": \"nf4\", \"blocksize\": "
		     "%zu, \"dtype\": \"%s\", \"shape\": [", w->block,
		     torch_name(t->dtype));
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
	int ok = w->kind == STORE_NF4 && w->scale > 0 && w->shift < 0 &&
		 w->part >= 0 && torch_name(t->dtype);

	s = ok ? &t->node[w->scale] : NULL;
	if (ok && s->kind == STORE_DYN8)
		ok = s->scale > 0 && t->node[s->scale].kind == STORE_RAW &&
		     t->node[s->scale].dtype == DTYPE_F32 && s->shift > 0 &&
		     t->node[s->shift].kind == STORE_CONST;
	else if (ok)
		ok = s->kind == STORE_RAW && s->dtype == DTYPE_F32;
	return ok ? 0 : err_set(E_DATA, "%s: is stored in a form that "
				"bitsandbytes does not have", t->name);
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

	if (t->count % 2 == 0)
		return shards_add(&b->shards, t->name, DTYPE_U8, 2, shape,
				  p->data);
	copy = malloc(p->bytes);
	if (!copy)
		return err_set(E_NOMEM, "%s: out of memory", t->name);
	memcpy(copy, p->data, p->bytes);
	copy[p->bytes - 1] |= CODE_OF_ZERO;
	err = shards_add(&b->shards, t->name, DTYPE_U8, 2, shape, copy);
	free(copy);
	return err;
}

static int add_scales(struct export_base *b, const struct tensor *t)
{
	const struct storage *s = &t->node[t->node[0].scale], *nested;
	int is_nested = s->kind == STORE_DYN8;
	const struct tensor_part *p = &t->part[s->part];
	float map[256];

	TRY(beside(b, t, "absmax", is_nested ? DTYPE_U8 : DTYPE_F32, s->count,
		   p->data));
	TRY(book(map, STORE_NF4, 16));
	TRY(beside(b, t, "quant_map", DTYPE_F32, 16, map));
	if (!is_nested)
		return 0;
	nested = &t->node[s->scale];
	TRY(beside(b, t, "nested_absmax", DTYPE_F32, nested->count,
		   t->part[nested->part].data));
	TRY(book(map, STORE_DYN8, 256));
	return beside(b, t, "nested_quant_map", DTYPE_F32, 256, map);
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
 * with it as it is: all of one type, or it fails. */
static int add_dense(struct export_base *b, const struct tensor *t)
{
	struct state *s = b->own;
	enum dtype d = s->dtype ? s->dtype : t->dtype;
	void *data;
	int err;

	if (t->role == ROLE_LINEAR || t->role == ROLE_HEAD)
		TRY(add_skip(s, t));
	if (d == t->dtype || !dtype_is_float(t->dtype))
		return shards_add(&b->shards, t->name, t->dtype, t->rank,
				  t->shape, t->part[0].data);
	TRY(export_dense(&data, t, d));
	err = shards_add(&b->shards, t->name, d, t->rank, t->shape, data);
	free(data);
	return err;
}

static int add(struct export_base *b, const struct tensor *t)
{
	struct state *s = b->own;
	char text[STATE];
	int n;

	if (!s->dtype && t->rank == 2 && torch_name(t->dtype))
		s->dtype = t->dtype;
	if (tensor_is_plain(t))
		return add_dense(b, t);
	TRY(check(t));
	if (!s->seen++)
		s->nested = t->node[t->node[0].scale].kind == STORE_DYN8;
	TRY(add_codes(b, t));
	TRY(add_scales(b, t));
	n = state_text(text, t);
	return beside(b, t, "quant_state.bitsandbytes__nf4", DTYPE_U8,
		      (size_t)n, text);
}

static int configure(struct export_base *b, json_t *config, int *changed)
{
	struct state *s = b->own;
	json_t *q;

	if (!s->seen)
		return err_set(E_DATA, "no weight of the base is in NF4; run "
			       "quantize-nf4 first");
	if (!b->head && json_array_append_new(s->skip,
					      json_string("lm_head")))
		return err_set(E_NOMEM, "out of memory");
	q = json_pack("{sb sb ss ss ss sb sb sb sO sf sb sb ss}",
		      "_load_in_4bit", 1, "_load_in_8bit", 0,
		      "bnb_4bit_compute_dtype", torch_name(s->dtype),
		      "bnb_4bit_quant_storage", "uint8",
		      "bnb_4bit_quant_type", "nf4",
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
