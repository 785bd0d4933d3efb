#define _GNU_SOURCE /* O_DIRECT */
#include "formats/base_pages_parts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/os.h"
#include "base/size.h"
#include "formats/st_record.h"

enum {
	LEAST = SPACE_PAGE,     /* bytes of a tensor that is worth a page */
	PIECE = 4 << 20,        /* of a page in the spill file */
};

static int no_memory(void)
{
	return err_set(E_NOMEM, "out of memory");
}

int base_pages_new(struct base_pages **to, uint64_t budget)
{
	struct base_pages *b = calloc(1, sizeof(*b));

	*to = b;
	if (!b)
		return no_memory();
	b->budget = budget ? budget : os_memory_free();
	b->spill.fd = -1;
	return 0;
}

void base_pages_free(struct base_pages *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->npage; i++) {
		space_release(&b->page[i].space);
		free(b->page[i].name);
	}
	for (size_t i = 0; i < b->nfile; i++) {
		close(b->file[i].fd);
		if (b->file[i].direct >= 0)
			close(b->file[i].direct);
		free(b->file[i].name);
	}
	base_pages_unshare(b);
	spill_close(&b->spill);
	free(b->page);
	free(b->out);
	free(b->place);
	free(b->file);
	free(b);
}

int base_pages_wants(const struct tensor *t)
{
	return (t->role == ROLE_LINEAR || t->role == ROLE_HEAD ||
		t->role == ROLE_EMBED) && tensor_bytes(t) >= LEAST;
}

uint64_t base_pages_bytes(const struct base_pages *b)
{
	return b->bytes;
}

/* ---- pages ---- */

static int add_place(struct base_pages *b, struct place p)
{
	if (b->nplace == b->place_room) {
		size_t room = 2 * b->place_room + 64;
		struct place *more = realloc(b->place, room * sizeof(*more));

		if (!more)
			return no_memory();
		b->place = more;
		b->place_room = room;
	}
	b->place[b->nplace++] = p;
	b->page[b->npage - 1].nplace++;
	return 0;
}

static int add_chunk(void *ctx, const struct source_place *s)
{
	struct base_pages *b = ctx;
	const struct held_page *p = &b->page[b->npage - 1];
	struct place place = {
		p->part_at[s->part] + s->at, s->n, s->hash, s->offset,
		s->stored, s->packed, s->planes, (int)s->part,
	};
	size_t *most = s->packed ? &b->packed : &b->raw;
	size_t n = base_pages_in_place(&place) ? 0 : s->stored;

	*most = size_max(*most, size_align(n, SPACE_PAGE) + 2 * SPACE_PAGE);
	return add_place(b, place);
}

/* The parts' places in the page, aligned as products like them; large ones as
 * streams have them (st(5)), so that a disk can read them to there. */
static int lay_out(struct held_page *p, const struct tensor *t, size_t *bytes)
{
	size_t sum = *bytes = 0;

	for (int i = 0; i < t->npart; i++) {
		if (t->part[i].bytes >= ST_LARGE)
			sum = size_align(sum, SPACE_PAGE);
		p->part_at[i] = sum;
		p->part[i] = t->part[i];
		if (size_add(&sum, sum, t->part[i].bytes) ||
		    size_add(&sum, sum, SPACE_PAGE))
			return err_set(E_DATA, "%s: too large", t->name);
		sum = size_align(sum - SPACE_PAGE, 64);
	}
	*bytes = size_align(sum + 64, SPACE_PAGE);
	p->npart = (size_t)t->npart;
	return 0;
}

static int add_page(struct base_pages *b, const struct tensor *t)
{
	size_t room = b->npage == b->room ? 2 * b->room + 64 : b->room, bytes;
	struct held_page *page = realloc(b->page, room * sizeof(*page));
	struct pager_page *out;

	if (page)
		b->page = page;
	out = realloc(b->out, room * sizeof(*out));
	if (out)
		b->out = out;
	if (!page || !out)
		return no_memory();
	b->room = room;
	page = &b->page[b->npage];
	memset(page, 0, sizeof(*page));
	page->file = -1;
	page->first = b->nplace;
	TRY(lay_out(page, t, &bytes));
	page->name = strdup(t->name);
	if (!page->name)
		return no_memory();
	b->npage++;
	b->bytes += bytes;
	return space_init(&page->space, bytes);
}

int base_pages_in_files(const struct base_pages *b)
{
	for (size_t i = 0; i < b->npage; i++)
		if (b->page[i].file < 0)
			return 0;
	return 1;
}

/* ---- files ---- */

static int find_file(const struct base_pages *b, const struct stat *st)
{
	for (size_t i = 0; i < b->nfile; i++)
		if (b->file[i].device == st->st_dev &&
		    b->file[i].inode == st->st_ino)
			return (int)i;
	return -1;
}

static int add_file(struct base_pages *b, const char *name, int fd,
		    const struct stat *st)
{
	struct file *more = realloc(b->file, (b->nfile + 1) * sizeof(*more));
	char path[64];

	if (!more)
		return no_memory();
	b->file = more;
	more += b->nfile;
	*more = (struct file){ strdup(name), -1, -1, st->st_dev, st->st_ino };
	if (!more->name)
		return no_memory();
	more->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (more->fd < 0) {
		free(more->name);
		return err_errno(E_IO, "%s", name);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", more->fd);
	more->direct = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	b->nfile++;
	return 0;
}

static int take_places(struct base_pages *b, struct source *s, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_errno(E_IO, "%s", source_name(s));
	if (find_file(b, &st) < 0)
		TRY(add_file(b, source_name(s), fd, &st));
	b->page[b->npage - 1].file = find_file(b, &st);
	return source_places(s, add_chunk, b);
}

/* ---- what is in memory, and the spill file ---- */

static int drop(struct base_pages *b, struct held_page *p)
{
	p->here = 0;
	b->held -= size_min(b->held, p->space.bytes);
	if (b->backing.drop)
		return b->backing.drop(b, (size_t)(p - b->page), p->space.at,
				       p->space.bytes,
				       (struct page_time){ 0, UINT64_MAX });
	return space_drop(p->space.at, p->space.bytes);
}

static int spill_page(struct base_pages *b, size_t i)
{
	struct held_page *p = &b->page[i];
	const unsigned char *from = p->space.at;

	if (p->spooled)
		return drop(b, p);
	if (b->spill.fd < 0)
		TRY(spill_open(&b->spill));
	for (size_t k = 0; k < p->nplace; k++)
		b->place[p->first + k].offset += b->spilled;
	b->spilled += p->space.bytes;
	TRY(spill_reserve(&b->spill, b->spilled));
	for (size_t k = 0; k < p->nplace; k++) {
		const struct place *to = &b->place[p->first + k];

		TRY(spill_write(&b->spill, to->offset, from + to->at, to->n));
	}
	p->spooled = 1;
	return drop(b, p);
}

static int spill_all(struct base_pages *b)
{
	for (size_t i = 0; i < b->npage; i++)
		if (b->page[i].here && b->page[i].file < 0)
			TRY(spill_page(b, i));
	return 0;
}

/* A page that no file has; its bytes are t's own until here. */
static int take_bytes(struct base_pages *b, struct tensor *t)
{
	struct held_page *p = &b->page[b->npage - 1];

	TRY(space_take(p->space.at, p->space.bytes));
	p->here = 1;
	b->held += p->space.bytes;
	for (size_t i = 0; i < p->npart; i++) {
		memcpy(p->space.at + p->part_at[i], t->part[i].data,
		       t->part[i].bytes);
		free(t->part[i].data);
		t->part[i].data = NULL;
	}
	for (size_t at = 0; at < p->space.bytes; at += PIECE) {
		size_t n = size_min(PIECE, p->space.bytes - at);

		TRY(add_place(b, (struct place){
			at, n, digest_64(p->space.at + at, n), at, n, 0, 0, -1,
		}));
	}
	return 0;
}

/* The tensor lies in the page that was added last. */
static void point_into(struct base_pages *b, struct tensor *t)
{
	const struct held_page *p = &b->page[b->npage - 1];

	for (size_t i = 0; i < p->npart; i++)
		t->part[i].data = p->space.at + p->part_at[i];
	b->out[b->npage - 1] = (struct pager_page){
		p->space.at, p->space.bytes, &b->backing, b->npage - 1,
		p->nplace,
	};
	b->backing.ctx = b;
	b->backing.load = base_pages_load;
}

static int make_room(struct base_pages *b, const struct tensor *t)
{
	return b->budget && b->held + 2 * tensor_bytes(t) > b->budget ?
	       spill_all(b) : 0;
}

int base_pages_keep(struct base_pages *b, struct tensor *t)
{
	TRY(make_room(b, t));
	TRY(add_page(b, t));
	TRY(take_bytes(b, t));
	point_into(b, t);
	return 0;
}

int base_pages_take(struct base_pages *b, struct source *s, struct tensor *t)
{
	int fd = source_file(s);

	if (fd < 0) {
		TRY(make_room(b, t));
		TRY(source_load(s));
		TRY(add_page(b, t));
		TRY(take_bytes(b, t));
	} else {
		TRY(add_page(b, t));
		TRY(take_places(b, s, fd));
	}
	point_into(b, t);
	return 0;
}

static struct held_page *page_of(const struct base_pages *b,
				 const struct tensor *t)
{
	size_t i = t->npart && t->part[0].data ?
		   pager_page_of(b->out, b->npage, t->part[0].data) :
		   b->npage;

	return i < b->npage ? &b->page[i] : NULL;
}

void base_pages_forget(const struct base_pages *b, struct tensor *t)
{
	if (!page_of(b, t))
		return;
	for (int i = 0; i < t->npart; i++)
		t->part[i].data = NULL;
}

/* ---- all or one in memory ---- */

static void hold_task(void *ctx, size_t task, size_t lane)
{
	struct base_pages *b = ctx;
	struct held_page *p = &b->page[task];

	(void)lane;
	if (!p->here && base_pages_bring(b, p))
		p->here = 0; /* again below, for what is wrong */
}

static int hold(void *ctx, struct pool *pool)
{
	struct base_pages *b = ctx;

	pool_run(pool, b->npage, hold_task, b);
	for (size_t i = 0; i < b->npage; i++)
		if (!b->page[i].here)
			TRY(base_pages_bring(b, &b->page[i]));
	b->owner.here = b->bytes;
	return 0;
}

int base_pages_lend(void *ctx, const struct tensor *t, int back)
{
	struct base_pages *b = ctx;
	struct held_page *p = page_of(b, t);

	if (!p || (back ? !p->borrowed : p->here))
		return 0;
	p->borrowed = !back;
	return back ? drop(b, p) : base_pages_bring(b, p);
}

static int ready(void *ctx)
{
	struct base_pages *b = ctx;

	TRY(spill_all(b));
	for (size_t i = 0; i < b->npage; i++)
		if (b->page[i].here)
			TRY(drop(b, &b->page[i]));
	b->owner.here = 0;
	b->owner.paged = 1;
	return 0;
}

const struct page_owner *base_pages_owner(struct base_pages *b)
{
	if (!b)
		return NULL;
	/* What the page cache cannot hold, beside the pages in memory, only
	 * passes through it. */
	b->direct = b->bytes + size_min(b->bytes, b->budget) >
		    os_memory_free();
	b->backing.scratch = size_max(b->packed, b->direct ? b->raw : 0);
	b->owner = (struct page_owner){ b, b->out, b->npage, b->held, 0,
					hold, ready };
	return &b->owner;
}
