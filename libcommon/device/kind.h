/*
 * kind - what a kind of device is made of: for device_*.c alone
 *
 * A kind is asked only for what device.h allows; bounds, budget and conflicts
 * are settled before. It keeps what is its own in device.own. All functions
 * are called without the lock.
 */
#ifndef DEVICE_KIND_H
#define DEVICE_KIND_H

#include <pthread.h>

#include "device/device.h"

enum device_dir { H2D, D2H, DEVICE_DIRS };

struct device_kind {
	const char *name;
	int host_access;        /* under a pin */

	/* E_UNAVAIL, E_NOMEM. After a failure close is called. */
	int (*open)(struct device *d, const struct device_options *options);

	/* No region is left and no copy. own may be NULL, or half made. */
	void (*close)(struct device *d);

	/* Sets r->at for r->bytes. E_NOMEM, E_UNAVAIL. */
	int (*alloc)(struct device *d, struct device_region *r);
	void (*free)(struct device *d, struct device_region *r);

	/* Begins or queues a copy, which ends in one call of
	 * device_copied(). Cannot fail. */
	void (*copy)(struct device *d, struct device_copy *c);

	/* Ends the copies that nobody else would. NULL: there are none. */
	void (*drain)(struct device *d);

	/* A pin has been counted, or taken back (readers and writers say how
	 * many there are). NULL: nothing to do. E_UNAVAIL. */
	int (*pin)(struct device *d, struct device_region *r);
	void (*unpin)(struct device *d, struct device_region *r);
};

struct device {
	const struct device_kind *kind;
	void *own;
	pthread_mutex_t lock;   /* of all that follows, of the regions, and of
				 * the kind's queues */
	pthread_cond_t ended;   /* a copy has, and its done has returned */
	struct device_stat stat;
	struct device_region *first;
	int lost;
	char why[256];
};

struct device_region {
	struct device *device;
	char *at;
	size_t bytes;           /* a multiple of DEVICE_ALIGN */
	size_t readers, writers;        /* pins */
	size_t copies[DEVICE_DIRS];
	size_t moving;          /* the kind's: copies that touch it just now */
	struct device_region *prev, *next;
};

static inline void device_lock(struct device *d)
{
	pthread_mutex_lock(&d->lock);
}

static inline void device_unlock(struct device *d)
{
	pthread_mutex_unlock(&d->lock);
}

/* Unlocks, and gives err back. */
static inline int device_leave(struct device *d, int err)
{
	device_unlock(d);
	return err;
}

/* ---- what the front's own files share ---- */

/* E_BUG, and what was wrong. */
int device_misuse(const struct device *d, const char *what);

/* E_BUG from inside a done function. */
int device_may_call(const struct device *d) MUST_CHECK;

/* Under the lock: E_UNAVAIL if the device is lost; is it pinned? */
int device_is_there(const struct device *d) MUST_CHECK;
int device_is_pinned(const struct device_region *r);

/* ---- what kinds call ---- */

/* Ends a copy: counts it and calls done. Without the lock, from any thread.
 * E_UNAVAIL as err: the device is lost, if it was not before. */
void device_copied(struct device_copy *c, int err);

/* The device is lost: keeps the calling thread's message if it is the first.
 * Without the lock. Returns E_UNAVAIL. */
int device_lost(struct device *d);

/* First in, first out; under the lock. All zero is an empty one. */
struct device_queue {
	struct device_copy *first, *last;
};

void device_push(struct device_queue *q, struct device_copy *c);
struct device_copy *device_pop(struct device_queue *q); /* or NULL */

extern const struct device_kind
	device_cuda,
	device_emu,
	device_host,
	device_managed;

#endif
