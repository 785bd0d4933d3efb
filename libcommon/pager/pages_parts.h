/* pages_parts - what pages are made of; for pages*.c only */
#ifndef PAGER_PAGES_PARTS_H
#define PAGER_PAGES_PARTS_H

#include "pager/pages.h"

enum state { ABSENT, LOADING, HERE, STORING, STORED };

#define NEVER UINT64_MAX
#define NO_PAGE SIZE_MAX

struct page {
	size_t bytes;
	enum state state;
	int dirty;              /* differs from what is stored */
	int err;
	int drop;               /* give its memory back at once */
	size_t first, nuse;     /* its uses in `at` */
};

/* A use in the plan, from the page's side. */
struct at {
	size_t step;
	unsigned how;
};

/* A page in a play. */
struct played {
	int in;                 /* in memory */
	int changed;            /* differs from what is stored */
	unsigned how;           /* it is used next */
	uint64_t next;          /* step of its next use, or NEVER */
	uint64_t last;          /* step that used it last, plus one; 0: none */
};

/* The plan, as if each move were made at once. */
struct play {
	struct played *page;    /* (npage) */
	uint64_t step;
	size_t next;            /* the step's use to look at */
	size_t want;            /* page to bring in, or NO_PAGE */
	unsigned want_how;
	size_t in_use;          /* bytes */
	uint64_t read, written; /* bytes, so far */

	/* Of the pages in memory so many are not used again. A bit for each
	 * step of the plan: a page, and one that needs no store, may be in
	 * memory whose next use that is. */
	size_t never;
	uint64_t *may[2];

	/* Before step `until`, pages that need no store and whose next use is
	 * not before `later` make room first. */
	uint64_t until, later;
};

struct pages {
	struct page *page;
	size_t npage, capacity;
	size_t used;                    /* bytes taken */

	struct page_use *use;
	size_t *start;
	struct at *at;
	size_t nstep;
	int repeat, paused, open;

	uint64_t before;                /* steps of plans before this one */
	uint64_t done;
	struct play ahead;              /* what is handed out */
	struct play trial[2];
	size_t out;                     /* page to give up, or NO_PAGE */
	int out_store;                  /* its bytes are to be kept */
	int tried;                      /* for what is wanted */
	uint64_t none_early[3];         /* when no page could go early: of the
					 * play step and use; done + 1 */
	int64_t trials;                 /* steps that trials may still play, */
	uint64_t trial_pass;            /* in this pass of the play */
	size_t moving;                  /* loads and stores under way */
	size_t failed;                  /* the first page to, or NO_PAGE */
	uint64_t loads;
};

static inline struct play *play_of(struct pages *s, size_t i)
{
	return i < 2 ? &s->trial[i] : &s->ahead;
}

/* ---- pages_plan.c ---- */

/* Copies the plan. E_NOMEM: the one before holds on. */
int pages_take_plan(struct pages *s, const struct page_plan *p) MUST_CHECK;

/* ---- pages_ahead.c: a play ---- */

/* 1: out of memory. A zeroed play, or half a one, can be released. */
int play_init(struct play *p, size_t npage);
int play_room(struct play *p, size_t nstep); /* for a plan of so many */
void play_release(struct play *p);

/* From the plan's step 0 on; its pages' in and changed are set. */
void play_begin(const struct pages *s, struct play *p);

/* To the next page before step `until` that is to be brought in, p->want; 0:
 * there is none. */
int play_find_want(const struct pages *s, struct play *p, uint64_t until);

/* Must a page make room for it? */
int play_is_full(const struct pages *s, const struct play *p);

void play_put_out(const struct pages *s, struct play *p, size_t page,
		  int store);
void play_bring_in(const struct pages *s, struct play *p);

/* ---- pages_victim.c ---- */

/* The page that makes room: that whose next use is furthest away; *store: its
 * bytes are to be kept. */
size_t play_victim(const struct pages *s, struct play *p, int *store);

/* A page has come, been used (sign 1), or is about to go or to be used (-1). */
void play_count(const struct pages *s, struct play *p, size_t page, int sign);

/* Of play.may[]: 64 steps a word. */
static inline size_t play_may_bytes(size_t nstep)
{
	return (nstep / 64 + 1) * sizeof(uint64_t);
}

/* ---- pages_trial.c ---- */

enum { TRIALS = 1 << 18 };

/* Page `out` is to make room in s->ahead, and would be stored: sets its until
 * and later if pages that are clean do better. */
void pages_try(struct pages *s, size_t out);

/* Where the next page to make room in s->ahead need not wait for that: it is
 * clean, and no step before uses it; else NO_PAGE. */
size_t pages_goes_early(struct pages *s);

#endif
