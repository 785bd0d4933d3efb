/* What the files of a tier share. */
#ifndef PAGER_TIER_PARTS_H
#define PAGER_TIER_PARTS_H

#include <pthread.h>

#include "pager/moves.h"
#include "pager/tier.h"

/* Pages of a step of the host's plan: copies under way at a time. */
enum { TIER_BATCH = 4 };

/* A page of the tier. */
struct tier_page {
	struct tier *tier;
	struct device_region *region;   /* or NULL: it is not there */
	void *at;                       /* while pinned */
	int changed;                    /* the host has an older one */
	int saved;                      /* the disk has this one */
	struct device_copy copy;
	int store, tries;               /* of the copy under way */
	int ended, err;
};

struct tier {
	struct tier_options options;    /* with pages of its own */
	size_t *bytes;                  /* (n) of the pages */
	struct device *device;          /* or NULL, once given up */
	struct page_use *use;           /* the plan */
	size_t *start;
	size_t nstep;
	int repeat;
	int open;                       /* a step is */
	int failed;                     /* the error that ended all */
	char why[900];

	/* The caller's thread and the copying one. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct pages *pages;            /* on the device */
	struct tier_page *page;         /* (n) */
	struct tier_stats stats;        /* steps: of this plan, and all */
	uint64_t done;                  /* steps of this plan */
	size_t flying;                  /* copies that have not ended */
	struct device_region **spare;   /* (n) of dropped pages, with */
	size_t *spare_bytes, nspare;    /* their sizes */
	int stop;
	int err, unfit;                 /* why the thread stopped; is the
					 * device to blame? */
	char message[900];
	char warning[900];
	int warned;

	/* The copying thread's. */
	struct moves moves;
	size_t taken;                   /* moves that are under way or done */
	size_t *host_start, host_steps; /* of the host's plan, in moves */
	uint64_t planned;               /* done, when it was declared */
	pthread_t thread;
	int running;
};

static inline void tier_lock(struct tier *t)
{
	pthread_mutex_lock(&t->lock);
}

static inline void tier_unlock(struct tier *t)
{
	pthread_mutex_unlock(&t->lock);
}

/* ---- tier_plan.c ---- */

/* The host's plan for the moves that are known. E_NOMEM. */
int tier_plan_host(struct tier *t) MUST_CHECK;

/* May the host have let go of the page's bytes, since it is to get new ones?
 * For the copying thread, or while there is none. */
int tier_is_void(const struct tier *t, size_t page);

/*
 * The pages of a step of the host's plan were for the device, and it may not
 * have them. The host counts on its plan: what is to come back with new bytes
 * is not stored when it leaves. The plan ends here, so they are stored now,
 * while they are in memory. And what was to come back in this step, and has
 * not, is now on the device alone.
 */
int tier_save(struct tier *t, const struct page_use *use,
	      size_t n) MUST_CHECK;

/* ---- tier_copy.c ---- */

/* The copying thread, from its plan on; and its end, with no copy under way:
 * what it failed of, if the device is not to blame. */
int tier_start(struct tier *t) MUST_CHECK;
int tier_stop(struct tier *t);

/* Writes a page back; it is in the host's memory. No thread runs. */
int tier_store(struct tier *t, size_t page) MUST_CHECK;

/* Gives all regions back; nothing is pinned or copied. */
void tier_clear(struct tier *t);

/* ---- tier_host.c ---- */

/* Writes back what was changed and is needed (all: of a plan that is over).
 * No thread runs. */
int tier_flush(struct tier *t, int all) MUST_CHECK;

/* Gives the device up, for the reason in err_text(), and goes on in the host's
 * memory at the step after `done`. */
int tier_to_host(struct tier *t) MUST_CHECK;

#endif
