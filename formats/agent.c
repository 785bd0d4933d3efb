#define _GNU_SOURCE /* accept4 */
#include "formats/agent_parts.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- who comes ---- */

static void on_late(uv_timer_t *timer)
{
	agent_drop(timer->data);
}

/* Who is told that there are too many, at a time. */
enum { EXCESS = 16 };

static int welcome(struct agent *a, int fd)
{
	struct agent_client *c = calloc(1, sizeof(*c));

	if (!c)
		return E_NOMEM;
	c->agent = a;
	c->fd = fd;
	c->poll.data = c->timer.data = c;
	if (uv_poll_init(&a->loop, &c->poll, fd)) {
		free(c);
		return E_UNAVAIL;
	}
	(void)uv_timer_init(&a->loop, &c->timer);
	c->open_handles = 2;
	c->after = a->client;
	a->client = c;
	c->excess = a->nclient == a->options.clients;
	if (c->excess)
		a->nexcess++;
	else
		a->nclient++;
	(void)uv_timer_stop(&a->idle);
	(void)uv_timer_start(&c->timer, on_late,
			     (uint64_t)(a->options.handshake * 1000), 0);
	agent_listen(c);
	return 0;
}

static void on_visit(uv_poll_t *poll, int broken, int events)
{
	struct agent *a = poll->data;
	int fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)broken;
	(void)events;
	if (fd < 0)
		return;
	if (!wire_is_ours(fd) || a->nexcess == EXCESS || welcome(a, fd)) {
		a->refused++;
		close(fd);
	}
}

/* ---- the end ---- */

static void on_end_closed(uv_handle_t *h)
{
	(void)h;
}

static void stop(struct agent *a)
{
	if (a->stopping)
		return;
	a->stopping = 1;
	while (a->client)
		agent_drop(a->client);
	uv_close((uv_handle_t *)&a->listener, on_end_closed);
	uv_close((uv_handle_t *)&a->idle, on_end_closed);
	uv_close((uv_handle_t *)&a->signal[0], on_end_closed);
	uv_close((uv_handle_t *)&a->signal[1], on_end_closed);
}

static void on_idle(uv_timer_t *t)
{
	stop(t->data);
}

static void on_signal(uv_signal_t *s, int number)
{
	(void)number;
	stop(s->data);
}

static void begin_idle(struct agent *a)
{
	if (!a->stopping && a->options.idle > 0)
		(void)uv_timer_start(&a->idle, on_idle,
				     (uint64_t)(a->options.idle * 1000), 0);
}

/* Blocks that clients have. */
static size_t pinned_blocks(const struct agent_space *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->owner->n; i++)
		if (s->page[i].pins)
			n += agent_blocks(s->owner->page[i].bytes);
	return n;
}

/* Who only asks for this is no client. */
json_t *agent_status(const struct agent *a)
{
	size_t spaces = 0, used = a->arena.nblock - a->arena.nfree;
	size_t clients = 0, pinned = 0;

	for (const struct agent_space *s = a->space; s; s = s->after) {
		spaces++;
		pinned += pinned_blocks(s);
	}
	for (const struct agent_client *c = a->client; c; c = c->after)
		clients += (size_t)c->greeted;
	return json_pack("{s:I,s:I,s:o*,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "bases",
			 (json_int_t)spaces, "clients", (json_int_t)clients,
			 "device", agent_device_status(a),
			 "evictions", (json_int_t)a->evictions, "hits",
			 (json_int_t)a->hits, "loads", (json_int_t)a->loads,
			 "memory", (json_int_t)(a->arena.nblock * AGENT_BLOCK),
			 "pinned", (json_int_t)(pinned * AGENT_BLOCK),
			 "refused", (json_int_t)a->refused, "used",
			 (json_int_t)(used * AGENT_BLOCK));
}

void agent_left(struct agent *a)
{
	json_t *line = a->options.log ? agent_status(a) : NULL;

	if (line)
		a->options.log(a->options.ctx, line);
	json_decref(line);
	if (!a->nclient)
		begin_idle(a);
}

/* ---- life ---- */

int agent_new(struct agent **to, const struct agent_options *o)
{
	struct agent *a = calloc(1, sizeof(*a));
	int err;

	*to = NULL;
	if (!a)
		return err_set(E_NOMEM, "out of memory");
	a->options = *o;
	a->fd = -1;
	err = agent_arena_init(&a->arena, o->memory);
	if (!err)
		err = wire_listen(&a->fd, o->socket);
	if (err)
		agent_free(a);
	else
		*to = a;
	return err;
}

static int start(struct agent *a)
{
	static const int signals[2] = { SIGINT, SIGTERM };
	int err = uv_loop_init(&a->loop);

	if (err)
		return err;
	a->listener.data = a->idle.data = a;
	err = uv_poll_init(&a->loop, &a->listener, a->fd);
	if (!err)
		err = uv_timer_init(&a->loop, &a->idle);
	for (int i = 0; !err && i < 2; i++) {
		a->signal[i].data = a;
		err = uv_signal_init(&a->loop, &a->signal[i]);
		if (!err)
			err = uv_signal_start(&a->signal[i], on_signal,
					      signals[i]);
	}
	return err ? err : uv_poll_start(&a->listener, UV_READABLE, on_visit);
}

int agent_run(struct agent *a)
{
	int err = start(a);

	if (err)
		return err_set(E_UNAVAIL, "no loop: %s", uv_strerror(err));
	begin_idle(a);
	(void)uv_run(&a->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&a->loop);
	return 0;
}

void agent_free(struct agent *a)
{
	if (!a)
		return;
	while (a->space) {
		struct agent_space *s = a->space;

		a->space = s->after;
		agent_space_free(s);
	}
	if (a->fd >= 0) {
		close(a->fd);
		(void)unlink(a->options.socket);
	}
	agent_arena_release(&a->arena);
	msg_release(&a->out);
	free(a);
}
