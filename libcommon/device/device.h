/*
 * device - memory beside the host's, and copies between the two
 *
 * A kind of device ("host", "emu", "cuda") is one row of functions in one file
 * device_<kind>.c (device/kind.h has the form). What is common stands before
 * it, in device.c: budget, bounds, pins and copies that exclude each other,
 * counts. So a kind is asked only what it can do.
 *
 * A region is a run of bytes on the device. Host code may touch it through
 * the address that a pin gives, where the kind says so (host_access), and
 * nowhere else: on "emu" anything else faults. What a fresh region holds is
 * undefined.
 *
 * Copies go through two queues, one a direction. In a queue they run and end
 * in order; between the queues there is no order. So a region that is being
 * written cannot be read, and the other way round:
 *
 *                    needs that the region has no
 *   device_h2d       copy from it, pin
 *   device_d2h       copy to it, pin for writing
 *   pin for reading  copy to it, pin for writing
 *   pin for writing  copy, pin
 *   device_free      copy, pin
 *
 * Who breaks this, or goes over a region's end, gets E_BUG and changes nothing.
 *
 * A device that fails is lost for good: what it held is gone, copies under way
 * end with E_UNAVAIL, and so does every later call but those that give back
 * (device_free, device_unpin, device_close).
 *
 * Any thread may call any of these, but none may be called from a done
 * function (a CUDA host function may not call CUDA): E_BUG.
 */
#ifndef DEVICE_DEVICE_H
#define DEVICE_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { DEVICE_ALIGN = 256 };    /* bytes; of a region's address and size */

struct device;
struct device_region;
struct device_kind;
struct device_emu_options;

const struct device_kind *device_find(const char *name); /* or NULL */
const struct device_kind *device_at(size_t i);           /* or NULL */
const char *device_name(const struct device_kind *kind);

/* 1: host code may read and write a region while it is pinned. */
int device_host_access(const struct device_kind *kind);

struct device_options {
	size_t budget;          /* bytes of regions, all together; from
				 * DEVICE_ALIGN to PTRDIFF_MAX */
	const struct device_emu_options *emu;   /* device/device_emu.h; or NULL;
						 * other kinds do not look */
};

/* E_UNAVAIL: there is no such device here. E_NOMEM: it has less memory than
 * the budget, or the host has none for the buffers. E_BUG: no such budget. */
int device_open(struct device **d, const struct device_kind *kind,
		const struct device_options *options) MUST_CHECK;

/* Waits until all copies have ended, and frees what regions are left, pinned
 * or not. NULL is nothing. */
void device_close(struct device *d);

/* 0, or E_UNAVAIL and why the device was lost. A done function gets a code
 * only; this has the words. */
int device_check(struct device *d) MUST_CHECK;

struct device_stat {
	size_t budget;          /* bytes */
	size_t used, peak;      /* bytes of regions, each rounded up to
				 * DEVICE_ALIGN: now, and at most */
	size_t regions;
	size_t copying;         /* copies whose done has not returned */
	uint64_t h2d, d2h;      /* bytes copied without an error */
};

struct device_stat device_stat(struct device *d);

/* A region of n > 0 bytes. E_NOMEM: over the budget, or the device has no
 * such run; E_UNAVAIL; *r is NULL then. */
int device_alloc(struct device *d, struct device_region **r,
		 size_t n) MUST_CHECK;
int device_free(struct device_region *r);       /* E_BUG */

/*
 * Called once for every copy that was accepted, from any thread, perhaps
 * before the call that asked returns. It may only signal: put ctx in a queue,
 * wake a loop. The copy's memory is the caller's again.
 *
 *   err  0; E_IO: this copy failed, and what was to be written is undefined;
 *        E_UNAVAIL: the device is lost
 */
typedef void device_done_fn(void *ctx, int err);

/* A copy under way: the caller's memory, the device's until done is called.
 * Nothing in it is the caller's to set or read. */
struct device_copy {
	struct device_copy *next;
	struct device_region *region;
	char *host;             /* read only, to the device */
	char *at;               /* in the region */
	size_t n;
	size_t moved;           /* bytes that have left the queue */
	int dir;                /* enum device_dir */
	int err;
	device_done_fn *done;
	void *ctx;
};

/*
 * Begin a copy of n bytes between host memory and byte at of the region and
 * those after it. The host's memory stays as it is until done. E_UNAVAIL: the
 * device is lost; E_BUG; done is not called then.
 */
int device_h2d(struct device_copy *c, struct device_region *r, size_t at,
	       const void *from, size_t n, device_done_fn *done,
	       void *ctx) MUST_CHECK;
int device_d2h(struct device_copy *c, struct device_region *r, size_t at,
	       void *to, size_t n, device_done_fn *done,
	       void *ctx) MUST_CHECK;

/*
 * Gives the region's address for computing, a multiple of DEVICE_ALIGN, until
 * as many unpins. What computes has ended before the unpin: on CUDA, by
 * waiting for its stream. E_UNAVAIL; E_BUG; *address is NULL then.
 */
enum device_pin { DEVICE_READ, DEVICE_WRITE };

int device_pin(struct device_region *r, enum device_pin mode,
	       void **address) MUST_CHECK;
int device_unpin(struct device_region *r);      /* E_BUG */

#endif
