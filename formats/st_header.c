#include "formats/st_header.h"

#include <string.h>

#include "base/bytes.h"
#include "base/size.h"
#include "formats/st_record.h"

static const char *const kind_name[STREAM_COUNT] = {
	[STREAM_ANY] = "any",         [STREAM_BASE] = "base",
	[STREAM_ADAPTER] = "adapter", [STREAM_DATA] = "data",
	[STREAM_EVAL] = "eval",
};

const char *stream_kind_name(enum stream_kind k)
{
	return kind_name[k];
}

enum stream_kind stream_kind_find(const char *name)
{
	for (int k = 0; k < STREAM_COUNT; k++)
		if (!strcmp(kind_name[k], name))
			return (enum stream_kind)k;
	return STREAM_ANY;
}

/* ---- HEAD ---- */

int st_head_put(struct msg_out *o, enum stream_kind kind)
{
	msg_begin(o);
	msg_put_map(o, 2);
	msg_put_text(o, "kind");
	msg_put_text(o, kind_name[kind]);
	msg_put_text(o, "st");
	msg_put_u64(o, ST_MAJOR);
	return msg_done(o);
}

int st_head_get(enum stream_kind *kind, const struct msg_value *v)
{
	const struct msg_value *req = msg_find(v, "req");
	uint64_t major;
	char text[64];

	if (msg_u64(msg_find(v, "st"), &major))
		return err_set(E_DATA, "HEAD names no version");
	if (major != ST_MAJOR)
		return err_set(E_DATA, "stream version %llu, not %d",
			       (unsigned long long)major, ST_MAJOR);
	if (req && msg_count(req)) {
		if (msg_text(msg_at(req, 0), text, sizeof(text)))
			strcpy(text, "?");
		return err_set(E_DATA, "stream needs the feature \"%s\", "
			       "which this version does not have", text);
	}
	if (msg_text(msg_find(v, "kind"), text, sizeof(text)))
		return err_set(E_DATA, "HEAD names no kind of stream");
	*kind = stream_kind_find(text);
	return 0;
}

/* ---- META ---- */

int st_meta_put(struct msg_out *o, const char *key, json_t *value)
{
	msg_begin(o);
	msg_put_map(o, 2);
	msg_put_text(o, "k");
	msg_put_text(o, key);
	msg_put_text(o, "v");
	msg_put_json(o, value);
	if (msg_done(o))
		return err_at(o->err ? o->err : E_DATA, "META %s", key);
	return 0;
}

/* ---- CHNK ---- */

int st_chunk_put(struct msg_out *o, const struct st_chunk *c)
{
	msg_begin(o);
	msg_put_map(o, 4);
	msg_put_text(o, "n");
	msg_put_u64(o, c->n);
	msg_put_text(o, "o");
	msg_put_u64(o, c->at);
	msg_put_text(o, "p");
	msg_put_u64(o, c->part);
	msg_put_text(o, "x");
	msg_put_u64(o, c->hash);
	return msg_done(o);
}

int st_chunk_get(struct st_chunk *c, const struct msg_value *v)
{
	if (msg_size(msg_find(v, "n"), &c->n) ||
	    msg_size(msg_find(v, "o"), &c->at) ||
	    msg_size(msg_find(v, "p"), &c->part) ||
	    msg_u64(msg_find(v, "x"), &c->hash))
		return err_set(E_DATA, "CHNK lacks one of n, o, p, x");
	return 0;
}

size_t st_chunk_size(const struct tensor *t, int part, size_t at)
{
	const struct tensor_part *p = &t->part[part];
	size_t rows = t->rank > 1 ? t->shape[0] : 1, row, most = ST_CHUNK;

	if (rows && p->count % rows == 0) {
		size_t bits = p->count / rows * dtype_bits(p->dtype);

		row = bits / 8;
		if (bits % 8 == 0 && row && row <= ST_CHUNK)
			most = ST_CHUNK / row * row;
	}
	return size_min(most, p->bytes - at);
}

int st_part_is_clean(const struct tensor_part *p)
{
	size_t over = p->bytes * 8 - p->count * dtype_bits(p->dtype);

	if (!p->bytes)
		return 1;
	return p->data && !(((const unsigned char *)p->data)[p->bytes - 1] &
			    ((1u << over) - 1));
}

size_t st_part_order(const struct tensor *t, int order[TENSOR_PARTS])
{
	int stack[TENSOR_NODES * 4], depth = 0;
	size_t n = 0;

	/* Own part first, children shift, zero, scale: the reverse order. */
	stack[depth++] = 0;
	while (depth) {
		const struct storage *s = &t->node[stack[--depth]];

		if (s->part >= 0 && n < TENSOR_PARTS)
			order[n++] = s->part;
		if (s->scale >= 0)
			stack[depth++] = s->scale;
		if (s->zero >= 0)
			stack[depth++] = s->zero;
		if (s->shift >= 0)
			stack[depth++] = s->shift;
	}
	for (size_t i = 0; i < n / 2; i++) {
		int swap = order[i];

		order[i] = order[n - 1 - i];
		order[n - 1 - i] = swap;
	}
	return n;
}

/* ---- BTCH ---- */

static void put_column(struct msg_out *o, const char *name, const char *dtype,
		       size_t n)
{
	msg_put_array(o, 3);
	msg_put_text(o, name);
	msg_put_text(o, dtype);
	msg_put_u64(o, n);
}

int st_batch_put(struct msg_out *o, const struct batch_columns *b,
		 uint64_t hash)
{
	msg_begin(o);
	msg_put_map(o, 3);
	msg_put_text(o, "cols");
	msg_put_array(o, 3);
	put_column(o, "len", "u32", b->n);
	put_column(o, "ids", "u32", b->tokens);
	put_column(o, "labels", "i32", b->tokens);
	msg_put_text(o, "n");
	msg_put_u64(o, b->n);
	msg_put_text(o, "x");
	msg_put_u64(o, hash);
	return msg_done(o);
}

/* Column i: its elements and, added to *bytes, its size. */
static int get_column(size_t *count, size_t *bytes,
		      const struct msg_value *v, const char *name,
		      const char *dtype)
{
	char text[16];
	size_t size;
	enum dtype d;

	if (msg_count(v) != 3 ||
	    (name && !msg_is(msg_at(v, 0), name)) ||
	    msg_text(msg_at(v, 1), text, sizeof(text)) ||
	    (dtype && strcmp(text, dtype)) ||
	    msg_size(msg_at(v, 2), count))
		return 1;
	d = dtype_find(text);
	return d == DTYPE_NONE || dtype_bytes(&size, d, *count) ||
	       size_add(bytes, *bytes, size);
}

int st_batch_get(struct batch_columns *b, size_t *bytes, uint64_t *hash,
		 const struct msg_value *v)
{
	static const char *const name[] = { "len", "ids", "labels" };
	static const char *const dtype[] = { "u32", "u32", "i32" };
	const struct msg_value *cols = msg_find(v, "cols");
	size_t n = msg_count(cols), count[3];

	memset(b, 0, sizeof(*b));
	*bytes = 0;
	if (n < 3 || msg_size(msg_find(v, "n"), &b->n) ||
	    msg_u64(msg_find(v, "x"), hash))
		return err_set(E_DATA, "BTCH lacks cols, n or x");
	for (size_t i = 0; i < n; i++) {
		size_t other, *c = i < 3 ? &count[i] : &other;

		if (get_column(c, bytes, msg_at(cols, i),
			       i < 3 ? name[i] : NULL,
			       i < 3 ? dtype[i] : NULL))
			return err_set(E_DATA, "BTCH: column %zu is wrong", i);
	}
	if (count[0] != b->n || count[1] != count[2] || *bytes > ST_PAYLOAD)
		return err_set(E_DATA, "BTCH: sizes of columns disagree");
	b->tokens = count[1];
	return 0;
}

size_t st_batch_size(const struct batch_columns *b, size_t first,
		     size_t *tokens)
{
	size_t bytes = 0, i = first;

	*tokens = 0;
	for (; i < b->n; i++) {
		bytes += 4 + (size_t)b->len[i] * 8;
		if (i > first && bytes > ST_CHUNK)
			break;
		*tokens += b->len[i];
	}
	return i - first;
}

/* ---- the digest of content ---- */

void st_content_add(struct digest *d, const char *type, const void *header,
		    size_t n)
{
	unsigned char size[4];

	le32_put(size, (uint32_t)n);
	digest_add(d, type, 4);
	digest_add(d, size, 4);
	digest_add(d, header, n);
}

int st_content_tensor(struct digest *d, struct msg_out *o,
		      const struct tensor *t)
{
	int order[TENSOR_PARTS];
	size_t n = st_part_order(t, order);

	TRY(st_tensor_put(o, t));
	st_content_add(d, "TENS", o->at, o->n);
	for (size_t k = 0; k < n; k++) {
		const struct tensor_part *p = &t->part[order[k]];

		for (size_t at = 0, size; at < p->bytes; at += size) {
			const char *from = (const char *)p->data + at;
			struct st_chunk c = { k, at, 0, 0 };

			size = st_chunk_size(t, order[k], at);
			c.n = size;
			c.hash = digest_64(from, size);
			TRY(st_chunk_put(o, &c));
			st_content_add(d, "CHNK", o->at, o->n);
		}
	}
	return 0;
}
