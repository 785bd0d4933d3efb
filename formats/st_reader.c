#include "formats/st_reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "formats/st_names.h"

int st_reader_init(struct st_reader *s, struct io_in *in)
{
	memset(s, 0, sizeof(*s));
	s->in = in;
	TRY(digest_new(&s->content));
	TRY(digest_new(&s->prefixes));
	TRY(st_names_new(&s->names));
	return codec_new(&s->codec);
}

void st_reader_release(struct st_reader *s)
{
	tensor_release(&s->tensor);
	msg_free(s->msg);
	free(s->header);
	free(s->stored);
	digest_free(s->content);
	digest_free(s->prefixes);
	st_names_free(s->names);
	codec_free(s->codec);
	memset(s, 0, sizeof(*s));
}

static int reserve(unsigned char **at, size_t *room, size_t n)
{
	unsigned char *more;

	if (n <= *room)
		return 0;
	more = realloc(*at, n);
	if (!more)
		return err_set(E_NOMEM, "out of memory");
	*at = more;
	*room = n;
	return 0;
}

static int read_all(struct st_reader *s, void *to, size_t n)
{
	size_t got;

	TRY(io_in_read(s->in, to, n, &got));
	if (got < n)
		return err_set(E_DATA, "truncated");
	return 0;
}

/* ---- payloads ---- */

/* Long payloads come in pieces, so that a record that lies about its length
 * costs no more than what is there. */
int st_reader_stored(struct st_reader *s)
{
	size_t n = 0;

	if (!s->unread)
		return 0;
	s->unread = 0;
	while (n < s->r.payload) {
		size_t piece = size_min(s->r.payload - n, ST_CHUNK);

		TRY(reserve(&s->stored, &s->stored_room, n + piece));
		TRY(read_all(s, s->stored + n, piece));
		n += piece;
	}
	if (n && digest_64(s->stored, n) != s->r.payload_hash)
		return err_set(E_DATA, "stored payload is damaged");
	return 0;
}

static int unpack(struct st_reader *s, void *to, size_t n)
{
	if (s->r.planes && n % (size_t)s->r.planes)
		return err_set(E_DATA, "payload is no whole elements");
	TRY(st_reader_stored(s));
	return codec_unpack(s->codec, to, n, s->stored, s->r.payload,
			    s->r.planes);
}

int st_reader_decoded(struct st_reader *s, void *to, size_t n, uint64_t hash)
{
	if (s->r.packed) {
		TRY(unpack(s, to, n));
	} else if (s->r.payload != n) {
		return err_set(E_DATA, "raw payload of %zu bytes, not %zu",
			       s->r.payload, n);
	} else if (s->unread) {
		s->unread = 0;
		TRY(read_all(s, to, n));
	} else {
		memcpy(to, s->stored, n);
	}
	if (digest_64(to, n) != hash)
		return err_set(E_DATA, "payload is damaged");
	return 0;
}

/* ---- what each record must be ---- */

int st_reader_expects_chunk(const struct st_reader *s)
{
	return s->inside && s->part < (size_t)s->tensor.npart;
}

/* Parts without bytes have no chunks. */
static void skip_empty_parts(struct st_reader *s)
{
	while (st_reader_expects_chunk(s) &&
	       s->offset == s->tensor.part[s->part].bytes) {
		s->part++;
		s->offset = 0;
	}
}

static int begin_stream(struct st_reader *s, const struct msg_value *v)
{
	if (s->inside)
		return err_set(E_DATA, "HEAD inside a stream");
	TRY(st_head_get(&s->kind, v));
	s->inside = 1;
	s->start = s->at;
	s->records = s->tensors = 0;
	digest_reset(s->content);
	digest_reset(s->prefixes);
	st_names_clear(s->names);
	return 0;
}

static int check_tensor(struct st_reader *s, const struct msg_value *v)
{
	if (++s->tensors > ST_TENSORS)
		return err_set(E_DATA, "more than %d tensors", ST_TENSORS);
	tensor_release(&s->tensor);
	s->part = s->offset = 0;
	TRY(st_tensor_get(&s->tensor, v));
	TRY(st_names_add(s->names, s->tensor.name));
	skip_empty_parts(s);
	return 0;
}

static int check_chunk(struct st_reader *s, const struct msg_value *v)
{
	struct st_chunk *c = &s->chunk;
	const struct tensor_part *p = &s->tensor.part[s->part];

	TRY(st_chunk_get(c, v));
	if (!st_reader_expects_chunk(s) || c->part != s->part ||
	    c->at != s->offset || !c->n || c->n > p->bytes - s->offset ||
	    c->n > ST_PAYLOAD)
		return err_set(E_DATA, "CHNK that does not fit its tensor");
	if (!s->r.packed &&
	    (s->r.payload != c->n || s->r.payload_hash != c->hash))
		return err_set(E_DATA, "raw CHNK of another size or hash than "
			       "its payload");
	s->offset += c->n;
	skip_empty_parts(s);
	return 0;
}

static int check_end(struct st_reader *s, const struct msg_value *v)
{
	size_t bytes, records, tensors, n;
	uint64_t stream;
	const void *content;

	if (msg_size(msg_find(v, "bytes"), &bytes) ||
	    msg_size(msg_find(v, "records"), &records) ||
	    msg_size(msg_find(v, "tensors"), &tensors) ||
	    msg_u64(msg_find(v, "stream"), &stream) ||
	    msg_bin(msg_find(v, "content"), &content, &n) ||
	    n != DIGEST_SIZE)
		return err_set(E_DATA, "ENDS lacks a key");
	digest_get_128(s->content, s->digest);
	if (bytes != s->at + ST_ENDS - s->start || records != s->records ||
	    tensors != s->tensors || stream != digest_get_64(s->prefixes) ||
	    memcmp(content, s->digest, DIGEST_SIZE) ||
	    st_record_size(&s->r) != ST_ENDS)
		return err_set(E_DATA, "end record does not agree with the "
			       "stream: records are missing or not in order");
	s->inside = 0;
	return 0;
}

static int abort_of(const struct msg_value *v)
{
	char tool[64], message[900];

	if (msg_text(msg_find(v, "tool"), tool, sizeof(tool)))
		strcpy(tool, "a program");
	if (msg_text(msg_find(v, "msg"), message, sizeof(message)))
		strcpy(message, "it does not say why");
	return err_set(E_DATA, "the stream was given up by %s: %s", tool,
		       message);
}

/* Only chunks, batches and records unknown here have payloads. */
static int check_payload(const struct st_record *r)
{
	if (r->payload && st_is_critical(r->type) &&
	    strcmp(r->type, "CHNK") && strcmp(r->type, "BTCH"))
		return err_set(E_DATA, "%s with a payload", r->type);
	return 0;
}

/* Whoever maps a payload relies on where it says that it lies. */
static int check_place(const struct st_reader *s)
{
	uint64_t at = s->at - s->start + ST_PREFIX + s->r.header + s->r.pad;

	if (s->r.payload && !s->r.packed &&
	    at & (((uint64_t)1 << s->r.align) - 1))
		return err_set(E_DATA, "%s: payload is not aligned as its "
			       "record says", s->r.type);
	return 0;
}

static int check_record(struct st_reader *s)
{
	const struct msg_value *v = s->msg ? msg_root(s->msg) : NULL;
	const char *type = s->r.type;

	TRY(check_payload(&s->r));
	if (!strcmp(type, "ABRT"))
		return abort_of(v);
	if (!strcmp(type, "HEAD"))
		return begin_stream(s, v);
	if (!s->inside)
		return err_set(E_DATA, "%s where a stream should begin", type);
	TRY(check_place(s));
	if (!strcmp(type, "CHNK"))
		return check_chunk(s, v);
	if (st_reader_expects_chunk(s))
		return err_set(E_DATA, "%s inside a tensor's chunks", type);
	if (!strcmp(type, "TENS"))
		return check_tensor(s, v);
	if (!strcmp(type, "ENDS"))
		return check_end(s, v);
	if (st_is_critical(type) && strcmp(type, "META") &&
	    strcmp(type, "BTCH"))
		return err_set(E_DATA, "record type %s, which this version "
			       "does not know", type);
	return 0;
}

/* ---- the next record ---- */

int st_reader_leave(struct st_reader *s)
{
	if (!s->unread)
		return 0;
	s->unread = 0;
	return io_in_skip(s->in, s->r.payload);
}

static int skip_payload(struct st_reader *s)
{
	return s->trust ? st_reader_leave(s) : st_reader_stored(s);
}

static int read_prefix(struct st_reader *s, int *end)
{
	size_t got;

	s->at = s->in->offset;
	TRY(io_in_read(s->in, s->prefix, ST_PREFIX, &got));
	*end = !got && !s->inside && s->at;
	if (*end)
		return 0;
	if (!got && !s->at)
		return err_set(E_DATA, "empty input, no tensor stream");
	if (got < ST_PREFIX)
		return err_set(E_DATA, "truncated");
	return st_record_get(&s->r, s->prefix);
}

static int read_header(struct st_reader *s)
{
	unsigned char pad[ST_PAD];

	TRY(reserve(&s->header, &s->header_room, s->r.header + 1));
	TRY(read_all(s, s->header, s->r.header));
	if (digest_64(s->header, s->r.header) != s->r.header_hash)
		return err_set(E_DATA, "%s: header is damaged", s->r.type);
	TRY(read_all(s, pad, s->r.pad));
	for (size_t i = 0; i < s->r.pad; i++)
		if (pad[i])
			return err_set(E_DATA, "%s: padding is not zero",
				       s->r.type);
	msg_free(s->msg);
	s->msg = NULL;
	return s->r.header ? msg_parse(&s->msg, s->header, s->r.header) : 0;
}

int st_reader_next(struct st_reader *s, int *end)
{
	TRY(skip_payload(s));
	TRY(read_prefix(s, end));
	if (*end)
		return 0;
	TRY(read_header(s));
	TRY(check_record(s));
	s->unread = s->r.payload > 0;
	if (!strcmp(s->r.type, "ENDS"))
		return 0;
	s->records++;
	digest_add(s->prefixes, s->prefix, ST_PREFIX);
	if (st_is_content(s->r.type))
		st_content_add(s->content, s->r.type, s->header,
			       s->r.header);
	return 0;
}
