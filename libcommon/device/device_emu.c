#define _DEFAULT_SOURCE         /* MAP_ANONYMOUS */

#include "device/device_emu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"
#include "base/size.h"
#include "device/kind.h"

enum { POISON = 0xa5 };

struct emu {
	struct device_emu_options options;
	struct device_queue waiting[DEVICE_DIRS], moved[DEVICE_DIRS];
	uint64_t allocs, pins, copies;  /* so far, for what is to fail */
	struct rng rng;
	uint64_t turns;
	pthread_t worker;
	pthread_cond_t wake;
	int running, stop;
};

static int emu_lost(struct device *d, const char *why)
{
	err_set(E_UNAVAIL, "%s", why);
	return device_lost(d);
}

/* ---- memory ---- */

static size_t page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Lets code touch the region as its pins say, and a copy as it needs; under
 * the lock. */
static int protect(const struct device_region *r)
{
	int prot = r->writers || r->moving ? PROT_READ | PROT_WRITE :
		   r->readers ? PROT_READ : PROT_NONE;

	return mprotect(r->at, size_align(r->bytes, page()), prot);
}

static int protect_locked(struct device *d, const struct device_region *r)
{
	int bad;

	device_lock(d);
	bad = protect(r);
	device_unlock(d);
	return bad;
}

static void emu_free(struct device *d, struct device_region *r)
{
	size_t n = size_align(r->bytes, page());

	(void)d;
	if (!mprotect(r->at, n, PROT_READ | PROT_WRITE))
		memset(r->at, POISON, n);
	munmap(r->at - page(), n + 2 * page());
}

/* Is this the one that is to fail? */
static int is_nth(struct device *d, uint64_t *count, uint64_t n)
{
	int hit;

	device_lock(d);
	hit = ++*count == n;
	device_unlock(d);
	return hit;
}

static int emu_alloc(struct device *d, struct device_region *r)
{
	struct emu *e = d->own;
	size_t n = size_align(r->bytes, page()), whole = n + 2 * page();
	char *at;

	if (is_nth(d, &e->allocs, e->options.fail_alloc))
		return err_set(E_NOMEM, "device emu: no run of %zu bytes",
			       r->bytes);
	at = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return err_errno(E_NOMEM, "device emu: %zu bytes", n);
	r->at = at + page();
	if (mprotect(r->at, n, PROT_READ | PROT_WRITE))
		goto fail;
	memset(r->at, POISON, n);
	if (!mprotect(r->at, n, PROT_NONE))
		return 0;
fail:
	munmap(at, whole);
	return err_errno(E_NOMEM, "device emu: %zu bytes", n);
}

static int emu_pin(struct device *d, struct device_region *r)
{
	struct emu *e = d->own;

	if (is_nth(d, &e->pins, e->options.fail_pin))
		return emu_lost(d, "it fell off the bus");
	return protect_locked(d, r) ? emu_lost(d, "mprotect failed") : 0;
}

static void emu_unpin(struct device *d, struct device_region *r)
{
	if (protect_locked(d, r))
		(void)emu_lost(d, "mprotect failed");
}

/* ---- copies ---- */

static void emu_copy(struct device *d, struct device_copy *c)
{
	struct emu *e = d->own;

	device_lock(d);
	device_push(&e->waiting[c->dir], c);
	pthread_cond_signal(&e->wake);
	device_unlock(d);
}

static void take_time(const struct device_emu_options *o, size_t n)
{
	double s = o->latency + (o->bandwidth > 0 ? (double)n / o->bandwidth
						  : 0);
	struct timespec t = { (time_t)s, (long)((s - floor(s)) * 1e9) };

	if (s > 0)
		nanosleep(&t, NULL);
}

/* Opens or closes the region for a copy. */
static int open_for_copy(struct device *d, struct device_region *r, int open)
{
	int bad;

	device_lock(d);
	r->moving += open ? 1 : (size_t)-1;
	bad = protect(r);
	device_unlock(d);
	return bad;
}

static int move_bytes(struct device *d, struct device_copy *c, size_t n)
{
	if (open_for_copy(d, c->region, 1))
		return emu_lost(d, "mprotect failed");
	if (c->dir == H2D)
		memcpy(c->at, c->host, n);
	else
		memcpy(c->host, c->at, n);
	return open_for_copy(d, c->region, 0) ? emu_lost(d, "mprotect failed")
					      : 0;
}

/* The first half of a copy's life. */
static int move(struct device *d, struct device_copy *c)
{
	struct emu *e = d->own;
	uint64_t nth = ++e->copies;     /* only turns come here */

	take_time(&e->options, c->n);
	if (nth == e->options.lose_copy)
		return emu_lost(d, "it fell off the bus");
	TRY(device_check(d));
	if (!e->options.fail_copy || nth < e->options.fail_copy ||
	    nth - e->options.fail_copy > e->options.fail_more)
		return move_bytes(d, c, c->n);
	TRY(move_bytes(d, c, c->n / 2));
	return E_IO;
}

/* Draws one of the queues that have a copy, or returns NULL; under the lock.
 * Moving comes first in the list, then ending. */
static struct device_queue *draw(struct emu *e, int *ends)
{
	struct device_queue *can[2 * DEVICE_DIRS], *all[] = {
		&e->waiting[H2D], &e->waiting[D2H],
		&e->moved[H2D], &e->moved[D2H],
	};
	size_t n = 0;

	for (size_t i = 0; i < NELEM(all); i++)
		if (all[i]->first)
			can[n++] = all[i];
	if (!n)
		return NULL;
	n = rng_below(e->rng, e->turns++, n);
	*ends = can[n] == &e->moved[H2D] || can[n] == &e->moved[D2H];
	return can[n];
}

int device_emu_turn(struct device *d)
{
	struct emu *e = d->own;
	struct device_queue *q;
	struct device_copy *c;
	int ends = 0;

	device_lock(d);
	q = draw(e, &ends);
	c = q ? device_pop(q) : NULL;
	device_unlock(d);
	if (!c)
		return 0;
	if (ends) {
		device_copied(c, c->err);
		return 1;
	}
	c->err = move(d, c);
	device_lock(d);
	device_push(&e->moved[c->dir], c);
	device_unlock(d);
	return 1;
}

static int has_work(const struct emu *e)
{
	return e->waiting[H2D].first || e->waiting[D2H].first ||
	       e->moved[H2D].first || e->moved[D2H].first;
}

static void *work(void *arg)
{
	struct device *d = arg;
	struct emu *e = d->own;
	int stop;

	do {
		while (device_emu_turn(d))
			;
		device_lock(d);
		while (!has_work(e) && !e->stop)
			pthread_cond_wait(&e->wake, &d->lock);
		stop = e->stop && !has_work(e);
		device_unlock(d);
	} while (!stop);
	return NULL;
}

/* ---- the device ---- */

static int emu_open(struct device *d, const struct device_options *options)
{
	struct emu *e = calloc(1, sizeof(*e));

	if (!e)
		return err_set(E_NOMEM, "out of memory");
	if (options->emu)
		e->options = *options->emu;
	e->rng = rng_of(e->options.seed, "device_emu");
	pthread_cond_init(&e->wake, NULL);
	d->own = e;
	if (e->options.stepped)
		return 0;
	if (pthread_create(&e->worker, NULL, work, d))
		return err_set(E_NOMEM, "device emu: cannot start a thread");
	e->running = 1;
	return 0;
}

static void emu_drain(struct device *d)
{
	const struct emu *e = d->own;

	while (e->options.stepped && device_emu_turn(d))
		;
}

static void emu_close(struct device *d)
{
	struct emu *e = d->own;

	if (!e)
		return;
	device_lock(d);
	e->stop = 1;
	pthread_cond_signal(&e->wake);
	device_unlock(d);
	if (e->running)
		pthread_join(e->worker, NULL);
	pthread_cond_destroy(&e->wake);
	free(e);
}

const struct device_kind device_emu = {
	.name = "emu",
	.host_access = 1,
	.open = emu_open,
	.close = emu_close,
	.alloc = emu_alloc,
	.free = emu_free,
	.copy = emu_copy,
	.drain = emu_drain,
	.pin = emu_pin,
	.unpin = emu_unpin,
};
