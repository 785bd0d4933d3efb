/*
 * agent_device - page-agent with a device: whatever the device does, clients
 * get the file's bytes, and what it holds is not read again
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/size.h"
#include "device/device_emu.h"
#include "device/kind.h"
#include "formats/agent.h"
#include "formats/agent_link.h"
#include "pager/space.h"
#include "tests/unit/dice.h"
#include "tests/unit/st_streams.h"

enum { PAGES = 12, READERS = 2 };

static struct dice dice_of(size_t seed, size_t who)
{
	struct dice d = { rng_at(rng_of(7, "agent"), (uint32_t)seed,
				 (uint32_t)who), 0 };

	return d;
}

/* A base of PAGES pages of a part of a block to three of them. */
struct world {
	char dir[40], file[48], socket[48];
	struct tensor made[PAGES];
	int fd;
	struct agent_options how;
	struct agent *agent;
	pthread_t thread;
};

static size_t page_bytes(const struct world *w, size_t page)
{
	return size_align(w->made[page].part[0].bytes, SPACE_PAGE);
}

static void write_base(struct world *w)
{
	struct sink *s;

	assert_int_equal(sink_open(&s, w->file, &(struct sink_options){
		.level = 0 }), 0);
	assert_int_equal(sink_head(s, STREAM_BASE), 0);
	for (size_t i = 0; i < PAGES; i++) {
		struct tensor *t = &w->made[i];
		size_t shape[] = { 1, 200000 + i * 110011 };
		char name[32];

		snprintf(name, sizeof(name), "t%zu", i);
		assert_int_equal(tensor_init(t, name, ROLE_LINEAR, DTYPE_BF16,
					     2, shape), 0);
		fill_parts(t);
		memset(t->part[0].data, (int)i + 1, 4096);
		assert_int_equal(sink_tensor(s, t), 0);
	}
	assert_int_equal(sink_end(s, NULL), 0);
	assert_int_equal(sink_close(s), 0);
}

static void *run(void *arg)
{
	struct world *w = arg;

	return agent_run(w->agent) ? w : NULL;
}

static void world_open(struct world *w)
{
	memset(w, 0, sizeof(*w));
	strcpy(w->dir, "/var/tmp/agent_device.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->file, sizeof(w->file), "%s/base", w->dir);
	snprintf(w->socket, sizeof(w->socket), "%s/sock", w->dir);
	write_base(w);
	w->fd = open(w->file, O_RDONLY | O_CLOEXEC);
	assert_true(w->fd >= 0);
}

static void world_close(struct world *w)
{
	for (size_t i = 0; i < PAGES; i++)
		tensor_release(&w->made[i]);
	close(w->fd);
	unlink(w->file);
	rmdir(w->dir);
}

/* An arena of so many blocks, and a device. */
static void serve(struct world *w, size_t blocks, size_t clients,
		  struct device *device)
{
	w->how = (struct agent_options){
		.socket = w->socket, .memory = blocks * AGENT_BLOCK,
		.device = device, .clients = clients, .handshake = 30,
	};
	assert_int_equal(agent_new(&w->agent, &w->how), 0);
	assert_int_equal(pthread_create(&w->thread, NULL, run, w), 0);
}

static void end(struct world *w)
{
	void *failed;

	assert_int_equal(kill(getpid(), SIGTERM), 0);
	pthread_join(w->thread, &failed);
	assert_null(failed);
	agent_free(w->agent);
}

static struct device *device_of(size_t bytes,
				const struct device_emu_options *emu)
{
	struct device_options o = { .budget = bytes, .emu = emu };
	struct device *d;

	assert_int_equal(device_open(&d, device_find("emu"), &o), 0);
	return d;
}

/* ---- a client ---- */

struct reader {
	const struct world *w;
	struct agent_link *link;
	struct space space[PAGES];
	uint64_t now;
	struct dice dice;
	size_t wrong, ops;
};

static void reader_open(struct reader *r, const struct world *w)
{
	size_t n;

	memset(r, 0, sizeof(*r));
	r->w = w;
	assert_int_equal(agent_link_open(&r->link, w->socket, w->fd, &n), 0);
	assert_int_equal(n, PAGES);
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(space_init(&r->space[i], page_bytes(w, i)),
				 0);
}

static void reader_close(struct reader *r)
{
	agent_link_close(r->link);
	for (size_t i = 0; i < PAGES; i++)
		space_release(&r->space[i]);
}

/* Gets a page, looks at it, and gives it back; 1: it was not as it should be.
 * No asserts: also on threads. */
static int look(struct reader *r, size_t page, uint64_t until)
{
	const struct tensor_part *part = &r->w->made[page].part[0];
	unsigned char *at = r->space[page].at;
	struct page_time when = { r->now, r->now + until };
	int wrong;

	if (agent_link_get(r->link, page, at, page_bytes(r->w, page)))
		return 1;
	wrong = memcmp(at, part->data, part->bytes) != 0;
	r->now++;
	return agent_link_put(r->link, page, at, page_bytes(r->w, page),
			      when) || wrong;
}

static void *read_at_random(void *arg)
{
	struct reader *r = arg;

	for (size_t i = 0; i < r->ops; i++)
		r->wrong += (size_t)look(r, roll(&r->dice, PAGES),
					 roll(&r->dice, 40));
	return NULL;
}

static void pass(struct reader *r)
{
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(look(r, i, PAGES), 0);
}

/* A number that the agent says of itself; of its device if `device`. A text is
 * 1, null 0. */
static long said(const struct world *w, int device, const char *key)
{
	json_t *all;
	const json_t *v;
	long n;

	assert_int_equal(agent_link_status(&all, w->socket), 0);
	v = json_object_get(device ? json_object_get(all, "device") : all,
			    key);
	n = json_is_string(v) ? 1 : (long)json_integer_value(v);
	json_decref(all);
	return n;
}

/* ---- tests ---- */

/* Arena and device hold the base together: it is read once. */
static void all_is_held(struct world *w, struct device *d)
{
	struct reader r;

	serve(w, 6, 1, d);
	reader_open(&r, w);
	for (int i = 0; i < 5; i++)
		pass(&r);
	assert_int_equal(said(w, 0, "loads"), PAGES);
	assert_true(said(w, 1, "fetches") > 3 * PAGES);
	assert_true(said(w, 1, "saves") <= PAGES); /* they stay there */
	reader_close(&r);
	end(w);
}

/* A device that holds half of what the arena does not: those that are used
 * last stay in the file, and no others. */
static void a_part_is_held(struct world *w, struct device *d)
{
	struct reader r;
	long loads;

	serve(w, 6, 1, d);
	reader_open(&r, w);
	pass(&r);
	loads = said(w, 0, "loads");
	for (int i = 0; i < 10; i++)
		pass(&r);
	loads = said(w, 0, "loads") - loads;
	assert_in_range(loads, 40, 70); /* of 120 gets */
	assert_true(said(w, 1, "used") <= 5 << 20);
	assert_true(said(w, 1, "fetches") > 20);
	reader_close(&r);
	end(w);
}

/* On each kind of device that is here, with so much of its memory. */
static void on_all(size_t bytes, void (*check)(struct world *, struct device *))
{
	const struct device_kind *kind;
	struct world w;

	world_open(&w);
	for (size_t i = 0; (kind = device_at(i)); i++) {
		struct device_options o = { .budget = bytes };
		struct device *d;
		int err = device_open(&d, kind, &o);

		if (err) {
			assert_int_equal(err, E_UNAVAIL);
			print_message("%s: not here\n", device_name(kind));
			continue;
		}
		check(&w, d);
		device_close(d);
	}
	world_close(&w);
}

static void what_the_device_holds_is_not_read_again(void **state)
{
	(void)state;
	on_all(64 << 20, all_is_held);
}

static void a_device_that_is_too_small_helps_as_far_as_it_goes(void **state)
{
	(void)state;
	on_all(5 << 20, a_part_is_held);
}

/* Flips a bit of all that is there. */
static void damage(struct device *d)
{
	for (struct device_region *r = d->first; r; r = r->next) {
		void *at;

		assert_int_equal(device_pin(r, DEVICE_WRITE, &at), 0);
		((char *)at)[r->bytes / 2] ^= 4;
		assert_int_equal(device_unpin(r), 0);
	}
}

static void what_comes_back_changed_is_read_again(void **state)
{
	struct device *d = device_of(64 << 20, NULL);
	struct reader r;
	struct world w;

	(void)state;
	world_open(&w);
	serve(&w, 6, 1, d);
	reader_open(&r, &w);
	pass(&r);
	pass(&r);
	damage(d);
	pass(&r);
	assert_true(said(&w, 0, "loads") > PAGES + 3);
	reader_close(&r);
	end(&w);
	device_close(d);
	world_close(&w);
}

static struct device *faulty(struct dice *dice)
{
	struct device_emu_options emu = { .seed = roll(dice, 1000) };

	switch (roll(dice, 4)) {
	case 0:
		emu.fail_alloc = 1 + roll(dice, 20);
		break;
	case 1:
		emu.fail_copy = 1 + roll(dice, 60);
		emu.fail_more = roll(dice, 20);
		break;
	case 2:
		emu.lose_copy = 1 + roll(dice, 60);
		break;
	}
	return device_of((1 + roll(dice, 12)) << 20, &emu);
}

static void read_together(struct reader *r)
{
	pthread_t thread[READERS];

	for (size_t i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL,
						read_at_random, &r[i]), 0);
	for (size_t i = 0; i < READERS; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(r[i].wrong, 0);
	}
}

/* Several at once, while copies fail, there is no room, or the device goes. */
static void a_device_that_fails_is_done_without(void **state)
{
	size_t lost = 0;
	struct world w;

	(void)state;
	world_open(&w);
	for (size_t seed = 0; seed < 40; seed++) {
		struct dice dice = dice_of(seed, READERS);
		struct device *d = faulty(&dice);
		struct reader r[READERS];

		serve(&w, 2 * 3 + roll(&dice, 4), READERS, d);
		for (size_t i = 0; i < READERS; i++) {
			reader_open(&r[i], &w);
			r[i].dice = dice_of(seed, i);
			r[i].ops = 60;
		}
		read_together(r);
		lost += (size_t)said(&w, 1, "lost");
		for (size_t i = 0; i < READERS; i++)
			reader_close(&r[i]);
		end(&w);
		device_close(d);
	}
	assert_true(lost > 3);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_device_holds_is_not_read_again),
		cmocka_unit_test(
			a_device_that_is_too_small_helps_as_far_as_it_goes),
		cmocka_unit_test(what_comes_back_changed_is_read_again),
		cmocka_unit_test(a_device_that_fails_is_done_without),
	};

	alarm(300);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
