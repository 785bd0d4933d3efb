#include "device/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "device/kind.h"

static const struct device_kind *const kinds[] = {
	&device_host,
	&device_emu,
#ifdef WITH_CUDA
	&device_cuda,
	&device_managed,
#endif
};

const struct device_kind *device_at(size_t i)
{
	return i < NELEM(kinds) ? kinds[i] : NULL;
}

const struct device_kind *device_find(const char *name)
{
	for (size_t i = 0; i < NELEM(kinds); i++)
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

const char *device_name(const struct device_kind *kind)
{
	return kind->name;
}

int device_host_access(const struct device_kind *kind)
{
	return kind->host_access;
}

int device_misuse(const struct device *d, const char *what)
{
	return err_set(E_BUG, "device %s: %s", d->kind->name, what);
}

int device_is_there(const struct device *d)
{
	return d->lost ? err_set(E_UNAVAIL, "device %s is lost: %s",
				 d->kind->name, d->why) : 0;
}

/* ---- the device ---- */

int device_open(struct device **device, const struct device_kind *kind,
		const struct device_options *options)
{
	struct device *d;
	int err;

	*device = NULL;
	if (options->budget < DEVICE_ALIGN || options->budget > PTRDIFF_MAX)
		return err_set(E_BUG, "device %s: a budget of %zu bytes",
			       kind->name, options->budget);
	d = calloc(1, sizeof(*d));
	if (!d)
		return err_set(E_NOMEM, "out of memory");
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->ended, NULL);
	d->kind = kind;
	d->stat.budget = options->budget;
	err = kind->open(d, options);
	if (err)
		device_close(d);
	else
		*device = d;
	return err;
}

/* Takes it off the list; under the lock. */
static void unlink_region(struct device_region *r)
{
	if (r->prev)
		r->prev->next = r->next;
	else
		r->device->first = r->next;
	if (r->next)
		r->next->prev = r->prev;
}

/* Gives it back. Without the lock: a device may first finish what it does, and
 * that may end in a done function. */
static void give_back(struct device_region *r)
{
	struct device *d = r->device;

	d->kind->free(d, r);
	device_lock(d);
	d->stat.used -= r->bytes;
	d->stat.regions--;
	device_unlock(d);
	free(r);
}

void device_close(struct device *d)
{
	struct device_region *r;

	if (!d)
		return;
	if (d->kind->drain && d->own)
		d->kind->drain(d);
	device_lock(d);
	while (d->stat.copying)
		pthread_cond_wait(&d->ended, &d->lock);
	device_unlock(d);
	while ((r = d->first)) {
		unlink_region(r);
		give_back(r);
	}
	d->kind->close(d);
	pthread_cond_destroy(&d->ended);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

int device_check(struct device *d)
{
	device_lock(d);
	return device_leave(d, device_is_there(d));
}

struct device_stat device_stat(struct device *d)
{
	struct device_stat s;

	device_lock(d);
	s = d->stat;
	device_unlock(d);
	return s;
}

int device_lost(struct device *d)
{
	device_lock(d);
	if (!d->lost)
		snprintf(d->why, sizeof(d->why), "%s", err_text());
	d->lost = 1;
	return device_leave(d, E_UNAVAIL);
}

/* ---- regions ---- */

/* Takes n bytes of the budget; under the lock. */
static int reserve(struct device *d, size_t n)
{
	size_t left = d->stat.budget - d->stat.used;

	TRY(device_is_there(d));
	if (!n)
		return device_misuse(d, "a region of no bytes");
	if (n > left || size_align(n, DEVICE_ALIGN) > left)
		return err_set(E_NOMEM, "device %s: %zu bytes are asked for "
			       "and %zu of %zu are free", d->kind->name, n,
			       left, d->stat.budget);
	d->stat.used += size_align(n, DEVICE_ALIGN);
	return 0;
}

/* Room is there: asks the kind. The lock is not held meanwhile, since a
 * device may take its time. */
static int make(struct device *d, struct device_region *r)
{
	int err = d->kind->alloc(d, r);

	device_lock(d);
	if (err) {
		d->stat.used -= r->bytes;
		return device_leave(d, err);
	}
	d->stat.peak = size_max(d->stat.peak, d->stat.used);
	d->stat.regions++;
	r->next = d->first;
	if (r->next)
		r->next->prev = r;
	d->first = r;
	return device_leave(d, 0);
}

int device_alloc(struct device *d, struct device_region **region, size_t n)
{
	struct device_region *r;
	int err;

	*region = NULL;
	TRY(device_may_call(d));
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(E_NOMEM, "out of memory");
	device_lock(d);
	err = device_leave(d, reserve(d, n));
	if (!err) {
		r->device = d;
		r->bytes = size_align(n, DEVICE_ALIGN);
		err = make(d, r);
	}
	if (err)
		free(r);
	else
		*region = r;
	return err;
}

static int is_copying(const struct device_region *r)
{
	return r->copies[H2D] || r->copies[D2H];
}

int device_is_pinned(const struct device_region *r)
{
	return r->readers || r->writers;
}

int device_free(struct device_region *r)
{
	struct device *d = r->device;

	TRY(device_may_call(d));
	device_lock(d);
	if (is_copying(r) || device_is_pinned(r))
		return device_leave(d, device_misuse(d, "a region in use is "
						      "freed"));
	unlink_region(r);
	device_unlock(d);
	give_back(r);
	return 0;
}

/* ---- pins ---- */

/* Counts a pin if it is allowed; under the lock. */
static int pin_allowed(struct device_region *r, enum device_pin mode)
{
	const struct device *d = r->device;

	TRY(device_is_there(d));
	if (r->copies[H2D] || r->writers)
		return device_misuse(d, "a region that is being "
				     "written is pinned");
	if (mode == DEVICE_WRITE && (r->copies[D2H] || r->readers))
		return device_misuse(d, "a region in use is pinned for "
				     "writing");
	if (mode == DEVICE_WRITE)
		r->writers++;
	else
		r->readers++;
	return 0;
}

/* Takes back a pin, if there is one; under the lock. */
static int uncount(struct device_region *r)
{
	if (!device_is_pinned(r))
		return device_misuse(r->device, "a region that is not pinned "
				     "is unpinned");
	if (r->writers)
		r->writers--;
	else
		r->readers--;
	return 0;
}

int device_pin(struct device_region *r, enum device_pin mode, void **address)
{
	struct device *d = r->device;
	int err;

	*address = NULL;
	TRY(device_may_call(d));
	device_lock(d);
	err = device_leave(d, pin_allowed(r, mode));
	if (err)
		return err;
	err = d->kind->pin ? d->kind->pin(d, r) : 0;
	if (err) {
		device_lock(d);
		(void)uncount(r);
		return device_leave(d, err);
	}
	*address = r->at;
	return 0;
}

int device_unpin(struct device_region *r)
{
	struct device *d = r->device;

	TRY(device_may_call(d));
	device_lock(d);
	TRY(device_leave(d, uncount(r)));
	if (d->kind->unpin)
		d->kind->unpin(d, r);
	return 0;
}
