#include "formats/st_chunks.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/size.h"
#include "formats/codec.h"

enum {
	WIDTH = 8,              /* chunks packed side by side, at most */
	WORTH = 20,             /* a part's first chunk must lose 1/20 */
	SMALL_ALIGN = 6,
};

/* One chunk on its way. */
struct slot {
	struct codec *codec;
	unsigned char *to;
	size_t room, got;       /* got = 0: does not shrink */
	const unsigned char *from;
	struct st_chunk chunk;
	int err;
};

struct st_chunks {
	struct pool *pool;
	size_t width;
	struct slot slot[WIDTH];
	int planes, level;
	struct msg_out header;
};

int st_chunks_new(struct st_chunks **c, struct pool *pool)
{
	struct st_chunks *new = calloc(1, sizeof(*new));

	*c = NULL;
	if (!new)
		return err_set(E_NOMEM, "out of memory");
	new->pool = pool;
	new->width = size_min(pool_lanes(pool), WIDTH);
	for (size_t i = 0; i < new->width; i++)
		if (codec_new(&new->slot[i].codec)) {
			st_chunks_free(new);
			return E_NOMEM;
		}
	*c = new;
	return 0;
}

void st_chunks_free(struct st_chunks *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->width; i++) {
		codec_free(c->slot[i].codec);
		free(c->slot[i].to);
	}
	msg_release(&c->header);
	free(c);
}

/* ---- packing ---- */

static int make_room(struct slot *s, size_t n)
{
	size_t bound = codec_bound(n);

	if (bound <= s->room)
		return 0;
	free(s->to);
	s->room = 0;
	s->to = malloc(bound);
	if (!s->to)
		return err_set(E_NOMEM, "out of memory");
	s->room = bound;
	return 0;
}

static int pack(struct slot *s, int planes, int level)
{
	TRY(make_room(s, s->chunk.n));
	TRY(codec_pack(s->codec, s->to, s->room, &s->got, s->from,
		       s->chunk.n, planes, level));
	if (s->got >= s->chunk.n)
		s->got = 0;
	return 0;
}

static void run(void *ctx, size_t task, size_t lane)
{
	struct st_chunks *c = ctx;
	struct slot *s = &c->slot[task];

	(void)lane;
	s->got = 0;
	s->err = 0;
	s->chunk.hash = digest_64(s->from, s->chunk.n);
	if (c->planes)
		s->err = pack(s, c->planes, c->level);
}

/* ---- records ---- */

static void describe(struct st_record *r, const struct slot *s, int planes)
{
	r->packed = s->got > 0;
	r->planes = r->packed ? planes : 0;
	r->payload = r->packed ? s->got : s->chunk.n;
	r->payload_hash = r->packed ? digest_64(s->to, s->got) :
				      s->chunk.hash;
	r->align = r->packed ? 0 :
		   r->payload >= ST_LARGE ? ST_ALIGN : SMALL_ALIGN;
}

static int put_chunk(struct st_chunks *c, struct st_writer *w,
		     const struct slot *s)
{
	struct st_record r = { .type = "CHNK" };

	TRY(st_chunk_put(&c->header, &s->chunk));
	r.header = c->header.n;
	describe(&r, s, c->planes);
	return st_writer_put(w, &r, c->header.at, r.packed ? s->to : s->from);
}

/* The next chunks of a part, up to most of them, into slots. */
static size_t fill(struct st_chunks *c, const struct tensor *t, int part,
		   size_t number, size_t *at, size_t most)
{
	const struct tensor_part *p = &t->part[part];
	size_t n = 0;

	for (; n < most && *at < p->bytes; n++) {
		struct slot *s = &c->slot[n];

		s->from = (const unsigned char *)p->data + *at;
		s->chunk = (struct st_chunk){ number, *at, 0, 0 };
		s->chunk.n = st_chunk_size(t, part, *at);
		*at += s->chunk.n;
	}
	return n;
}

static int is_worth(const struct slot *s)
{
	return s->got && s->chunk.n - s->got >= s->chunk.n / WORTH;
}

static int put_slots(struct st_chunks *c, struct st_writer *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (c->slot[i].err)
			return err_set(c->slot[i].err, "out of memory");
		TRY(put_chunk(c, w, &c->slot[i]));
	}
	return 0;
}

/* The first chunk alone decides for its part. */
static int put_part(struct st_chunks *c, struct st_writer *w,
		    const struct tensor *t, int part, size_t number,
		    int level)
{
	size_t bits = dtype_bits(t->part[part].dtype), at = 0, n;

	c->level = level;
	c->planes = level && bits >= 16 ? (int)bits / 8 : 0;
	n = fill(c, t, part, number, &at, 1);
	while (n) {
		if (n > 1)
			pool_run(c->pool, n, run, c);
		else
			run(c, 0, 0);
		if (c->planes && !c->slot[0].chunk.at &&
		    !c->slot[0].err && !is_worth(&c->slot[0])) {
			c->planes = 0;
			c->slot[0].got = 0;
		}
		TRY(put_slots(c, w, n));
		n = fill(c, t, part, number, &at, c->width);
	}
	return 0;
}

int st_chunks_put(struct st_chunks *c, struct st_writer *w,
		  const struct tensor *t, int level)
{
	int order[TENSOR_PARTS];
	size_t n = st_part_order(t, order);

	for (size_t k = 0; k < n; k++) {
		if (!st_part_is_clean(&t->part[order[k]]))
			return err_set(E_BUG, "%s: a part is not loaded, or "
				       "its padding is not zero", t->name);
		TRY(put_part(c, w, t, order[k], k, level));
	}
	return 0;
}

int st_chunks_pack(struct st_chunks *c, struct st_record *r,
		   const void **stored, const void *at, size_t n, int level)
{
	struct slot *s = &c->slot[0];

	s->from = at;
	s->chunk.n = n;
	c->planes = level ? 4 : 0;
	c->level = level;
	run(c, 0, 0);
	TRY(s->err);
	if (!is_worth(s))
		s->got = 0;
	describe(r, s, 4);
	*stored = r->packed ? s->to : s->from;
	return 0;
}
