/*
 * tier - pages on a device, fed from the pages of the host
 *
 * The device's memory is a tier above the host's: the schedule of
 * pager/pages.h, with the device's budget, over the plan that the caller
 * declares; what it loads and stores is the host pager's plan (pager/moves.h).
 * So both evict what is used furthest in the future, both fetch ahead, and
 * neither exceeds its budget. A page is in the host's memory, and stays there,
 * while it is copied; not longer, for the device's sake. A page that was
 * changed on the device is written back when it is evicted.
 *
 *    step's pages on the device        tier_begin() ... tier_end()
 *      | copies, by a thread           PAGE_READ: up, PAGE_NEW: down
 *    pages in the host's memory        pager_begin() ... pager_end()
 *      | the pager's thread and pool
 *    file, spill
 *
 * A device that is lost, or has less memory than it promised, is given up: the
 * plan goes on in the host's memory, with the same bytes, and tier_warning()
 * says why. E_UNAVAIL if it cannot, since a step does not fit there or changed
 * pages were lost.
 *
 * One thread may call the functions below. It makes no call of the host's
 * pager from tier_new() to tier_free(), nor any of the device.
 */
#ifndef PAGER_TIER_H
#define PAGER_TIER_H

#include "device/device.h"
#include "pager/pager.h"

struct tier;

struct tier_options {
	struct device *device;          /* borrowed; NULL: the host alone */
	struct pager *host;             /* borrowed */
	const struct pager_page *pages; /* the host's (n); copied */
	size_t n;
	size_t capacity;                /* the host's, bytes */
};

/* E_NOMEM. */
int tier_new(struct tier **t, const struct tier_options *options) MUST_CHECK;

/* What was changed on the device and not written back is gone: declare a plan
 * that reads it, to have it. NULL is fine. */
void tier_free(struct tier *t);

/* As pager_plan(), between steps. What is changed on the device is written
 * back, and the device begins empty. E_NOMEM: the host cannot hold a page; or,
 * with no device, a step. */
int tier_plan(struct tier *t, const struct page_plan *plan) MUST_CHECK;

/* The plan's next step: its pages are on the device, pinned for what the plan
 * says, until tier_end(). E_IO: a copy failed twice; E_UNAVAIL: see above; and
 * the host pager's errors. After an error there is no next step. */
int tier_begin(struct tier *t) MUST_CHECK;
void tier_end(struct tier *t);

/* Where a page of the open step is: on the device, or on the host if
 * tier_device() is NULL. */
void *tier_at(const struct tier *t, size_t page);
struct device *tier_device(const struct tier *t);

/* Why the device was given up: once, then NULL. Valid until tier_free(). */
const char *tier_warning(struct tier *t);

struct tier_stats {
	uint64_t loads, stores;         /* pages copied up, down */
	uint64_t steps;
	double stalled;                 /* seconds in tier_begin() */
};

void tier_statistics(struct tier *t, struct tier_stats *s);

#endif
