#include "formats/sink.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "formats/sink_record.h"
#include "formats/st_chunks.h"
#include "formats/st_header.h"
#include "formats/st_kept.h"
#include "formats/st_writer.h"

struct sink {
	struct st_writer w;
	struct st_chunks *chunks;
	struct st_kept kept;    /* provenance of the current stream's inputs */
	enum stream_kind kind;  /* of the current stream */
	int level;
	struct msg_out header;
	unsigned char *batch;   /* columns, one after the other */
	size_t batch_room;
};

static void release(struct sink *s)
{
	st_writer_release(&s->w);
	st_chunks_free(s->chunks);
	st_kept_release(&s->kept);
	msg_release(&s->header);
	free(s->batch);
	free(s);
}

int sink_open(struct sink **s, const char *path, const struct sink_options *o)
{
	struct sink *new = calloc(1, sizeof(*new));
	int err;

	*s = NULL;
	if (!new)
		return err_set(E_NOMEM, "out of memory");
	new->level = o ? o->level : 1;
	err = st_writer_open(&new->w, path);
	if (!err)
		err = st_chunks_new(&new->chunks, o ? o->pool : NULL);
	if (err) {
		release(new);
		return err;
	}
	*s = new;
	return 0;
}

int sink_close(struct sink *s)
{
	int err = s->w.inside ?
			  err_set(E_BUG, "a stream was not ended") :
			  st_writer_close(&s->w);

	release(s);
	return err;
}

void sink_abort(struct sink *s, int code, const char *tool)
{
	char *message;

	if (!s)
		return;
	message = strdup(err_text());
	st_writer_abort(&s->w, code, tool, message ? message : "");
	if (message)
		err_set(code, "%s", message);
	free(message);
	release(s);
}

/* ---- records ---- */

static int level_of(const struct sink *s)
{
	return s->kind == STREAM_ADAPTER ? 0 : s->level;
}

/* A record that is all header, which s->header holds. */
static int put(struct sink *s, const char *type)
{
	struct st_record r = { .header = s->header.n };

	memcpy(r.type, type, 5);
	return st_writer_put(&s->w, &r, s->header.at, NULL);
}

int sink_head(struct sink *s, enum stream_kind kind)
{
	if (s->w.inside)
		return err_set(E_BUG, "a stream inside a stream");
	s->kind = kind;
	TRY(st_head_put(&s->header, kind));
	return put(s, "HEAD");
}

int sink_meta(struct sink *s, const char *key, json_t *value)
{
	TRY(st_meta_put(&s->header, key, value));
	return put(s, "META");
}

int sink_tensor(struct sink *s, const struct tensor *t)
{
	TRY(st_tensor_put(&s->header, t));
	TRY(put(s, "TENS"));
	return st_chunks_put(s->chunks, &s->w, t, level_of(s));
}

static int put_batch(struct sink *s, const struct batch_columns *b)
{
	struct st_record r = { .type = "BTCH" };
	size_t lens = b->n * 4, ids = b->tokens * 4, n = lens + 2 * ids;
	const void *stored;

	if (n > ST_PAYLOAD)
		return err_set(E_DATA, "a sample of %zu tokens is too long",
			       b->tokens);
	if (n > s->batch_room) {
		free(s->batch);
		s->batch_room = 0;
		s->batch = malloc(n);
		if (!s->batch)
			return err_set(E_NOMEM, "out of memory");
		s->batch_room = n;
	}
	memcpy(s->batch, b->len, lens);
	memcpy(s->batch + lens, b->ids, ids);
	memcpy(s->batch + lens + ids, b->labels, ids);
	TRY(st_batch_put(&s->header, b, digest_64(s->batch, n)));
	r.header = s->header.n;
	TRY(st_chunks_pack(s->chunks, &r, &stored, s->batch, n, level_of(s)));
	return st_writer_put(&s->w, &r, s->header.at, stored);
}

int sink_batch(struct sink *s, const struct batch_columns *b)
{
	size_t token = 0;

	for (size_t i = 0; i < b->n;) {
		struct batch_columns part = { 0 };

		part.n = st_batch_size(b, i, &part.tokens);
		part.len = b->len + i;
		part.ids = b->ids + token;
		part.labels = b->labels + token;
		TRY(put_batch(s, &part));
		i += part.n;
		token += part.tokens;
	}
	return 0;
}

/* ---- passing on ---- */

int sink_record(struct sink *s, const struct st_record *r,
		enum stream_kind kind, const void *header,
		const void *payload)
{
	struct st_record copy = *r;

	if (!strcmp(r->type, "prov"))
		return st_kept_add(&s->kept, header, r->header);
	if (!strcmp(r->type, "HEAD")) {
		if (s->w.inside)
			return err_set(E_BUG, "a stream inside a stream");
		s->kind = kind;
	}
	return st_writer_put(&s->w, &copy, header, payload);
}

int sink_bytes(struct sink *s, const void *at, size_t n)
{
	return n ? st_writer_copy(&s->w, at, n) : 0;
}

/* The item written anew. */
static int rewrite(struct sink *s, struct source *from,
		   const struct item *item)
{
	switch (item->kind) {
	case ITEM_HEAD:
		return sink_head(s, item->stream);
	case ITEM_META:
		return sink_meta(s, item->key, item->value);
	case ITEM_TENSOR:
		TRY(source_load(from));
		return sink_tensor(s, item->tensor);
	case ITEM_BATCH:
		return sink_batch(s, &item->batch);
	default:
		return err_set(E_BUG, "an item that cannot be passed on");
	}
}

int sink_pass(struct sink *s, struct source *from, const struct item *item)
{
	int data = item->kind == ITEM_TENSOR || item->kind == ITEM_BATCH;

	if (item->kind == ITEM_END)
		return sink_end(s, NULL);
	if (source_can_copy(from) && !(data && level_of(s) == 0))
		return source_copy(from, s);
	return rewrite(s, from, item);
}

int sink_pass_stream(struct sink *s, struct source *from,
		     const struct item *head)
{
	struct item item = *head;
	int copied;

	if (s->w.inside)
		return err_set(E_BUG, "a stream inside a stream");
	TRY(source_copy_stream(from, s, &copied));
	if (copied)
		return 0;
	TRY(sink_pass(s, from, &item));
	while (item.kind != ITEM_END) {
		TRY(source_next(from, &item));
		TRY(sink_pass(s, from, &item));
	}
	return 0;
}

/* ---- provenance, end ---- */

int sink_keep(struct sink *s, json_t *record)
{
	msg_begin(&s->header);
	msg_put_json(&s->header, record);
	TRY(msg_done(&s->header));
	return st_kept_add(&s->kept, s->header.at, s->header.n);
}

static int put_kept(struct sink *s)
{
	for (size_t i = 0; i < s->kept.n; i++) {
		struct st_record r = { .type = "prov",
				       .header = s->kept.at[i].n };

		TRY(st_writer_put(&s->w, &r, s->kept.at[i].header, NULL));
	}
	st_kept_release(&s->kept);
	return 0;
}

int sink_provenance(struct sink *s, const struct opt_program *p,
		    const struct input_digest *input, size_t n)
{
	json_t *record;
	int err;

	TRY(put_kept(s));
	TRY(st_kept_record(&record, p, input, n));
	err = sink_keep(s, record);
	json_decref(record);
	return err ? err : put_kept(s);
}

int sink_end(struct sink *s, unsigned char digest[DIGEST_SIZE])
{
	if (!s->w.inside)
		return err_set(E_BUG, "no stream to end");
	TRY(put_kept(s));
	return st_writer_end(&s->w, digest);
}
