/*
 * agent_pages - pages on their way
 *
 *    file --LOAD--> addresses of its own --PLACE--> arena --SAVE--> device
 *                                                   arena <--FETCH-- device
 *
 * Room is made when a page is asked for, and taken when its bytes have come:
 * meanwhile what has to leave is copied to the device.
 */
#include "formats/agent_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "pager/space.h"

enum job_kind { JOB_LOAD, JOB_PLACE, JOB_FETCH, JOB_SAVE };

/* Of a page, on libuv's pool. */
struct job {
	uv_work_t work;
	enum job_kind kind;
	struct agent *agent;
	struct agent_space *space;
	size_t page, piece;
	uint64_t digest;        /* of what was saved */
	int err;
	char message[200];
};

static const struct pager_page *place_of(const struct job *j)
{
	return &j->space->owner->page[j->page];
}

static struct agent_page *page_of(const struct job *j)
{
	return &j->space->page[j->page];
}

static size_t blocks_of(const struct agent_space *s, size_t page)
{
	return agent_blocks(s->owner->page[page].bytes);
}

/* ---- on a thread ---- */

static int load(struct job *j)
{
	const struct pager_page *from = place_of(j);
	const struct pager_backing *b = from->backing;
	void *scratch = NULL;
	int err;

	if (b->scratch)
		scratch = aligned_alloc(SPACE_PAGE,
					size_align(b->scratch, SPACE_PAGE));
	if (b->scratch && !scratch)
		return err_set(E_NOMEM, "out of memory");
	err = b->load(b->ctx, from->id, j->piece, from->at, scratch);
	free(scratch);
	return err;
}

static int place(struct job *j)
{
	const struct agent *a = j->agent;
	const struct pager_page *from = place_of(j);
	const struct agent_page *to = page_of(j);

	for (size_t at = 0, i = 0; at < from->bytes; at += AGENT_BLOCK, i++)
		memcpy(a->arena.at + (size_t)to->block[i] * AGENT_BLOCK,
		       (const unsigned char *)from->at + at,
		       size_min(AGENT_BLOCK, from->bytes - at));
	return 0;
}

static int fetch(struct job *j)
{
	return agent_fetch(j->agent, j->space, j->page);
}

static int save(struct job *j)
{
	return agent_save(j->agent, j->space, j->page, &j->digest);
}

static void run(uv_work_t *work)
{
	static int (*const how[])(struct job *) = {
		[JOB_LOAD] = load, [JOB_PLACE] = place,
		[JOB_FETCH] = fetch, [JOB_SAVE] = save,
	};
	struct job *j = work->data;

	j->err = how[j->kind](j);
	if (j->err)
		snprintf(j->message, sizeof(j->message), "%s", err_text());
}

/* ---- on the loop's ---- */

static void loaded(struct job *j);
static void placed(struct job *j);
static void fetched(struct job *j);
static void saved(struct job *j);

static void ended(uv_work_t *work, int status)
{
	static void (*const how[])(struct job *) = {
		[JOB_LOAD] = loaded, [JOB_PLACE] = placed,
		[JOB_FETCH] = fetched, [JOB_SAVE] = saved,
	};
	struct job *j = work->data;

	(void)status; /* nobody cancels */
	how[j->kind](j);
	free(j);
}

static int start(struct agent *a, struct agent_space *s, size_t page,
		 enum job_kind kind, size_t piece)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return err_set(E_NOMEM, "out of memory");
	*j = (struct job){ .agent = a, .space = s, .page = page, .kind = kind,
			   .piece = piece };
	j->work.data = j;
	if (uv_queue_work(&a->loop, &j->work, run, ended)) {
		free(j);
		return err_set(E_UNAVAIL, "no thread");
	}
	return 0;
}

static void note_error(struct agent_page *p, int err, const char *message)
{
	if (p->err)
		return;
	p->err = err;
	snprintf(p->message, sizeof(p->message), "%s", message);
}

/* ---- room ---- */

static void free_blocks(struct agent *a, struct agent_space *s, size_t page)
{
	for (size_t i = 0; i < blocks_of(s, page); i++)
		a->arena.free[a->arena.nfree++] = s->page[page].block[i];
	s->page[page].state = AGENT_AWAY;
}

static int starts_leaving(struct agent *a, struct agent_space *s, size_t page)
{
	struct agent_page *p = &s->page[page];

	if (p->kept || !agent_keep(a, s, page))
		return 0;
	if (start(a, s, page, JOB_SAVE, 0)) {
		agent_forget(p);
		return 0;
	}
	p->state = AGENT_LEAVING;
	a->arena.leaving += blocks_of(s, page);
	return 1;
}

/* The unpinned page that is needed last; of several, that nobody had for the
 * longest time. */
static int evict(struct agent *a)
{
	struct agent_space *from = NULL;
	uint64_t latest = 0;
	size_t best = 0;

	for (struct agent_space *s = a->space; s; s = s->after)
		for (size_t i = 0; i < s->owner->n; i++) {
			const struct agent_page *p = &s->page[i];
			uint64_t wait;

			if (p->state != AGENT_HERE || p->pins)
				continue;
			wait = agent_wait_for(a, s, i);
			if (from && (wait < latest || (wait == latest &&
			    p->put > from->page[best].put)))
				continue;
			latest = wait;
			from = s;
			best = i;
		}
	if (!from)
		return err_set(E_NOMEM, "all of the arena is in use");
	if (!starts_leaving(a, from, best))
		free_blocks(a, from, best);
	a->evictions++;
	return 0;
}

static int make_room(struct agent *a, size_t blocks)
{
	struct agent_arena *m = &a->arena;

	while (m->nfree + m->leaving < m->promised + blocks)
		TRY(evict(a));
	m->promised += blocks;
	return 0;
}

/* ---- coming in ---- */

/* Takes the blocks for a page whose bytes wait for them, if there are enough
 * by now. */
static int begin_placing(struct agent *a, struct agent_space *s, size_t page)
{
	struct agent_page *p = &s->page[page];
	size_t n = blocks_of(s, page);
	int err;

	if (a->arena.nfree < n)
		return 0;
	for (size_t i = 0; i < n; i++)
		p->block[i] = a->arena.free[--a->arena.nfree];
	a->arena.promised -= n;
	p->state = AGENT_PLACING;
	err = start(a, s, page, p->kept ? JOB_FETCH : JOB_PLACE, 0);
	if (err) {
		note_error(p, err, err_text());
		free_blocks(a, s, page);
	}
	return err;
}

/* Gives back what a page from a file came through, and answers. */
static void came(struct agent *a, struct agent_space *s, size_t page)
{
	const struct pager_page *from = &s->owner->page[page];
	struct agent_page *p = &s->page[page];

	if (space_drop(from->at, from->bytes))
		note_error(p, E_BUG, err_text());
	agent_loaded(a, s, page);
}

static void loaded(struct job *j)
{
	struct agent *a = j->agent;
	struct agent_page *p = page_of(j);

	if (j->err)
		note_error(p, j->err, j->message);
	if (--p->pieces)
		return;
	if (p->err) {
		a->arena.promised -= blocks_of(j->space, j->page);
		p->state = AGENT_AWAY;
	} else {
		(void)begin_placing(a, j->space, j->page);
	}
	if (p->err)
		came(a, j->space, j->page);
}

static void placed(struct job *j)
{
	page_of(j)->state = AGENT_HERE;
	came(j->agent, j->space, j->page);
}

/* From the file; room is promised. */
static int begin_loading(struct agent *a, struct agent_space *s, size_t page)
{
	const struct pager_page *from = &s->owner->page[page];
	struct agent_page *p = &s->page[page];
	int err = space_take(from->at, from->bytes);

	for (size_t i = 0; !err && i < from->npiece; i++) {
		err = start(a, s, page, JOB_LOAD, i);
		p->pieces += !err;
	}
	p->state = p->pieces ? AGENT_LOADING : AGENT_AWAY;
	if (p->pieces) {
		a->loads++;
		if (err)
			note_error(p, err, err_text());
		return 0;
	}
	a->arena.promised -= blocks_of(s, page);
	if (space_drop(from->at, from->bytes))
		err = E_BUG;
	return err;
}

/* ---- the device ---- */

/* What does not come back from there comes from the file. */
static void fetched(struct job *j)
{
	struct agent *a = j->agent;
	struct agent_space *s = j->space;
	struct agent_page *p = page_of(j);
	int err;

	if (!j->err) {
		p->state = AGENT_HERE;
		a->fetches++;
		agent_loaded(a, s, j->page);
		return;
	}
	agent_forget(p);
	free_blocks(a, s, j->page);
	a->arena.promised += blocks_of(s, j->page);
	err = begin_loading(a, s, j->page);
	if (!err)
		return;
	note_error(p, err, err_text());
	agent_loaded(a, s, j->page);
}

/* Pages for which there was no room yet. */
static void place_waiting(struct agent *a)
{
	for (struct agent_space *s = a->space; s; s = s->after)
		for (size_t i = 0; i < s->owner->n; i++)
			if (s->page[i].state == AGENT_LOADING &&
			    !s->page[i].pieces && begin_placing(a, s, i))
				came(a, s, i);
}

static void saved(struct job *j)
{
	struct agent *a = j->agent;
	struct agent_page *p = page_of(j);
	int here, err;

	p->digest = j->digest;
	a->saves += !j->err;
	if (j->err)
		agent_forget(p);
	a->arena.leaving -= blocks_of(j->space, j->page);
	free_blocks(a, j->space, j->page);
	place_waiting(a);
	if (!agent_is_wanted(a, j->space, j->page))
		return;
	err = agent_load(a, j->space, j->page, &here);
	if (!err)
		return;
	note_error(p, err, err_text());
	agent_loaded(a, j->space, j->page);
}

int agent_load(struct agent *a, struct agent_space *s, size_t page, int *here)
{
	struct agent_page *p = &s->page[page];
	int err;

	*here = p->state == AGENT_HERE;
	a->hits += *here;
	if (p->state != AGENT_AWAY)
		return 0;
	p->err = 0;
	p->pieces = 0;
	p->state = AGENT_LOADING; /* so that its copy is not let go */
	err = make_room(a, blocks_of(s, page));
	if (err) {
		p->state = AGENT_AWAY;
		return err;
	}
	return p->kept ? begin_placing(a, s, page) :
			 begin_loading(a, s, page);
}
