#include "formats/st_list.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "weight/storage.h"

enum { TEXT = 256 };

static int memory(int failed)
{
	return failed ? err_set(E_NOMEM, "out of memory") : 0;
}

/* "nf4/64 (dyn8/256)": kind and block, the scales' behind it. */
static void storage_text(char *buf, size_t size, const struct tensor *t)
{
	size_t n = 0;
	int depth = 0;

	for (int i = 0; i >= 0 && n < size; i = t->node[i].scale) {
		const struct storage *s = &t->node[i];
		const char *name = s->kind == STORE_RAW ?
					   dtype_name(s->dtype) :
				   s->kind == STORE_GGUF ?
					   s->format :
					   storage_kind_name(s->kind);

		n += (size_t)snprintf(buf + n, size - n, "%s%s",
				      depth++ ? " (" : "", name);
		if (n < size && s->kind == STORE_INT)
			n += (size_t)snprintf(buf + n, size - n, "%d",
					      s->bits);
		if (n < size && s->block)
			n += (size_t)snprintf(buf + n, size - n, "/%zu",
					      s->block);
	}
	while (--depth > 0 && n + 1 < size) {
		buf[n++] = ')';
		buf[n] = 0;
	}
}

static void add(json_t *stream, const char *key, size_t n)
{
	json_t *v = json_object_get(stream, key);

	json_integer_set(v, json_integer_value(v) + (json_int_t)n);
}

static int list_tensor(json_t *stream, const struct tensor *t)
{
	char text[TEXT];
	json_t *shape = json_array(), *v;

	for (int i = 0; i < t->rank; i++)
		TRY(memory(json_array_append_new(
			shape, json_integer((json_int_t)t->shape[i]))));
	storage_text(text, sizeof(text), t);
	v = json_pack("{ss ss ss ss so sI sI}", "name", t->name, "role",
		      tensor_role_name(t->role), "dtype",
		      dtype_name(t->dtype), "storage", text, "shape", shape,
		      "values", (json_int_t)t->count, "bytes",
		      (json_int_t)tensor_bytes(t));
	if (t->role != ROLE_BLOB)
		add(stream, "values", t->count);
	add(stream, "bytes", tensor_bytes(t));
	return memory(json_array_append_new(
		json_object_get(stream, "tensors"), v));
}

static int list_batch(json_t *stream, const struct batch_columns *b)
{
	size_t labels = 0, t = 0;

	for (size_t i = 0; i < b->n; i++)
		for (size_t k = 0; k < b->len[i]; k++, t++)
			labels += k && b->labels[t] >= 0;
	add(stream, "samples", b->n);
	add(stream, "tokens", b->tokens);
	add(stream, "labels", labels);
	add(stream, "bytes", 4 * b->n + 8 * b->tokens);
	return 0;
}

static int list_other(json_t *stream, const struct item *item)
{
	json_t *other = json_object_get(stream, "other"), *n;

	if (!strcmp(item->type, "prov"))
		return memory(json_array_append(
			json_object_get(stream, "provenance"), item->value));
	n = json_object_get(other, item->type);
	return memory(json_object_set_new(
		other, item->type, json_integer(json_integer_value(n) + 1)));
}

static int begin(json_t *list, json_t **stream, const struct source *s,
		 const struct item *item)
{
	*stream = json_pack("{ss ss s{} s[] si si si s{} s[] si si}", "from",
			    source_name(s), "kind",
			    stream_kind_name(item->stream), "meta", "tensors",
			    "samples", 0, "tokens", 0, "labels", 0, "other",
			    "provenance", "values", 0, "bytes", 0);
	return memory(json_array_append_new(list, *stream));
}

static int end(json_t *stream, const struct item *item)
{
	static const unsigned char none[DIGEST_SIZE];
	char hex[DIGEST_HEX];

	TRY(memory(json_object_set_new(stream, "whole", json_true())));
	if (!memcmp(item->digest, none, DIGEST_SIZE))
		return 0;
	digest_hex(hex, item->digest);
	return memory(json_object_set_new(stream, "content",
					  json_string(hex)));
}

static int list_item(json_t *list, json_t **stream, const struct source *s,
		     const struct item *item)
{
	switch (item->kind) {
	case ITEM_HEAD:
		return begin(list, stream, s, item);
	case ITEM_META:
		return memory(json_object_set(json_object_get(*stream, "meta"),
					      item->key, item->value));
	case ITEM_TENSOR:
		return list_tensor(*stream, item->tensor);
	case ITEM_BATCH:
		return list_batch(*stream, &item->batch);
	case ITEM_OTHER:
		return list_other(*stream, item);
	default:
		return end(*stream, item);
	}
}

static int list_all(json_t *list, struct source *s)
{
	json_t *stream = NULL;
	struct item item;

	for (;;) {
		TRY(source_next(s, &item));
		if (item.kind == ITEM_NONE)
			return 0;
		TRY(list_item(list, &stream, s, &item));
	}
}

int st_list(json_t **list, char *const *paths)
{
	struct source *s;
	int err;

	*list = json_array();
	TRY(memory(!*list));
	TRY(source_open(&s, paths));
	source_trust(s);
	err = list_all(*list, s);
	source_close(s);
	return err;
}
