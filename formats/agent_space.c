/* agent_space - bases, and the way of their pages into the arena */
#include "formats/agent_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/size.h"
#include "formats/base_pages.h"
#include "pager/space.h"

void agent_space_free(struct agent_space *s)
{
	if (!s)
		return;
	for (size_t i = 0; s->page && i < s->owner->n; i++)
		free(s->page[i].block);
	collection_release(&s->base);
	free(s->page);
	free(s);
}

/* ---- opening ---- */

struct opening {
	uv_work_t work;
	struct agent_client *client;
	struct agent_space *space;
	int file, err;
	char message[200];
};

static int make_pages(struct agent_space *s)
{
	s->owner = s->base.base.tensors.pages;
	if (!s->base.base.present || !s->owner || !s->owner->n)
		return err_set(E_DATA, "no base with matrices");
	s->page = calloc(s->owner->n, sizeof(*s->page));
	if (!s->page)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < s->owner->n; i++) {
		size_t n = agent_blocks(s->owner->page[i].bytes);

		s->page[i].block = calloc(n, sizeof(uint32_t));
		if (!s->page[i].block)
			return err_set(E_NOMEM, "out of memory");
	}
	return 0;
}

/* Pages that are in no file would be the agent's own memory. */
static void open_file(uv_work_t *work)
{
	struct opening *o = work->data;
	char path[64];
	char *const paths[] = { path, NULL };

	snprintf(path, sizeof(path), "/proc/self/fd/%d", o->file);
	o->err = collect_paged(&o->space->base, paths, 1);
	if (!o->err && !base_pages_in_files(o->space->base.base.pages))
		o->err = err_set(E_DATA, "not a tensor stream in a file");
	if (!o->err)
		o->err = make_pages(o->space);
	if (o->err)
		snprintf(o->message, sizeof(o->message), "%s", err_text());
}

static struct agent_space *find(const struct agent *a, dev_t device,
				ino_t inode, off_t size,
				const struct timespec *changed)
{
	struct agent_space *s = a->space;

	while (s && (s->device != device || s->inode != inode ||
		     s->size != size || s->changed.tv_sec != changed->tv_sec ||
		     s->changed.tv_nsec != changed->tv_nsec))
		s = s->after;
	return s;
}

/* Another client may have opened the same file meanwhile: then theirs is it. */
static void add_space(struct agent *a, struct agent_space **new)
{
	struct agent_space *s = *new;
	struct agent_space *there = find(a, s->device, s->inode, s->size,
					 &s->changed);

	if (there) {
		agent_space_free(s);
		*new = there;
		return;
	}
	s->after = a->space;
	a->space = s;
}

static void file_opened(uv_work_t *work, int status)
{
	struct opening *o = work->data;
	struct agent *a = o->client->agent;

	(void)status;
	close(o->file);
	if (o->err) {
		agent_space_free(o->space);
		o->space = NULL;
		err_set(o->err, "%s", o->message);
	} else {
		add_space(a, &o->space);
	}
	agent_opened(o->client, o->space, o->err);
	free(o);
}

static int start_opening(struct agent_client *c, int file,
			 const struct stat *st)
{
	struct opening *o = calloc(1, sizeof(*o));
	struct agent_space *s = calloc(1, sizeof(*s));

	if (!o || !s) {
		free(o);
		free(s);
		return err_set(E_NOMEM, "out of memory");
	}
	*s = (struct agent_space){ .device = st->st_dev, .inode = st->st_ino,
				   .size = st->st_size,
				   .changed = st->st_ctim };
	*o = (struct opening){ .client = c, .space = s, .file = file };
	o->work.data = o;
	if (uv_queue_work(&c->agent->loop, &o->work, open_file,
			  file_opened)) {
		free(o);
		free(s);
		return err_set(E_UNAVAIL, "no thread");
	}
	c->wait.opening = 1;
	return 0;
}

int agent_open(struct agent_client *c, int file)
{
	struct agent_space *s;
	struct stat st;
	int err;

	if (file < 0 || fstat(file, &st) || !S_ISREG(st.st_mode))
		err = err_set(E_DATA, "open: no file");
	else if (c->nspace == AGENT_SPACES)
		err = err_set(E_DATA, "open: %d bases are open", AGENT_SPACES);
	else if ((s = find(c->agent, st.st_dev, st.st_ino, st.st_size,
			   &st.st_ctim)))
		agent_opened(c, s, err = 0);
	else if (!(err = start_opening(c, file, &st)))
		return 0;
	if (file >= 0)
		close(file);
	return err;
}

/* ---- loading ---- */

/* A piece of a page on its way into the page's own addresses; the one after the
 * last is the copy of all to the arena. */
struct piece {
	uv_work_t work;
	struct agent *agent;
	struct agent_space *space;
	size_t page, piece;
	int err;
	char message[200];
};

static void copy_page(uv_work_t *work)
{
	const struct piece *p = work->data;
	const struct agent *a = p->agent;
	const struct pager_page *from = &p->space->owner->page[p->page];
	const struct agent_page *to = &p->space->page[p->page];


	for (size_t at = 0, i = 0; at < from->bytes; at += AGENT_BLOCK, i++)
		memcpy(a->arena.at + (size_t)to->block[i] * AGENT_BLOCK,
		       (const unsigned char *)from->at + at,
		       size_min(AGENT_BLOCK, from->bytes - at));
}

static void load_piece(uv_work_t *work)
{
	struct piece *p = work->data;
	const struct pager_page *from = &p->space->owner->page[p->page];
	const struct pager_backing *b = from->backing;
	void *scratch = NULL;

	if (b->scratch)
		scratch = aligned_alloc(SPACE_PAGE,
					size_align(b->scratch, SPACE_PAGE));
	if (b->scratch && !scratch)
		p->err = err_set(E_NOMEM, "out of memory");
	else
		p->err = b->load(b->ctx, from->id, p->piece, from->at,
				 scratch);
	if (p->err)
		snprintf(p->message, sizeof(p->message), "%s", err_text());
	free(scratch);
}

static void free_blocks(struct agent *a, struct agent_space *s, size_t page)
{
	size_t n = agent_blocks(s->owner->page[page].bytes);

	for (size_t i = 0; i < n; i++)
		a->arena.free[a->arena.nfree++] = s->page[page].block[i];
	s->page[page].state = AGENT_AWAY;
}

static void page_came(struct agent *a, struct agent_space *s, size_t page)
{
	const struct pager_page *from = &s->owner->page[page];
	struct agent_page *p = &s->page[page];

	if (space_drop(from->at, from->bytes) && !p->err)
		p->err = E_BUG;
	if (p->err)
		free_blocks(a, s, page);
	else
		p->state = AGENT_HERE;
	agent_loaded(a, s, page);
}

static void note_error(struct agent_page *p, int err, const char *message)
{
	if (p->err)
		return;
	p->err = err;
	snprintf(p->message, sizeof(p->message), "%s", message);
}

static int start_piece(struct agent *a, struct agent_space *s, size_t page,
		       size_t i);

static void piece_came(uv_work_t *work, int status)
{
	struct piece p = *(struct piece *)work->data;
	struct agent_page *page = &p.space->page[p.page];
	size_t n = p.space->owner->page[p.page].npiece;

	(void)status;
	free(work->data);
	if (p.err)
		note_error(page, p.err, p.message);
	if (--page->pieces)
		return;
	if (p.piece < n && !page->err &&
	    start_piece(p.agent, p.space, p.page, n))
		note_error(page, E_UNAVAIL, err_text());
	if (p.piece == n || page->err)
		page_came(p.agent, p.space, p.page);
}

static int start_piece(struct agent *a, struct agent_space *s, size_t page,
		       size_t i)
{
	int copy = i == s->owner->page[page].npiece;
	struct piece *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(E_NOMEM, "out of memory");
	*p = (struct piece){ .agent = a, .space = s, .page = page, .piece = i };
	p->work.data = p;
	if (uv_queue_work(&a->loop, &p->work, copy ? copy_page : load_piece,
			  piece_came)) {
		free(p);
		return err_set(E_UNAVAIL, "no thread");
	}
	s->page[page].pieces++;
	return 0;
}

/* The unpinned page that is needed last. */
static int evict(struct agent *a)
{
	struct agent_space *from = NULL;
	size_t best = 0;

	for (struct agent_space *s = a->space; s; s = s->after)
		for (size_t i = 0; i < s->owner->n; i++) {
			const struct agent_page *p = &s->page[i];
			const struct agent_page *b =
				from ? &from->page[best] : NULL;

			if (p->state != AGENT_HERE || p->pins ||
			    (b && (p->next < b->next ||
				   (p->next == b->next && p->put > b->put))))
				continue;
			from = s;
			best = i;
		}
	if (!from)
		return err_set(E_NOMEM, "all of the arena is in use");
	free_blocks(a, from, best);
	a->evictions++;
	return 0;
}

int agent_load(struct agent *a, struct agent_space *s, size_t page, int *here)
{
	const struct pager_page *from = &s->owner->page[page];
	struct agent_page *p = &s->page[page];
	size_t n = agent_blocks(from->bytes);

	*here = p->state == AGENT_HERE;
	a->hits += *here;
	if (p->state != AGENT_AWAY)
		return 0;
	while (a->arena.nfree < n)
		TRY(evict(a));
	TRY(space_take(from->at, from->bytes));
	for (size_t i = 0; i < n; i++)
		p->block[i] = a->arena.free[--a->arena.nfree];
	p->state = AGENT_LOADING;
	p->err = 0;
	p->pieces = 0;
	a->loads++;
	for (size_t i = 0; i < from->npiece; i++) {
		int err = start_piece(a, s, page, i);

		if (!err)
			continue;
		note_error(p, err, err_text());
		if (i)
			return 0; /* the pieces under way will tell */
		free_blocks(a, s, page);
		TRY(space_drop(from->at, from->bytes));
		return err;
	}
	return 0;
}
