#include "formats/msg.h"

#include <math.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "formats/msg_scan.h"

struct msg {
	msgpack_unpacked unpacked;
};

/* ---- reading ---- */

static const msgpack_object *object(const struct msg_value *v)
{
	return (const msgpack_object *)v;
}

int msg_parse(struct msg **m, const void *at, size_t n)
{
	struct msg *new;
	size_t end = 0;
	msgpack_unpack_return r;

	*m = NULL;
	TRY(msg_scan(at, n));
	new = calloc(1, sizeof(*new));
	if (!new)
		return err_set(E_NOMEM, "out of memory");
	msgpack_unpacked_init(&new->unpacked);
	r = msgpack_unpack_next(&new->unpacked, at, n, &end);
	if (r != MSGPACK_UNPACK_SUCCESS || end != n) {
		msg_free(new);
		return r == MSGPACK_UNPACK_NOMEM_ERROR ?
			       err_set(E_NOMEM, "out of memory") :
			       err_set(E_DATA, "header is not msgpack");
	}
	*m = new;
	return 0;
}

void msg_free(struct msg *m)
{
	if (m)
		msgpack_unpacked_destroy(&m->unpacked);
	free(m);
}

const struct msg_value *msg_root(const struct msg *m)
{
	return (const struct msg_value *)&m->unpacked.data;
}

/* msgpack-c may leave an empty text's pointer NULL. */
static const char *text_of(const msgpack_object *o)
{
	return o->via.str.size ? o->via.str.ptr : "";
}

int msg_is(const struct msg_value *v, const char *text)
{
	const msgpack_object *o = object(v);

	return o && o->type == MSGPACK_OBJECT_STR &&
	       o->via.str.size == strlen(text) &&
	       !memcmp(text_of(o), text, o->via.str.size);
}

const struct msg_value *msg_find(const struct msg_value *v, const char *key)
{
	const msgpack_object *o = object(v);

	if (!o || o->type != MSGPACK_OBJECT_MAP)
		return NULL;
	for (uint32_t i = 0; i < o->via.map.size; i++) {
		const msgpack_object_kv *kv = &o->via.map.ptr[i];

		if (msg_is((const struct msg_value *)&kv->key, key))
			return (const struct msg_value *)&kv->val;
	}
	return NULL;
}

size_t msg_count(const struct msg_value *v)
{
	const msgpack_object *o = object(v);

	return o && o->type == MSGPACK_OBJECT_ARRAY ? o->via.array.size : 0;
}

const struct msg_value *msg_at(const struct msg_value *v, size_t i)
{
	return (const struct msg_value *)&object(v)->via.array.ptr[i];
}

int msg_u64(const struct msg_value *v, uint64_t *n)
{
	const msgpack_object *o = object(v);

	if (!o || o->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
		return 1;
	*n = o->via.u64;
	return 0;
}

int msg_size(const struct msg_value *v, size_t *n)
{
	uint64_t wide;

	if (msg_u64(v, &wide) || wide > SIZE_MAX)
		return 1;
	*n = (size_t)wide;
	return 0;
}

int msg_real(const struct msg_value *v, double *x)
{
	const msgpack_object *o = object(v);

	if (!o || o->type != MSGPACK_OBJECT_FLOAT64)
		return 1;
	*x = o->via.f64;
	return 0;
}

int msg_bin(const struct msg_value *v, const void **at, size_t *n)
{
	const msgpack_object *o = object(v);

	if (!o || o->type != MSGPACK_OBJECT_BIN)
		return 1;
	*at = o->via.bin.ptr;
	*n = o->via.bin.size;
	return 0;
}

int msg_text(const struct msg_value *v, char *buf, size_t room)
{
	const msgpack_object *o = object(v);

	if (!o || o->type != MSGPACK_OBJECT_STR || o->via.str.size >= room)
		return 1;
	memcpy(buf, text_of(o), o->via.str.size);
	buf[o->via.str.size] = 0;
	return 0;
}

static json_t *json_of(const msgpack_object *o);

static json_t *json_of_array(const msgpack_object_array *a)
{
	json_t *j = json_array();

	for (uint32_t i = 0; j && i < a->size; i++)
		if (json_array_append_new(j, json_of(&a->ptr[i]))) {
			json_decref(j);
			j = NULL;
		}
	return j;
}

static json_t *json_of_map(const msgpack_object_map *m)
{
	json_t *j = json_object();

	for (uint32_t i = 0; j && i < m->size; i++) {
		const msgpack_object *k = &m->ptr[i].key;
		char *key = strndup(text_of(k), k->via.str.size);

		if (!key || json_object_set_new(j, key,
						json_of(&m->ptr[i].val))) {
			json_decref(j);
			j = NULL;
		}
		free(key);
	}
	return j;
}

/* Depth is bounded by the scan. */
static int is_json(const msgpack_object *o)
{
	int yes = 1;

	switch (o->type) {
	case MSGPACK_OBJECT_ARRAY:
		for (uint32_t i = 0; yes && i < o->via.array.size; i++)
			yes = is_json(&o->via.array.ptr[i]);
		return yes;
	case MSGPACK_OBJECT_MAP:
		for (uint32_t i = 0; yes && i < o->via.map.size; i++)
			yes = is_json(&o->via.map.ptr[i].val);
		return yes;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		return o->via.u64 <= INT64_MAX;
	case MSGPACK_OBJECT_FLOAT64:
		return isfinite(o->via.f64);
	default:
		return o->type != MSGPACK_OBJECT_BIN;
	}
}

/* NULL: no memory; o is_json(). */
static json_t *json_of(const msgpack_object *o)
{
	switch (o->type) {
	case MSGPACK_OBJECT_NIL:
		return json_null();
	case MSGPACK_OBJECT_BOOLEAN:
		return json_boolean(o->via.boolean);
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		return json_integer((json_int_t)o->via.u64);
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		return json_integer(o->via.i64);
	case MSGPACK_OBJECT_FLOAT64:
		return json_real(o->via.f64);
	case MSGPACK_OBJECT_STR:
		return json_stringn(text_of(o), o->via.str.size);
	case MSGPACK_OBJECT_ARRAY:
		return json_of_array(&o->via.array);
	case MSGPACK_OBJECT_MAP:
		return json_of_map(&o->via.map);
	default:
		return NULL;
	}
}

int msg_to_json(json_t **j, const struct msg_value *v)
{
	*j = NULL;
	if (!is_json(object(v)))
		return err_set(E_DATA, "a value that JSON cannot hold");
	*j = json_of(object(v));
	return *j ? 0 : err_set(E_NOMEM, "out of memory");
}

/* ---- writing ---- */

static int append(void *ctx, const char *at, size_t n)
{
	struct msg_out *o = ctx;

	if (o->err)
		return -1;
	if (n > o->room - o->n) {
		size_t room = 2 * o->room + n + 256;
		char *more = realloc(o->at, room);

		if (!more) {
			o->err = err_set(E_NOMEM, "out of memory");
			return -1;
		}
		o->at = more;
		o->room = room;
	}
	if (n)
		memcpy(o->at + o->n, at, n);
	o->n += n;
	return 0;
}

static msgpack_packer packer(struct msg_out *o)
{
	msgpack_packer pk;

	msgpack_packer_init(&pk, o, append);
	return pk;
}

void msg_begin(struct msg_out *o)
{
	o->n = 0;
	o->err = 0;
}

void msg_put_map(struct msg_out *o, size_t n)
{
	msgpack_packer pk = packer(o);

	msgpack_pack_map(&pk, n);
}

void msg_put_array(struct msg_out *o, size_t n)
{
	msgpack_packer pk = packer(o);

	msgpack_pack_array(&pk, n);
}

void msg_put_text(struct msg_out *o, const char *text)
{
	msgpack_packer pk = packer(o);

	msgpack_pack_str_with_body(&pk, text, strlen(text));
}

void msg_put_u64(struct msg_out *o, uint64_t n)
{
	msgpack_packer pk = packer(o);

	msgpack_pack_uint64(&pk, n);
}

void msg_put_real(struct msg_out *o, double x)
{
	msgpack_packer pk = packer(o);

	msgpack_pack_double(&pk, x);
}

void msg_put_bin(struct msg_out *o, const void *at, size_t n)
{
	msgpack_packer pk = packer(o);

	msgpack_pack_bin_with_body(&pk, at, n);
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void put_object(struct msg_out *o, json_t *j)
{
	size_t n = json_object_size(j), i = 0;
	const char **key = calloc(n + 1, sizeof(*key)), *k;
	json_t *v;

	if (!key) {
		o->err = err_set(E_NOMEM, "out of memory");
		return;
	}
	json_object_foreach(j, k, v)
		key[i++] = k;
	qsort(key, n, sizeof(*key), by_bytes);
	msg_put_map(o, n);
	for (i = 0; i < n && !o->err; i++) {
		msg_put_text(o, key[i]);
		msg_put_json(o, json_object_get(j, key[i]));
	}
	free(key);
}

void msg_put_json(struct msg_out *o, json_t *j)
{
	msgpack_packer pk = packer(o);

	switch (json_typeof(j)) {
	case JSON_OBJECT:
		put_object(o, j);
		break;
	case JSON_ARRAY:
		msg_put_array(o, json_array_size(j));
		for (size_t i = 0; i < json_array_size(j) && !o->err; i++)
			msg_put_json(o, json_array_get(j, i));
		break;
	case JSON_STRING:
		msgpack_pack_str_with_body(&pk, json_string_value(j),
					   json_string_length(j));
		break;
	case JSON_INTEGER:
		msgpack_pack_int64(&pk, json_integer_value(j));
		break;
	case JSON_REAL:
		msg_put_real(o, json_real_value(j));
		break;
	case JSON_TRUE:
		msgpack_pack_true(&pk);
		break;
	case JSON_FALSE:
		msgpack_pack_false(&pk);
		break;
	case JSON_NULL:
		msgpack_pack_nil(&pk);
		break;
	}
}

int msg_done(struct msg_out *o)
{
	if (o->err)
		return o->err;
	return msg_scan(o->at, o->n);
}

void msg_release(struct msg_out *o)
{
	free(o->at);
	memset(o, 0, sizeof(*o));
}
