/* base_pages_read - a piece of a page, read, decoded and verified */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/size.h"
#include "formats/base_pages_parts.h"
#include "formats/codec.h"
#include "formats/st_header.h"

/* At least bytes of the file, and as many as there are of most. */
static int read_all(int fd, uint64_t at, char *to, size_t least, size_t most)
{
	size_t have = 0;

	while (have < least) {
		ssize_t k = pread(fd, to + have, most - have,
				  (off_t)(at + have));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_errno(E_IO, "it cannot be read");
		if (!k)
			return err_set(E_DATA, "truncated");
		have += (size_t)k;
	}
	return 0;
}

/* Past the page cache whole disk pages come in: to where they stay, where they
 * begin on a page there too; else, and the last, through scratch. */
static int read_direct(int fd, const struct place *from, char *to,
		       char *scratch, const void **got)
{
	size_t skip = (size_t)(from->offset % SPACE_PAGE);
	size_t body = 0, rest;

	*got = scratch + skip;
	if (base_pages_in_place(from)) {
		body = from->stored - from->stored % SPACE_PAGE;
		TRY(read_all(fd, from->offset, to, body, body));
		*got = to;
	}
	rest = from->stored + skip - body;
	if (!rest)
		return 0;
	TRY(read_all(fd, from->offset - skip + body, scratch, rest,
		     size_align(rest, SPACE_PAGE)));
	if (body)
		memcpy(to + body, scratch, rest);
	return 0;
}

static int read_at(const struct file *f, const struct place *from,
		   int direct, void *to, void *scratch, const void **got)
{
	if (direct && f->direct >= 0)
		return read_direct(f->direct, from, to, scratch, got);
	*got = from->packed ? scratch : to;
	return read_all(f->fd, from->offset, from->packed ? scratch : to,
			from->stored, from->stored);
}

static int unpack(const struct place *from, void *to, const void *stored)
{
	struct codec *codec;
	int err = codec_new(&codec);

	if (!err && from->planes && from->n % (size_t)from->planes)
		err = err_set(E_DATA, "payload is no whole elements");
	if (!err)
		err = codec_unpack(codec, to, from->n, stored, from->stored,
				   from->planes);
	codec_free(codec);
	return err;
}

static int check_piece(const struct held_page *p, const struct place *from,
		       const unsigned char *page)
{
	struct tensor_part last;

	if (digest_64(page + from->at, from->n) != from->hash)
		return err_set(E_DATA, "payload is damaged");
	if (from->part < 0)
		return 0;
	last = p->part[from->part];
	last.data = (void *)(page + p->part_at[from->part]);
	if (from->at + from->n == p->part_at[from->part] + last.bytes &&
	    !st_part_is_clean(&last))
		return err_set(E_DATA, "padding of codes is not zero");
	return 0;
}

static const char *file_of(const struct base_pages *b,
			   const struct held_page *p)
{
	return p->file < 0 ? "pages on disk" : b->file[p->file].name;
}

static int load_piece(const struct base_pages *b, const struct held_page *p,
		      const struct place *from, int direct,
		      unsigned char *page, void *scratch)
{
	unsigned char *to = page + from->at;
	const void *stored;

	if (p->file < 0) {
		TRY(spill_read(&b->spill, from->offset, to, from->n));
		return check_piece(p, from, page);
	}
	TRY(read_at(&b->file[p->file], from, direct, to, scratch, &stored));
	if (from->packed)
		TRY(unpack(from, to, stored));
	else if (stored != to)
		memcpy(to, stored, from->n);
	return check_piece(p, from, page);
}

/* pager_backing's. A read that fails is tried once more, through the page
 * cache: a disk may have a bad moment, and past the cache not every file system
 * reads, and none goes on from the middle of a block. */
int base_pages_load(void *ctx, size_t id, size_t i, void *at, void *scratch)
{
	const struct base_pages *b = ctx;
	const struct held_page *p = &b->page[id];
	const struct place *from = &b->place[p->first + i];
	int err = load_piece(b, p, from, b->direct, at, scratch);

	if (err == E_IO)
		err = load_piece(b, p, from, 0, at, scratch);
	if (!err)
		return 0;
	return err_at(err, "%s: offset %llu: tensor \"%s\"", file_of(b, p),
		      (unsigned long long)from->offset, p->name);
}

int base_pages_bring(struct base_pages *b, struct held_page *p)
{
	size_t bytes = size_max(b->packed, b->raw);
	void *scratch = NULL;
	int err;

	if (base_pages_from_agent(b, p)) {
		p->here = 1;
		return 0;
	}
	if (bytes)
		scratch = aligned_alloc(SPACE_PAGE, bytes);
	if (bytes && !scratch)
		return err_set(E_NOMEM, "out of memory");
	err = space_take(p->space.at, p->space.bytes);
	for (size_t i = 0; !err && i < p->nplace; i++)
		err = base_pages_load(b, (size_t)(p - b->page), i,
				      p->space.at, scratch);
	free(scratch);
	p->here = !err;
	return err;
}
