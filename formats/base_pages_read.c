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

static int read_at(const struct base_pages *b, const struct held_page *p,
		   const struct place *from, void *to, void *scratch,
		   const void **got)
{
	const struct file *f = &b->file[p->file];
	int direct = b->direct && f->direct >= 0;
	int fd = direct ? f->direct : f->fd;
	uint64_t unit = SPACE_PAGE, at = from->offset, n = from->stored;
	char *dst = from->packed || direct ? scratch : to;
	size_t skip = 0, have = 0;

	if (direct) {
		skip = (size_t)(at % unit);
		at -= skip;
		n = size_align((size_t)n + skip, unit);
	}
	*got = dst + skip;
	while (have < from->stored + skip) {
		ssize_t k = pread(fd, dst + have, (size_t)n - have,
				  (off_t)(at + have));
		int refused = k < 0 && errno == EINVAL && fd != f->fd;

		/* Past the page cache not every file system reads, and none
		 * goes on from the middle of a block. */
		if (refused)
			fd = f->fd;
		if (refused || (k < 0 && errno == EINTR))
			continue;
		if (k < 0)
			return err_errno(E_IO, "it cannot be read");
		if (!k)
			return err_set(E_DATA, "truncated");
		have += (size_t)k;
	}
	return 0;
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
		      const struct place *from, unsigned char *page,
		      void *scratch)
{
	unsigned char *to = page + from->at;
	const void *stored;

	if (p->file < 0) {
		TRY(spill_read(&b->spill, from->offset, to, from->n));
		return check_piece(p, from, page);
	}
	TRY(read_at(b, p, from, to, scratch, &stored));
	if (from->packed)
		TRY(unpack(from, to, stored));
	else if (stored != to)
		memcpy(to, stored, from->n);
	return check_piece(p, from, page);
}

/* pager_backing's. A disk may have a bad moment, so a read that fails is tried
 * once more. */
int base_pages_load(void *ctx, size_t id, size_t i, void *at, void *scratch)
{
	const struct base_pages *b = ctx;
	const struct held_page *p = &b->page[id];
	const struct place *from = &b->place[p->first + i];
	int err = load_piece(b, p, from, at, scratch);

	if (err == E_IO)
		err = load_piece(b, p, from, at, scratch);
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
