/* agent_device - copies of pages in a device's memory, after they have left the
 * arena */
#include "formats/agent_parts.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/digest.h"
#include "base/size.h"

/* ---- room ---- */

void agent_forget(struct agent_page *p)
{
	if (p->kept)
		(void)device_free(p->kept); /* else with the device */
	p->kept = NULL;
}

/* May its copy go now? One that is used just now may not. */
static int is_spare(const struct agent_page *p)
{
	return p->kept && (p->state == AGENT_AWAY || p->state == AGENT_HERE);
}

/* Would its copy be missed later than the other's? */
static int is_rather(const struct agent_page *p, uint64_t wait,
		     const struct agent_page *other, uint64_t others)
{
	int twice = p->state == AGENT_HERE;

	if (twice != (other->state == AGENT_HERE))
		return twice;
	return wait > others || (wait == others && p->put < other->put);
}

/* Lets the copy go that is missed last, if one is wanted no sooner than so many
 * steps from now. */
static int let_go(struct agent *a, uint64_t until)
{
	struct agent_page *best = NULL;
	uint64_t latest = 0;

	for (struct agent_space *s = a->space; s; s = s->after)
		for (size_t i = 0; i < s->owner->n; i++) {
			struct agent_page *p = &s->page[i];
			uint64_t wait;

			if (!is_spare(p))
				continue;
			wait = agent_wait_for(a, s, i);
			if (best && !is_rather(p, wait, best, latest))
				continue;
			best = p;
			latest = wait;
		}
	if (!best || (best->state == AGENT_AWAY && latest < until))
		return 0;
	agent_forget(best);
	return 1;
}

int agent_keep(struct agent *a, struct agent_space *s, size_t page)
{
	struct device *d = a->options.device;
	size_t bytes = size_align(s->owner->page[page].bytes, DEVICE_ALIGN);
	struct device_stat now;

	if (!d || device_check(d))
		return 0;
	for (;;) {
		now = device_stat(d);
		if (bytes <= now.budget - now.used)
			return !device_alloc(d, &s->page[page].kept, bytes);
		if (bytes > now.budget ||
		    !let_go(a, agent_wait_for(a, s, page)))
			return 0;
	}
}

/* ---- copies ---- */

/* A page's blocks on their way, each by itself, since they do not lie side by
 * side. */
struct copies {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	size_t left;
	int err;
	struct device_copy *block;
};

static void block_copied(void *ctx, int err)
{
	struct copies *c = ctx;

	pthread_mutex_lock(&c->lock);
	c->left--;
	if (!c->err)
		c->err = err;
	pthread_cond_signal(&c->ended);
	pthread_mutex_unlock(&c->lock);
}

static unsigned char *block_at(const struct agent *a,
			       const struct agent_page *p, size_t i)
{
	return a->arena.at + (size_t)p->block[i] * AGENT_BLOCK;
}

static size_t block_bytes(const struct agent_space *s, size_t page, size_t i)
{
	return size_min(AGENT_BLOCK,
			s->owner->page[page].bytes - i * AGENT_BLOCK);
}

static int begin_copy(struct copies *c, const struct agent *a,
		      const struct agent_space *s, size_t page, size_t i,
		      int back)
{
	const struct agent_page *p = &s->page[page];
	size_t n = block_bytes(s, page, i), at = i * AGENT_BLOCK;
	int err;

	pthread_mutex_lock(&c->lock);
	c->left++;
	pthread_mutex_unlock(&c->lock);
	if (back)
		err = device_d2h(&c->block[i], p->kept, at,
				 block_at(a, p, i), n, block_copied, c);
	else
		err = device_h2d(&c->block[i], p->kept, at,
				 block_at(a, p, i), n, block_copied, c);
	if (err) {
		pthread_mutex_lock(&c->lock);
		c->left--;
		pthread_mutex_unlock(&c->lock);
	}
	return err;
}

static int wait_for_all(struct copies *c)
{
	int err;

	pthread_mutex_lock(&c->lock);
	while (c->left)
		pthread_cond_wait(&c->ended, &c->lock);
	err = c->err;
	pthread_mutex_unlock(&c->lock);
	return err ? err_set(err, "a copy of the device's failed") : 0;
}

static int copy_page(const struct agent *a, const struct agent_space *s,
		     size_t page, int back)
{
	size_t n = agent_blocks(s->owner->page[page].bytes);
	struct copies c = { PTHREAD_MUTEX_INITIALIZER,
			    PTHREAD_COND_INITIALIZER, 0, 0, NULL };
	int err = 0, ended;

	c.block = calloc(n, sizeof(*c.block));
	if (!c.block)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; !err && i < n; i++)
		err = begin_copy(&c, a, s, page, i, back);
	ended = wait_for_all(&c);
	pthread_mutex_destroy(&c.lock);
	pthread_cond_destroy(&c.ended);
	free(c.block);
	return err ? err : ended;
}

/* Of the blocks' digests. */
static uint64_t digest_page(const struct agent *a, const struct agent_space *s,
			    size_t page)
{
	size_t n = agent_blocks(s->owner->page[page].bytes);
	uint64_t of[2] = { 0 };

	for (size_t i = 0; i < n; i++) {
		of[1] = digest_64(block_at(a, &s->page[page], i),
				  block_bytes(s, page, i));
		of[0] = digest_64(of, sizeof(of));
	}
	return of[0];
}

int agent_save(const struct agent *a, const struct agent_space *s,
	       size_t page, uint64_t *digest)
{
	*digest = digest_page(a, s, page);
	return copy_page(a, s, page, 0);
}

int agent_fetch(const struct agent *a, const struct agent_space *s,
		size_t page)
{
	TRY(copy_page(a, s, page, 1));
	if (digest_page(a, s, page) != s->page[page].digest)
		return err_set(E_DATA, "a page came back changed from the "
			       "device");
	return 0;
}

json_t *agent_device_status(const struct agent *a)
{
	struct device *d = a->options.device;
	struct device_stat now;

	if (!d)
		return NULL;
	now = device_stat(d);
	return json_pack("{s:I,s:s?,s:I,s:I,s:I}", "fetches",
			 (json_int_t)a->fetches, "lost",
			 device_check(d) ? err_text() : NULL, "memory",
			 (json_int_t)now.budget, "saves", (json_int_t)a->saves,
			 "used", (json_int_t)now.used);
}
