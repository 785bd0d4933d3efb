#include "formats/gguf_general.h"

#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "base/size.h"
#include "formats/gguf_files.h"

static const char prefix[] = "general.";

/* GGUF's own names; width: bytes, 0 where it is not one number. Numbers lie
 * between low and high; real ones have high 0. */
static const struct kind {
	const char *name;
	unsigned width;
	double low, high;
} kind[GGUF_TYPES] = {
	[GGUF_U8] = { "uint8", 1, 0, 0xff },
	[GGUF_I8] = { "int8", 1, -0x80, 0x7f },
	[GGUF_U16] = { "uint16", 2, 0, 0xffff },
	[GGUF_I16] = { "int16", 2, -0x8000, 0x7fff },
	[GGUF_U32] = { "uint32", 4, 0, 0xffffffff },
	[GGUF_I32] = { "int32", 4, -0x1p31, 0x1p31 - 1 },
	[GGUF_F32] = { "float32", 4, 0, 0 },
	[GGUF_BOOL] = { "bool", 1, 0, 1 },
	[GGUF_TEXT] = { "string", 0, 0, 0 },
	[GGUF_U64] = { "uint64", 8, 0, 0x1p53 },
	[GGUF_I64] = { "int64", 8, -0x1p53, 0x1p53 },
	[GGUF_F64] = { "float64", 8, 0, 0 },
};

/* Is it the model that is spoken of, and not the file? */
static int is_kept(const char *key, size_t n)
{
	static const char *const file[] = {
		"architecture", "type", "file_type", "quantization_version",
		"alignment",
	};
	const size_t before = sizeof(prefix) - 1;

	if (n <= before || memcmp(key, prefix, before))
		return 0;
	for (size_t i = 0; i < NELEM(file); i++)
		if (n - before == strlen(file[i]) &&
		    !memcmp(key + before, file[i], n - before))
			return 0;
	return 1;
}

/* ---- in ---- */

/* NULL: JSON has none of it. */
static json_t *number(enum gguf_type type, double x)
{
	if (type == GGUF_BOOL)
		return json_boolean(x > 0);
	if (type == GGUF_F32)
		return isfinite(x) ? gguf_real(x) : NULL;
	if (type == GGUF_F64)
		return isfinite(x) ? json_real(x) : NULL;
	return fabs(x) <= 0x1p53 ? json_integer((json_int_t)x) : NULL;
}

static json_t *array(const struct gguf_value *v)
{
	json_t *list = v->count <= GGUF_GENERAL ? json_array() : NULL;
	const unsigned char *at = v->at;

	for (size_t i = 0; list && i < v->count; i++) {
		json_t *one;

		if (v->element == GGUF_TEXT) {
			const char *text;
			size_t n;

			gguf_next_text(&at, &text, &n);
			one = json_stringn(text, n);
		} else {
			one = number(v->element, gguf_element(v, i));
		}
		if (!one || json_array_append_new(list, one)) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *value(const struct gguf_value *v)
{
	double x;

	if (v->type == GGUF_ARRAY)
		return array(v);
	if (v->type == GGUF_TEXT)
		return json_stringn((const char *)v->at, v->count);
	return gguf_number(v, &x) ? NULL : number(v->type, x);
}

static int put(json_t *general, const struct gguf_key *k)
{
	const struct gguf_value *v = &k->value;
	json_t *one = value(v), *typed;
	int err;

	if (!one)
		return 0;
	typed = json_object();
	err = gguf_put(typed, kind[v->type == GGUF_ARRAY ? v->element :
				   v->type].name, one);
	/* A name that is no UTF-8, or has a NUL in it, is none. */
	if (!err && !memchr(k->name, 0, k->length))
		(void)!json_object_setn(general, k->name, k->length, typed);
	json_decref(typed);
	return err;
}

int gguf_general(json_t **json, const struct gguf *g)
{
	int err = 0;

	*json = json_object();
	if (!*json)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < g->nkey && !err; i++)
		if (is_kept(g->key[i].name, g->key[i].length))
			err = put(*json, &g->key[i]);
	if (err || !json_object_size(*json)) {
		json_decref(*json);
		*json = NULL;
	}
	return err;
}

/* ---- out ---- */

static int bad(const char *key, const char *what)
{
	return err_set(E_DATA, "%.80s: %s", key, what);
}

/* A number's bytes, little-endian. */
static int add_number(struct text *to, const char *key, enum gguf_type type,
		      json_t *v)
{
	double x = json_is_boolean(v) ? json_is_true(v) : json_number_value(v);
	int real = type == GGUF_F32 || type == GGUF_F64;
	unsigned char b[8];
	float f = (float)x;
	uint64_t bits;

	if (json_is_boolean(v) != (type == GGUF_BOOL) ||
	    (!json_is_boolean(v) && !json_is_number(v)) ||
	    (real ? !isfinite(type == GGUF_F32 ? f : x) :
		    x < kind[type].low || x > kind[type].high || x != rint(x)))
		return bad(key, "is no number of its type");
	if (type == GGUF_F32)
		return text_add(to, &f, sizeof(f));
	if (type == GGUF_F64)
		return text_add(to, &x, sizeof(x));
	bits = (uint64_t)(int64_t)x;
	le64_put(b, bits);
	return text_add(to, b, kind[type].width);
}

static int add(struct text *to, const char *key, enum gguf_type type,
	       json_t *v)
{
	if (type != GGUF_TEXT)
		return add_number(to, key, type, v);
	if (!json_is_string(v) || json_string_length(v) > GGUF_STRING)
		return bad(key, "is no text");
	return gguf_out_element(to, json_string_value(v),
				json_string_length(v));
}

static int put_value(struct gguf_out *o, const char *key, json_t *typed,
		     struct text *bytes)
{
	const char *name = json_object_iter_key(json_object_iter(typed));
	json_t *v = name ? json_object_get(typed, name) : NULL, *one;
	enum gguf_type type = 0;
	size_t i;

	if (!v || json_object_size(typed) != 1)
		return bad(key, "is no type with a value");
	while (type < GGUF_TYPES && (!kind[type].name ||
				     strcmp(kind[type].name, name)))
		type++;
	if (type == GGUF_TYPES)
		return bad(key, "is of no type that a GGUF has");
	if (!json_is_array(v)) {
		TRY(add(bytes, key, type, v));
		return gguf_out_value(o, key, type, bytes);
	}
	if (json_array_size(v) > GGUF_GENERAL)
		return bad(key, "is too long");
	json_array_foreach(v, i, one)
		TRY(add(bytes, key, type, one));
	return gguf_out_array(o, key, type, json_array_size(v), bytes);
}

static int put_keys(struct gguf_out *o, json_t *root, const char *name)
{
	const char *key;
	json_t *typed;

	if (!json_is_object(root))
		return err_set(E_DATA, "is no object");
	json_object_foreach(root, key, typed) {
		struct text bytes = { 0 };
		int err;

		if (!is_kept(key, strlen(key)) ||
		    (name && !strcmp(key, "general.name")))
			continue;
		err = put_value(o, key, typed, &bytes);
		text_release(&bytes);
		if (err)
			return err;
	}
	return 0;
}

int gguf_general_keys(struct gguf_out *o, const char *text, size_t size,
		      const char *name)
{
	json_t *root;
	int err = json_parse(&root, text, size);

	if (!err) {
		err = put_keys(o, root, name);
		json_decref(root);
	}
	return err ? err_at(err, "gguf.json") : 0;
}
