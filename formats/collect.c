#include "formats/collect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "formats/base_pages.h"

/* Where the items of the current stream go. */
struct target {
	struct collected *tensors;      /* NULL: this kind has none for us */
	json_t **provenance;
};

static int init_collected(struct collected *c)
{
	if (!c->meta)
		c->meta = json_object();
	if (!c->provenance)
		c->provenance = json_array();
	if (!c->meta || !c->provenance)
		return err_set(E_NOMEM, "out of memory");
	c->present = 1;
	return 0;
}

static int new_adapter(struct collection *c, struct collected **new)
{
	struct collected *more =
		realloc(c->adapter, (c->nadapter + 1) * sizeof(*more));

	if (!more)
		return err_set(E_NOMEM, "out of memory");
	c->adapter = more;
	*new = &more[c->nadapter++];
	memset(*new, 0, sizeof(**new));
	return init_collected(*new);
}

static int begin(struct collection *c, struct target *t,
		 const struct item *item)
{
	memset(t, 0, sizeof(*t));
	switch (item->stream) {
	case STREAM_BASE:
		TRY(init_collected(&c->base));
		t->tensors = &c->base;
		t->provenance = &c->base.provenance;
		return 0;
	case STREAM_ADAPTER:
		TRY(new_adapter(c, &t->tensors));
		t->provenance = &t->tensors->provenance;
		return 0;
	case STREAM_DATA:
		c->has_data = 1;
		if (!c->data_provenance)
			c->data_provenance = json_array();
		t->provenance = &c->data_provenance;
		return *t->provenance ? 0 : err_set(E_NOMEM, "out of memory");
	default:
		return 0;
	}
}

static int take_tensor(struct target *t, struct source *s,
		       const struct item *item)
{
	int err;

	if (!t->tensors)
		return 0;
	if (t->tensors->pages && base_pages_wants(item->tensor))
		TRY(base_pages_take(t->tensors->pages, s, item->tensor));
	else
		TRY(source_load(s));
	err = tensor_set_take(&t->tensors->tensors, item->tensor);
	return err ? err_at(err, "%s", source_name(s)) : 0;
}

static int take_meta(struct target *t, struct source *s,
		     const struct item *item)
{
	if (!t->tensors)
		return 0;
	if (json_object_get(t->tensors->meta, item->key))
		return err_set(E_DATA, "%s: META \"%s\" is there twice",
			       source_name(s), item->key);
	if (json_object_set(t->tensors->meta, item->key, item->value))
		return err_set(E_NOMEM, "out of memory");
	return 0;
}

static int take_batch(struct collection *c, const struct item *item)
{
	const struct batch_columns *b = &item->batch;
	size_t token = 0;

	if (item->stream != STREAM_DATA)
		return 0;
	for (size_t i = 0; i < b->n; i++) {
		TRY(samples_add(&c->data, b->ids + token, b->labels + token,
				b->len[i]));
		token += b->len[i];
	}
	return 0;
}

static int take_provenance(struct target *t, const struct item *item)
{
	if (!t->provenance || strcmp(item->type, "prov"))
		return 0;
	if (json_array_append(*t->provenance, item->value))
		return err_set(E_NOMEM, "out of memory");
	return 0;
}

static void end(struct target *t, const struct item *item)
{
	if (t->tensors)
		memcpy(t->tensors->digest, item->digest, DIGEST_SIZE);
}

static int take(struct collection *c, struct target *t, struct source *s,
		const struct item *item)
{
	switch (item->kind) {
	case ITEM_HEAD:
		return begin(c, t, item);
	case ITEM_META:
		return take_meta(t, s, item);
	case ITEM_TENSOR:
		return take_tensor(t, s, item);
	case ITEM_BATCH:
		return take_batch(c, item);
	case ITEM_OTHER:
		return take_provenance(t, item);
	default:
		end(t, item);
		return 0;
	}
}

/* One data stream is named by its digest, several by that of their digests. */
static int data_digest(struct collection *c)
{
	struct digest *d;
	const unsigned char *one = NULL;
	size_t n = 0;

	TRY(digest_new(&d));
	for (size_t i = 0; i < c->ninput; i++) {
		if (c->input[i].kind != STREAM_DATA)
			continue;
		one = c->input[i].digest;
		digest_add(d, one, DIGEST_SIZE);
		n++;
	}
	if (n == 1)
		memcpy(c->data_digest, one, DIGEST_SIZE);
	else if (n)
		digest_get_128(d, c->data_digest);
	digest_free(d);
	return 0;
}

static int keep_inputs(struct collection *c, const struct source *s)
{
	const struct input_digest *in;
	size_t n = source_inputs(s, &in);

	c->input = calloc(n + 1, sizeof(*in));
	if (!c->input)
		return err_set(E_NOMEM, "out of memory");
	if (n)
		memcpy(c->input, in, n * sizeof(*in));
	c->ninput = n;
	return data_digest(c);
}

static int take_all(struct collection *c, struct source *s)
{
	struct target t = { 0 };
	struct item item;

	for (;;) {
		TRY(source_next(s, &item));
		if (item.kind == ITEM_NONE)
			return keep_inputs(c, s);
		TRY(take(c, &t, s, &item));
	}
}

static int collect_as(struct collection *c, char *const *paths, int keep)
{
	struct source *s;
	int err;

	TRY(source_open(&s, paths));
	if (keep)
		source_keep_blocks(s);
	err = take_all(c, s);
	source_close(s);
	return err;
}

int collect(struct collection *c, char *const *paths)
{
	memset(c, 0, sizeof(*c));
	return collect_as(c, paths, 1);
}

int collect_decoded(struct collection *c, char *const *paths)
{
	memset(c, 0, sizeof(*c));
	return collect_as(c, paths, 0);
}

int collect_paged(struct collection *c, char *const *paths, uint64_t budget)
{
	memset(c, 0, sizeof(*c));
	TRY(base_pages_new(&c->base.pages, budget));
	TRY(collect_as(c, paths, 1));
	c->base.tensors.lend = base_pages_lend;
	c->base.tensors.lend_ctx = c->base.pages;
	c->base.tensors.pages = base_pages_owner(c->base.pages);
	return 0;
}

static void release_collected(struct collected *c)
{
	for (size_t i = 0; c->pages && i < c->tensors.n; i++)
		base_pages_forget(c->pages, &c->tensors.at[i]);
	base_pages_free(c->pages);
	tensor_set_release(&c->tensors);
	json_decref(c->meta);
	json_decref(c->provenance);
}

void collection_release(struct collection *c)
{
	release_collected(&c->base);
	for (size_t i = 0; i < c->nadapter; i++)
		release_collected(&c->adapter[i]);
	free(c->adapter);
	samples_release(&c->data);
	json_decref(c->data_provenance);
	free(c->input);
	memset(c, 0, sizeof(*c));
}

const char *collection_file(const struct collected *c, const char *name,
			    size_t *size)
{
	char path[TENSOR_NAME];
	const struct tensor *t;

	if (snprintf(path, sizeof(path), "file/%s", name) >=
	    (int)sizeof(path))
		return NULL;
	t = tensor_set_find(&c->tensors, path);
	if (!t || t->part[0].dtype != DTYPE_U8 || !tensor_is_plain(t))
		return NULL;
	*size = t->part[0].bytes;
	return t->part[0].data;
}
