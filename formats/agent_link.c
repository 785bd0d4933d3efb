#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "formats/agent_link.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/size.h"
#include "formats/wire.h"

/* Seconds without an answer until an agent is gone; a page of a large model
 * from a slow disk that others read too takes a few. */
enum { PATIENCE = 120 };

/* A page that is no longer mapped, and that the agent has not been told of. */
struct put {
	size_t page;
	struct page_time when;
};

struct agent_link {
	pthread_mutex_t lock;   /* of the connection, while a request is out */
	int fd, arena;
	size_t block, space;
	struct msg_out out;
	unsigned char message[WIRE_MESSAGE];

	pthread_mutex_t put_lock;
	struct put *put;
	size_t nput, put_room;
};

/* Sends what is in out and waits for the answer; *file may be NULL. Messages
 * that say an error make it this one's. */
static int ask(struct agent_link *l, struct msg **answer, int send, int *file)
{
	char text[512];
	uint64_t code;
	int got = -1;

	*answer = NULL;
	if (l->fd < 0 || wire_send(l->fd, &l->out, send) ||
	    wire_receive(l->fd, answer, &got, l->message) || !*answer) {
		if (l->fd >= 0)
			close(l->fd);
		l->fd = -1;
		return err_set(E_UNAVAIL, "the agent is gone");
	}
	if (file)
		*file = got;
	else if (got >= 0)
		close(got);
	if (msg_text(msg_find(msg_root(*answer), "error"), text, sizeof(text)))
		return 0;
	if (msg_u64(msg_find(msg_root(*answer), "code"), &code) || !code ||
	    code > 78)
		code = E_UNAVAIL;
	msg_free(*answer);
	*answer = NULL;
	return err_set((int)code, "%s", text);
}

static void request(struct agent_link *l, const char *what, size_t more)
{
	msg_begin(&l->out);
	msg_put_map(&l->out, 1 + more);
	msg_put_text(&l->out, "do");
	msg_put_text(&l->out, what);
}

static int greet(struct agent_link *l)
{
	struct msg *m;
	int err;

	request(l, "hello", 1);
	msg_put_text(&l->out, "v");
	msg_put_u64(&l->out, WIRE_VERSION);
	TRY(ask(l, &m, -1, &l->arena));
	err = msg_size(msg_find(msg_root(m), "block"), &l->block) ||
	      l->block < 4096 || l->block & (l->block - 1) || l->arena < 0;
	msg_free(m);
	return err ? err_set(E_UNAVAIL, "no agent of ours") : 0;
}

static int open_base(struct agent_link *l, int file, size_t *pages)
{
	struct msg *m;
	int err;

	request(l, "open", 0);
	TRY(ask(l, &m, file, NULL));
	err = msg_size(msg_find(msg_root(m), "space"), &l->space) ||
	      msg_size(msg_find(msg_root(m), "pages"), pages);
	msg_free(m);
	return err ? err_set(E_UNAVAIL, "no agent of ours") : 0;
}

static int make(struct agent_link **to, const char *socket)
{
	struct agent_link *l = calloc(1, sizeof(*l));

	*to = l;
	if (!l)
		return err_set(E_NOMEM, "out of memory");
	l->fd = l->arena = -1;
	if (pthread_mutex_init(&l->lock, NULL) ||
	    pthread_mutex_init(&l->put_lock, NULL)) {
		free(l);
		*to = NULL;
		return err_set(E_NOMEM, "out of memory");
	}
	TRY(wire_connect(&l->fd, socket));
	if (l->fd < 0)
		return 0;
	if (!wire_is_ours(l->fd))
		return err_set(E_UNAVAIL, "%s: another user's agent", socket);
	return wire_patience(l->fd, PATIENCE);
}

int agent_link_open(struct agent_link **to, const char *socket, int file,
		    size_t *pages)
{
	int err = make(to, socket), there = !err;

	if (!err)
		err = greet(*to);
	if (!err)
		err = open_base(*to, file, pages);
	if (!err)
		return 0;
	if (there && (*to)->fd < 0)
		err = 0;
	agent_link_close(*to);
	*to = NULL;
	return err;
}

void agent_link_close(struct agent_link *l)
{
	if (!l)
		return;
	if (l->fd >= 0)
		close(l->fd);
	if (l->arena >= 0)
		close(l->arena);
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->put_lock);
	free(l->put);
	msg_release(&l->out);
	free(l);
}

int agent_link_gone(struct agent_link *l)
{
	int gone;

	pthread_mutex_lock(&l->lock);
	gone = l->fd < 0;
	pthread_mutex_unlock(&l->lock);
	return gone;
}

/* ---- pages ---- */

static int map_block(const struct agent_link *l, unsigned char *at,
		     size_t bytes, const struct msg_value *block)
{
	uint64_t b;

	if (msg_u64(block, &b) || b > (uint64_t)INT64_MAX / l->block)
		return err_set(E_UNAVAIL, "no agent of ours");
	if (mmap(at, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, l->arena,
		 (off_t)(b * l->block)) == MAP_FAILED)
		return err_errno(E_UNAVAIL, "the arena cannot be mapped");
	return 0;
}

static int map_page(const struct agent_link *l, const struct msg *m,
		    unsigned char *at, size_t bytes)
{
	const struct msg_value *v = msg_find(msg_root(m), "at");
	size_t n = size_ceil(bytes, l->block);

	if (msg_count(v) != n)
		return err_set(E_UNAVAIL, "no agent of ours");
	for (size_t i = 0; i < n; i++) {
		size_t from = i * l->block;

		TRY(map_block(l, at + from, size_min(l->block, bytes - from),
			      msg_at(v, i)));
	}
	return 0;
}

static void page_request(struct agent_link *l, const char *what, size_t page,
			 const struct page_time *when)
{
	request(l, what, when ? 4 : 2);
	if (when) {
		msg_put_text(&l->out, "next");
		msg_put_u64(&l->out, when->next);
		msg_put_text(&l->out, "now");
		msg_put_u64(&l->out, when->now);
	}
	msg_put_text(&l->out, "page");
	msg_put_u64(&l->out, page);
	msg_put_text(&l->out, "space");
	msg_put_u64(&l->out, l->space);
}

/* No memory there, as it was at the beginning. */
static int unmap(void *at, size_t bytes)
{
	if (mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		 MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		return err_errno(E_NOMEM, "a page cannot be closed");
	return 0;
}

/* ---- pages that go back ---- */

static int remember(struct agent_link *l, struct put put)
{
	int err = 0;

	pthread_mutex_lock(&l->put_lock);
	if (l->nput == l->put_room) {
		size_t room = 2 * l->put_room + 16;
		struct put *more = realloc(l->put, room * sizeof(*more));

		if (more) {
			l->put = more;
			l->put_room = room;
		} else {
			err = err_set(E_NOMEM, "out of memory");
		}
	}
	if (!err)
		l->put[l->nput++] = put;
	pthread_mutex_unlock(&l->put_lock);
	return err;
}

/* Takes the first off the list; 0: there is none. */
static int take_put(struct agent_link *l, struct put *put)
{
	int there;

	pthread_mutex_lock(&l->put_lock);
	there = l->nput > 0;
	if (there) {
		*put = l->put[0];
		memmove(l->put, l->put + 1, --l->nput * sizeof(*l->put));
	}
	pthread_mutex_unlock(&l->put_lock);
	return there;
}

/* Tells the agent; locked. What it says to that, or that it is gone, is no
 * matter of the run's: the page is not there any more. */
static void send_puts(struct agent_link *l)
{
	struct put put;

	while (take_put(l, &put)) {
		struct msg *m;

		page_request(l, "put", put.page, &put.when);
		(void)!ask(l, &m, -1, NULL);
		msg_free(m);
	}
}

static int has_puts(struct agent_link *l)
{
	int has;

	pthread_mutex_lock(&l->put_lock);
	has = l->nput > 0;
	pthread_mutex_unlock(&l->put_lock);
	return has;
}

/* Gives up the connection; who could not have it meanwhile has left word. */
static void unlock(struct agent_link *l)
{
	do {
		send_puts(l);
		pthread_mutex_unlock(&l->lock);
	} while (has_puts(l) && !pthread_mutex_trylock(&l->lock));
}

int agent_link_get(struct agent_link *l, size_t page, void *at, size_t bytes)
{
	struct msg *m;
	int err;

	pthread_mutex_lock(&l->lock);
	send_puts(l); /* there may be no room for it before */
	page_request(l, "get", page, NULL);
	err = ask(l, &m, -1, NULL);
	if (!err) {
		err = map_page(l, m, at, bytes);
		if (err && unmap(at, bytes))
			err = E_NOMEM;
	}
	msg_free(m);
	unlock(l);
	return err;
}

int agent_link_put(struct agent_link *l, size_t page, void *at, size_t bytes,
		   struct page_time when)
{
	TRY(unmap(at, bytes));
	TRY(remember(l, (struct put){ page, when }));
	if (!pthread_mutex_trylock(&l->lock))
		unlock(l);
	return 0;
}

int agent_link_status(json_t **status, const char *socket)
{
	struct agent_link *l;
	struct msg *m;
	int err = make(&l, socket);

	if (!err) {
		request(l, "status", 0);
		err = ask(l, &m, -1, NULL);
	}
	if (!err) {
		err = msg_to_json(status, msg_root(m));
		msg_free(m);
	}
	agent_link_close(l);
	return err;
}
