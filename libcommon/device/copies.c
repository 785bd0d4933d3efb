/* Copies: who may begin, and what their end means. */
#include "device/kind.h"

/* Is this thread inside a done function? */
static _Thread_local int in_done;

int device_may_call(const struct device *d)
{
	return in_done ? device_misuse(d, "called from a done function") : 0;
}

/* May this copy begin? Under the lock. */
static int copy_allowed(const struct device_region *r, enum device_dir dir,
			size_t at, size_t n)
{
	const struct device *d = r->device;

	TRY(device_is_there(d));
	if (!n || at > r->bytes || n > r->bytes - at)
		return device_misuse(d, "a copy over a region's end");
	if (dir == H2D && (r->copies[D2H] || device_is_pinned(r)))
		return device_misuse(d, "a copy to a region in use");
	if (dir == D2H && (r->copies[H2D] || r->writers))
		return device_misuse(d, "a copy from a region that is being "
				     "written");
	return 0;
}

static int begin(struct device_copy *c, const struct device_copy *as,
		 size_t at)
{
	struct device_region *r = as->region;
	struct device *d = r->device;
	int err;

	TRY(device_may_call(d));
	device_lock(d);
	err = copy_allowed(r, as->dir, at, as->n);
	if (err)
		return device_leave(d, err);
	*c = *as;
	c->at = r->at + at;
	r->copies[c->dir]++;
	d->stat.copying++;
	device_unlock(d);
	d->kind->copy(d, c);
	return 0;
}

int device_h2d(struct device_copy *c, struct device_region *r, size_t at,
	       const void *from, size_t n, device_done_fn *done, void *ctx)
{
	return begin(c, &(struct device_copy){
		.region = r, .host = (char *)from, .n = n, .dir = H2D,
		.done = done, .ctx = ctx }, at);
}

int device_d2h(struct device_copy *c, struct device_region *r, size_t at,
	       void *to, size_t n, device_done_fn *done, void *ctx)
{
	return begin(c, &(struct device_copy){
		.region = r, .host = to, .n = n, .dir = D2H,
		.done = done, .ctx = ctx }, at);
}

void device_copied(struct device_copy *c, int err)
{
	struct device_region *r = c->region;
	struct device *d = r->device;

	if (err == E_UNAVAIL)
		device_lost(d);
	device_lock(d);
	r->copies[c->dir]--;
	if (!err && c->dir == H2D)
		d->stat.h2d += c->n;
	else if (!err)
		d->stat.d2h += c->n;
	device_unlock(d);
	in_done++;
	c->done(c->ctx, err);
	in_done--;
	device_lock(d);
	d->stat.copying--;
	pthread_cond_broadcast(&d->ended);
	device_unlock(d);
}

void device_push(struct device_queue *q, struct device_copy *c)
{
	c->next = NULL;
	if (q->first)
		q->last->next = c;
	else
		q->first = c;
	q->last = c;
}

struct device_copy *device_pop(struct device_queue *q)
{
	struct device_copy *c = q->first;

	if (c)
		q->first = c->next;
	return c;
}
