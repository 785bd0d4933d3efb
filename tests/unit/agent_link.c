/*
 * agent_link - a connection whose agent takes its time: pages go back without
 * waiting for one that is on its way
 */
#define _GNU_SOURCE /* memfd_create */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/agent_link.h"
#include "formats/wire.h"
#include "pager/space.h"

enum { PAGES = 4 };

static const struct page_time later = { 3, 12 };

/* An agent of PAGES pages of a block each, which answers when it may. */
struct agent {
	char dir[32], path[48];
	int listening, fd, arena;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int asked;              /* page that was asked for last */
	int may;                /* page 1 may come */
	int order[2 * PAGES];   /* what was asked: a page; -1 - a page: that it
				 * is put back */
	size_t n;
	struct msg_out out;
	unsigned char message[WIRE_MESSAGE];
};

/* ---- the agent, on a thread ---- */

static void put_number(struct msg_out *o, const char *key, uint64_t n)
{
	msg_put_text(o, key);
	msg_put_u64(o, n);
}

static void note(struct agent *a, int what)
{
	pthread_mutex_lock(&a->lock);
	a->order[a->n++ % (2 * PAGES)] = what;
	a->asked = what;
	pthread_cond_broadcast(&a->changed);
	while (what == 1 && !a->may)
		pthread_cond_wait(&a->changed, &a->lock);
	pthread_mutex_unlock(&a->lock);
}

static void grant(struct agent *a, size_t page)
{
	note(a, (int)page);
	msg_put_map(&a->out, 1);
	msg_put_text(&a->out, "at");
	msg_put_array(&a->out, 1);
	msg_put_u64(&a->out, page);
}

static void answer(struct agent *a, const struct msg_value *v)
{
	const struct msg_value *what = msg_find(v, "do");
	int file = -1;
	size_t page;

	msg_begin(&a->out);
	if (msg_is(what, "hello")) {
		file = a->arena;
		msg_put_map(&a->out, 1);
		put_number(&a->out, "block", SPACE_PAGE);
	} else if (msg_is(what, "open")) {
		msg_put_map(&a->out, 2);
		put_number(&a->out, "pages", PAGES);
		put_number(&a->out, "space", 0);
	} else if (!msg_size(msg_find(v, "page"), &page)) {
		if (msg_is(what, "get")) {
			grant(a, page);
		} else {
			note(a, -1 - (int)page);
			msg_put_map(&a->out, 0);
		}
	}
	(void)!wire_send(a->fd, &a->out, file);
}

static void *serve(void *arg)
{
	struct agent *a = arg;
	struct pollfd p = { a->listening, POLLIN, 0 };
	struct msg *m;
	int file;

	if (poll(&p, 1, -1) < 0)
		return NULL;
	a->fd = accept(a->listening, NULL, NULL);
	while (!wire_receive(a->fd, &m, &file, a->message) && m) {
		if (file >= 0)
			close(file);
		answer(a, msg_root(m));
		msg_free(m);
	}
	close(a->fd);
	return NULL;
}

static void agent_open(struct agent *a, pthread_t *thread)
{
	memset(a, 0, sizeof(*a));
	snprintf(a->dir, sizeof(a->dir), "/tmp/agent_link.XXXXXX");
	assert_non_null(mkdtemp(a->dir));
	snprintf(a->path, sizeof(a->path), "%s/sock", a->dir);
	assert_int_equal(wire_listen(&a->listening, a->path), 0);
	a->arena = memfd_create("arena", MFD_CLOEXEC);
	assert_int_equal(ftruncate(a->arena, PAGES * SPACE_PAGE), 0);
	for (int i = 0; i < PAGES; i++) {
		char byte = (char)('a' + i);

		assert_int_equal(pwrite(a->arena, &byte, 1, i * SPACE_PAGE),
				 1);
	}
	assert_int_equal(pthread_mutex_init(&a->lock, NULL), 0);
	assert_int_equal(pthread_cond_init(&a->changed, NULL), 0);
	assert_int_equal(pthread_create(thread, NULL, serve, a), 0);
}

static void agent_close(struct agent *a, pthread_t thread)
{
	pthread_join(thread, NULL);
	close(a->listening);
	close(a->arena);
	unlink(a->path);
	rmdir(a->dir);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->changed);
	msg_release(&a->out);
}

/* ---- a client ---- */

struct getter {
	struct agent_link *link;
	unsigned char *at;
	int err;
};

static void *get_one(void *arg)
{
	struct getter *g = arg;

	g->err = agent_link_get(g->link, 1, g->at, SPACE_PAGE);
	return NULL;
}

static void wait_for(struct agent *a, int page)
{
	pthread_mutex_lock(&a->lock);
	while (a->asked != page)
		pthread_cond_wait(&a->changed, &a->lock);
	pthread_mutex_unlock(&a->lock);
}

static void let(struct agent *a)
{
	pthread_mutex_lock(&a->lock);
	a->may = 1;
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
}

static void check_order(struct agent *a, const int *order, size_t n)
{
	pthread_mutex_lock(&a->lock);
	assert_int_equal(a->n, n);
	assert_memory_equal(a->order, order, n * sizeof(*order));
	pthread_mutex_unlock(&a->lock);
}

static void hang_up(struct agent *a)
{
	pthread_mutex_lock(&a->lock);
	shutdown(a->fd, SHUT_RDWR);
	pthread_mutex_unlock(&a->lock);
}

/* Page 1 comes when 0 and 2 have been put back, and not before: if that waited
 * for it, this would wait for ever. */
static void pages_go_back_while_one_is_awaited(void **state)
{
	static const int order[] = { 0, 2, 1, -1, -3, 3, -4 };
	pthread_t thread, other;
	struct agent_link *l;
	struct agent a;
	struct space s;
	struct getter g;
	size_t n;

	(void)state;
	alarm(60);
	agent_open(&a, &thread);
	assert_int_equal(space_init(&s, PAGES * SPACE_PAGE), 0);
	assert_int_equal(agent_link_open(&l, a.path, a.arena, &n), 0);
	assert_int_equal(n, PAGES);
	for (size_t i = 0; i < PAGES; i += 2) {
		assert_int_equal(agent_link_get(l, i, s.at + i * SPACE_PAGE,
						SPACE_PAGE), 0);
		assert_int_equal(s.at[i * SPACE_PAGE], 'a' + i);
	}
	g = (struct getter){ l, s.at + SPACE_PAGE, -1 };
	assert_int_equal(pthread_create(&other, NULL, get_one, &g), 0);
	wait_for(&a, 1);
	for (size_t i = 0; i < PAGES; i += 2)
		assert_int_equal(agent_link_put(l, i, s.at + i * SPACE_PAGE,
						SPACE_PAGE, later), 0);
	let(&a);
	pthread_join(other, NULL);
	assert_int_equal(g.err, 0);
	assert_int_equal(s.at[SPACE_PAGE], 'b');
	check_order(&a, order, 5);
	/* With nothing under way the agent is told at once. */
	assert_int_equal(agent_link_get(l, 3, s.at + 3 * SPACE_PAGE,
					SPACE_PAGE), 0);
	assert_int_equal(agent_link_put(l, 3, s.at + 3 * SPACE_PAGE,
					SPACE_PAGE, later), 0);
	check_order(&a, order, 7);
	agent_link_close(l);
	agent_close(&a, thread);
	space_release(&s);
}

/* What was put back goes nowhere, and what is asked for is not there. */
static void an_agent_that_is_gone_takes_pages_back(void **state)
{
	pthread_t thread;
	struct agent_link *l;
	struct agent a;
	struct space s;
	size_t n;

	(void)state;
	alarm(60);
	agent_open(&a, &thread);
	assert_int_equal(space_init(&s, SPACE_PAGE), 0);
	assert_int_equal(agent_link_open(&l, a.path, a.arena, &n), 0);
	assert_int_equal(agent_link_get(l, 0, s.at, SPACE_PAGE), 0);
	hang_up(&a);
	agent_close(&a, thread);
	assert_int_equal(s.at[0], 'a'); /* what is mapped stays */
	assert_int_equal(agent_link_put(l, 0, s.at, SPACE_PAGE, later), 0);
	assert_true(agent_link_gone(l));
	assert_int_equal(agent_link_get(l, 0, s.at, SPACE_PAGE), E_UNAVAIL);
	agent_link_close(l);
	space_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_go_back_while_one_is_awaited),
		cmocka_unit_test(an_agent_that_is_gone_takes_pages_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
