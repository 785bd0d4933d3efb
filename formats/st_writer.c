#include "formats/st_writer.h"

#include <string.h>

#include "base/size.h"
#include "formats/msg.h"
#include "formats/st_header.h"

enum { LEAST_ALIGN = 6 };       /* streams end at multiples of 64 */

int st_writer_open(struct st_writer *w, const char *path)
{
	memset(w, 0, sizeof(*w));
	w->out.fd = -1;
	TRY(digest_new(&w->content));
	TRY(digest_new(&w->prefixes));
	return io_out_open(&w->out, path, 1);
}

void st_writer_release(struct st_writer *w)
{
	io_out_abandon(&w->out);
	digest_free(w->content);
	digest_free(w->prefixes);
	w->content = w->prefixes = NULL;
}

int st_writer_zeros(struct st_writer *w, size_t n)
{
	static const unsigned char zero[ST_PAD];

	return io_out_write(&w->out, zero, n);
}

int st_writer_copy(struct st_writer *w, const void *at, size_t n)
{
	return io_out_write(&w->out, at, n);
}

static void begin(struct st_writer *w)
{
	w->start = w->out.offset;
	w->inside = 1;
	w->align = LEAST_ALIGN;
	w->records = w->tensors = 0;
	digest_reset(w->content);
	digest_reset(w->prefixes);
}

static void count(struct st_writer *w, const struct st_record *r,
		  const unsigned char *prefix, const void *header)
{
	if (!strcmp(r->type, "ENDS"))
		return;
	w->records++;
	w->tensors += !strcmp(r->type, "TENS");
	digest_add(w->prefixes, prefix, ST_PREFIX);
	if (st_is_content(r->type))
		st_content_add(w->content, r->type, header, r->header);
}

/* r->pad is set. */
static int put(struct st_writer *w, struct st_record *r, const void *header,
	       const void *payload)
{
	unsigned char prefix[ST_PREFIX];

	r->header_hash = digest_64(header, r->header);
	st_record_put(r, prefix);
	count(w, r, prefix, header);
	TRY(io_out_write(&w->out, prefix, ST_PREFIX));
	if (r->header)
		TRY(io_out_write(&w->out, header, r->header));
	TRY(st_writer_zeros(w, r->pad));
	return r->payload ? io_out_write(&w->out, payload, r->payload) : 0;
}

int st_writer_put(struct st_writer *w, struct st_record *r,
		  const void *header, const void *payload)
{
	size_t at;

	if (!strcmp(r->type, "HEAD"))
		begin(w);
	at = (size_t)(w->out.offset - w->start) + ST_PREFIX + r->header;
	r->pad = 0;
	if (r->payload && !r->packed) {
		r->pad = size_align(at, (size_t)1 << r->align) - at;
		if (r->align > w->align)
			w->align = r->align;
	}
	return put(w, r, header, payload);
}

/* padd holds only zeros, so that the ENDS after it ends at a multiple of the
 * largest alignment, and streams that cat joins stay aligned. */
static int put_padding(struct st_writer *w)
{
	struct st_record r = { .type = "padd" };
	size_t unit = (size_t)1 << w->align;
	size_t at = (size_t)(w->out.offset - w->start) + ST_ENDS;
	size_t gap = size_align(at, unit) - at;

	if (!gap)
		return 0;
	while (gap < ST_PREFIX)
		gap += unit;
	r.pad = gap - ST_PREFIX;
	return put(w, &r, "", NULL);
}

static int put_ends(struct st_writer *w, struct msg_out *o,
		    const unsigned char *digest)
{
	struct st_record r = { .type = "ENDS" };

	msg_begin(o);
	msg_put_map(o, 5);
	msg_put_text(o, "bytes");
	msg_put_u64(o, w->out.offset - w->start + ST_ENDS);
	msg_put_text(o, "content");
	msg_put_bin(o, digest, DIGEST_SIZE);
	msg_put_text(o, "records");
	msg_put_u64(o, w->records);
	msg_put_text(o, "stream");
	msg_put_u64(o, digest_get_64(w->prefixes));
	msg_put_text(o, "tensors");
	msg_put_u64(o, w->tensors);
	TRY(msg_done(o));
	r.header = o->n;
	r.pad = ST_ENDS - ST_PREFIX - o->n;
	return put(w, &r, o->at, NULL);
}

int st_writer_end(struct st_writer *w, unsigned char digest[DIGEST_SIZE])
{
	unsigned char own[DIGEST_SIZE];
	struct msg_out o = { 0 };
	int err;

	TRY(put_padding(w));
	digest_get_128(w->content, own);
	err = put_ends(w, &o, own);
	msg_release(&o);
	if (err)
		return err;
	w->inside = 0;
	if (digest)
		memcpy(digest, own, DIGEST_SIZE);
	return 0;
}

int st_writer_close(struct st_writer *w)
{
	return io_out_commit(&w->out);
}

static int abort_header(struct msg_out *o, int code, const char *tool,
			const char *message)
{
	msg_begin(o);
	msg_put_map(o, 3);
	msg_put_text(o, "code");
	msg_put_u64(o, (uint64_t)code);
	msg_put_text(o, "msg");
	msg_put_text(o, message);
	msg_put_text(o, "tool");
	msg_put_text(o, tool);
	return msg_done(o);
}

/* A file's name in the message may be no UTF-8. */
static int put_abort(struct st_writer *w, struct msg_out *o, int code,
		     const char *tool, const char *message)
{
	struct st_record r = { .type = "ABRT" };

	if (abort_header(o, code, tool, message))
		TRY(abort_header(o, code, tool, "its message is no text"));
	r.header = o->n;
	TRY(put(w, &r, o->at, NULL));
	return io_out_commit(&w->out);
}

void st_writer_abort(struct st_writer *w, int code, const char *tool,
		     const char *message)
{
	struct msg_out o = { 0 };

	if (!w->out.path && w->out.buf && code != E_IO)
		(void)!put_abort(w, &o, code, tool, message);
	msg_release(&o);
}
