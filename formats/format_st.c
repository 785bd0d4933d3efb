/* format_st - tensor streams as a source reads them */
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "formats/sink_record.h"
#include "formats/source_formats.h"
#include "formats/st_reader.h"

struct stream {
	struct io_in in;
	struct st_reader r;
	char key[TENSOR_NAME];
	json_t *value;
	unsigned char *batch;   /* decoded columns */
	size_t batch_room;
};

static int probe(const char *path, const unsigned char *head, size_t n)
{
	(void)path;
	return head && !memcmp(head, "\x5c\x2a\x4d\x18", size_min(n, 4));
}

static void close_stream(void *self)
{
	struct stream *s = self;

	if (!s)
		return;
	json_decref(s->value);
	free(s->batch);
	st_reader_release(&s->r);
	io_in_close(&s->in);
	free(s);
}

static int open_stream(void **self, const char *path, struct io_in *in)
{
	struct stream *s = calloc(1, sizeof(*s));
	int err;

	(void)path;
	if (!s) {
		io_in_close(in);
		return err_set(E_NOMEM, "out of memory");
	}
	s->in = *in;
	err = st_reader_init(&s->r, &s->in);
	if (err) {
		close_stream(s);
		return err;
	}
	*self = s;
	return 0;
}

/* Where it went wrong; a failed read or write says that itself. */
static int located(const struct stream *s, int err)
{
	return err && err != E_IO ?
		       err_at(err, "offset %llu",
			      (unsigned long long)s->r.at) : err;
}

static void trust(void *self)
{
	struct stream *s = self;

	s->r.trust = 1;
}

/* ---- items ---- */

static int get_meta(struct stream *s, struct item *item)
{
	const struct msg_value *v = s->r.msg ? msg_root(s->r.msg) : NULL;

	if (msg_text(msg_find(v, "k"), s->key, sizeof(s->key)) ||
	    !msg_find(v, "v"))
		return err_set(E_DATA, "META without k or v");
	item->kind = ITEM_META;
	item->key = s->key;
	TRY(msg_to_json(&s->value, msg_find(v, "v")));
	item->value = s->value;
	return 0;
}

/* The lengths are the file's: their sum must be what the ids are. */
static int check_lengths(const struct batch_columns *b)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < b->n; i++)
		sum += b->len[i];
	if (sum != b->tokens)
		return err_set(E_DATA, "BTCH: lengths do not add up");
	return 0;
}

static int get_batch(struct stream *s, struct item *item)
{
	struct batch_columns *b = &item->batch;
	uint64_t hash;
	size_t bytes;

	TRY(st_batch_get(b, &bytes, &hash,
			 s->r.msg ? msg_root(s->r.msg) : NULL));
	if (bytes > s->batch_room) {
		free(s->batch);
		s->batch_room = 0;
		s->batch = malloc(bytes);
		if (!s->batch)
			return err_set(E_NOMEM, "out of memory");
		s->batch_room = bytes;
	}
	/* Kept as stored too, for copy(). */
	TRY(st_reader_stored(&s->r));
	if (bytes)
		TRY(st_reader_decoded(&s->r, s->batch, bytes, hash));
	item->kind = ITEM_BATCH;
	b->len = (const uint32_t *)(const void *)s->batch;
	b->ids = b->len + b->n;
	b->labels = (const int32_t *)(b->ids + b->tokens);
	return check_lengths(b);
}

static int get_other(struct stream *s, struct item *item)
{
	item->kind = ITEM_OTHER;
	item->type = s->r.r.type;
	if (strcmp(s->r.r.type, "prov"))
		return 0;
	if (!s->r.msg)
		return err_set(E_DATA, "prov without a header");
	TRY(msg_to_json(&s->value, msg_root(s->r.msg)));
	item->value = s->value;
	return 0;
}

static int get_item(struct stream *s, struct item *item)
{
	const char *type = s->r.r.type;

	if (!strcmp(type, "HEAD")) {
		item->kind = ITEM_HEAD;
	} else if (!strcmp(type, "META")) {
		return get_meta(s, item);
	} else if (!strcmp(type, "TENS")) {
		item->kind = ITEM_TENSOR;
		item->tensor = &s->r.tensor;
	} else if (!strcmp(type, "BTCH")) {
		return get_batch(s, item);
	} else if (!strcmp(type, "ENDS")) {
		item->kind = ITEM_END;
		memcpy(item->digest, s->r.digest, DIGEST_SIZE);
	} else {
		return get_other(s, item);
	}
	return 0;
}

/* Chunks that nobody asked for are verified as they are stored. */
static int find_item(struct stream *s, struct item *item)
{
	int end;

	json_decref(s->value);
	s->value = NULL;
	do {
		TRY(st_reader_next(&s->r, &end));
		if (end)
			return 0;
	} while (!strcmp(s->r.r.type, "CHNK") ||
		 !strcmp(s->r.r.type, "padd"));
	item->stream = s->r.kind;
	return get_item(s, item);
}

static int next(void *self, struct item *item)
{
	struct stream *s = self;

	return located(s, find_item(s, item));
}

/* ---- tensors ---- */

static int load_chunk(struct stream *s, struct tensor *t)
{
	const struct st_chunk *c = &s->r.chunk;
	int end;

	TRY(st_reader_next(&s->r, &end));
	return st_reader_decoded(&s->r, (char *)t->part[c->part].data + c->at,
				 c->n, c->hash);
}

static int load_chunks(struct stream *s, struct tensor *t)
{
	TRY(tensor_alloc_unset(t));
	while (st_reader_expects_chunk(&s->r))
		TRY(load_chunk(s, t));
	for (int i = 0; i < t->npart; i++)
		if (!st_part_is_clean(&t->part[i]))
			return err_set(E_DATA, "padding of codes is not zero");
	return 0;
}

static int load(void *self, struct tensor *t)
{
	struct stream *s = self;
	int err = load_chunks(s, t);

	if (err && err != E_IO)
		err = err_at(err, "tensor \"%s\"", t->name);
	return located(s, err);
}

/* ---- places ---- */

static int file(const void *self)
{
	const struct stream *s = self;
	uint64_t start;

	return io_in_place(&s->in, &start) ? s->in.fd : -1;
}

static int put_place(const struct stream *s, uint64_t start,
		     source_place_fn *fn, void *ctx)
{
	const struct st_record *r = &s->r.r;
	const struct st_chunk *c = &s->r.chunk;
	struct source_place p = {
		c->part, c->at, c->n, c->hash,
		start + s->r.at + ST_PREFIX + r->header + r->pad,
		r->payload, r->packed, r->planes,
	};

	return fn(ctx, &p);
}

static int places(void *self, struct tensor *t, source_place_fn *fn, void *ctx)
{
	struct stream *s = self;
	uint64_t start;
	int end;

	(void)t;
	if (!io_in_place(&s->in, &start))
		return err_set(E_BUG, "no file to place chunks in");
	while (st_reader_expects_chunk(&s->r)) {
		TRY(located(s, st_reader_next(&s->r, &end)));
		TRY(put_place(s, start, fn, ctx));
		TRY(located(s, st_reader_leave(&s->r)));
	}
	return 0;
}

/* ---- copies ---- */

static int copy_record(struct stream *s, struct sink *to)
{
	TRY(st_reader_stored(&s->r));
	return sink_record(to, &s->r.r, s->r.kind, s->r.header, s->r.stored);
}

static int copy_records(struct stream *s, struct sink *to)
{
	int end;

	TRY(copy_record(s, to));
	while (st_reader_expects_chunk(&s->r)) {
		TRY(st_reader_next(&s->r, &end));
		TRY(copy_record(s, to));
	}
	return 0;
}

static int copy(void *self, struct sink *to)
{
	struct stream *s = self;

	return located(s, copy_records(s, to));
}

static int copy_bytes(struct stream *s, struct sink *to)
{
	static const unsigned char zero[ST_PAD];

	TRY(st_reader_stored(&s->r));
	TRY(sink_bytes(to, s->r.prefix, ST_PREFIX));
	TRY(sink_bytes(to, s->r.header, s->r.r.header));
	TRY(sink_bytes(to, zero, s->r.r.pad));
	return sink_bytes(to, s->r.stored, s->r.r.payload);
}

static int copy_all_bytes(struct stream *s, struct sink *to, struct item *end)
{
	int none;

	TRY(copy_bytes(s, to));
	while (s->r.inside) {
		TRY(st_reader_next(&s->r, &none));
		TRY(copy_bytes(s, to));
	}
	end->stream = s->r.kind;
	return get_item(s, end);
}

static int copy_stream(void *self, struct sink *to, struct item *end)
{
	struct stream *s = self;

	return located(s, copy_all_bytes(s, to, end));
}

const struct source_format format_st = {
	.name = "tensor stream",
	.digests = 1,
	.probe = probe,
	.open = open_stream,
	.trust = trust,
	.next = next,
	.load = load,
	.file = file,
	.places = places,
	.copy = copy,
	.copy_stream = copy_stream,
	.close = close_stream,
};
