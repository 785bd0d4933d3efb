/* agent_client - a connection: what is asked, answered, and given back */
#include "formats/agent_parts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SPACES = 64 };           /* kept, with clients or without */

/* ---- the end of a connection ---- */

static void on_closed(uv_handle_t *h)
{
	struct agent_client *c = h->data;

	if (--c->open_handles)
		return;
	close(c->fd);
	c->fd = -1;
	if (!c->wait.opening)
		free(c);
}

static void leave_spaces(struct agent_client *c)
{
	for (size_t i = 0; i < c->nspace; i++) {
		struct agent_space *s = c->space[i];

		s->users--;
		for (size_t k = 0; k < s->owner->n; k++)
			s->page[k].pins -= c->reader[i][k].pins;
		free(c->reader[i]);
	}
	c->nspace = 0;
}

/* Its pins and spaces return. */
void agent_drop(struct agent_client *c)
{
	struct agent *a = c->agent;
	struct agent_client **at = &a->client;

	if (c->gone)
		return;
	c->gone = 1;
	leave_spaces(c);
	while (*at != c)
		at = &(*at)->after;
	*at = c->after;
	if (c->excess)
		a->nexcess--;
	else
		a->nclient--;
	uv_close((uv_handle_t *)&c->poll, on_closed);
	uv_close((uv_handle_t *)&c->timer, on_closed);
	agent_left(a);
}

/* ---- answers ---- */

static void send_out(struct agent_client *c, int file)
{
	if (wire_send(c->fd, &c->agent->out, file))
		agent_drop(c);
}

/* What went wrong, as err_text() has it. */
static void send_error(struct agent_client *c, int code)
{
	struct msg_out *o = &c->agent->out;

	msg_begin(o);
	msg_put_map(o, 2);
	msg_put_text(o, "code");
	msg_put_u64(o, (uint64_t)code);
	msg_put_text(o, "error");
	msg_put_text(o, err_text());
	c->agent->refused++;
	send_out(c, -1);
}

static size_t quota(const struct agent *a)
{
	return a->arena.nblock / a->options.clients;
}

static void on_readable(uv_poll_t *poll, int status, int events);

void agent_listen(struct agent_client *c)
{
	memset(&c->wait, 0, sizeof(c->wait));
	if (!c->gone && uv_poll_start(&c->poll, UV_READABLE, on_readable))
		agent_drop(c);
}

static void hello(struct agent_client *c, const struct msg_value *v)
{
	struct agent *a = c->agent;
	uint64_t version;

	if (msg_u64(msg_find(v, "v"), &version) || version != WIRE_VERSION) {
		send_error(c, err_set(E_UNAVAIL, "the agent speaks version %d",
				      WIRE_VERSION));
		agent_drop(c);
		return;
	}
	c->greeted = 1;
	(void)uv_timer_stop(&c->timer);
	msg_begin(&a->out);
	msg_put_map(&a->out, 2);
	msg_put_text(&a->out, "block");
	msg_put_u64(&a->out, AGENT_BLOCK);
	msg_put_text(&a->out, "quota");
	msg_put_u64(&a->out, (uint64_t)quota(a) * AGENT_BLOCK);
	send_out(c, a->arena.fd);
}

/* A space that nobody uses and that has no page goes, when there are many. */
static void forget_spaces(struct agent *a)
{
	size_t n = 0;

	for (struct agent_space **at = &a->space; *at;) {
		struct agent_space *s = *at;
		size_t here = 0;

		for (size_t i = 0; i < s->owner->n; i++)
			here += s->page[i].state != AGENT_AWAY;
		if (++n <= SPACES || s->users || here) {
			at = &s->after;
			continue;
		}
		*at = s->after;
		agent_space_free(s);
	}
}

static struct agent_reader *make_reader(size_t npage)
{
	struct agent_reader *r = calloc(npage, sizeof(*r));

	for (size_t i = 0; r && i < npage; i++)
		r[i].due = UINT64_MAX;
	return r;
}

void agent_opened(struct agent_client *c, struct agent_space *s, int err)
{
	struct msg_out *o = &c->agent->out;
	struct agent_reader *reader;

	c->wait.opening = 0;
	if (c->gone) {
		if (!c->open_handles)
			free(c);
		return;
	}
	reader = err ? NULL : make_reader(s->owner->n);
	if (!err && !reader)
		err = err_set(E_NOMEM, "out of memory");
	if (err) {
		send_error(c, err);
		agent_listen(c);
		return;
	}
	s->users++;
	c->space[c->nspace] = s;
	c->reader[c->nspace] = reader;
	msg_begin(o);
	msg_put_map(o, 2);
	msg_put_text(o, "pages");
	msg_put_u64(o, s->owner->n);
	msg_put_text(o, "space");
	msg_put_u64(o, c->nspace++);
	send_out(c, -1);
	forget_spaces(c->agent);
	agent_listen(c);
}

/* ---- pages ---- */

static uint64_t wait_of(const struct agent_client *c,
			const struct agent_space *s, size_t page)
{
	uint64_t least = UINT64_MAX;

	for (size_t i = 0; i < c->nspace; i++) {
		uint64_t due;

		if (c->space[i] != s)
			continue;
		due = c->reader[i][page].due;
		if (due == UINT64_MAX)
			continue;
		due -= due < c->now ? due : c->now;
		least = due < least ? due : least;
	}
	return least;
}

uint64_t agent_wait_for(const struct agent *a, const struct agent_space *s,
			size_t page)
{
	uint64_t least = UINT64_MAX;

	for (const struct agent_client *c = a->client; c; c = c->after) {
		uint64_t wait = wait_of(c, s, page);

		least = wait < least ? wait : least;
	}
	return least;
}

int agent_is_wanted(const struct agent *a, const struct agent_space *s,
		    size_t page)
{
	const struct agent_client *c = a->client;

	while (c && (c->wait.space != s || c->wait.page != page))
		c = c->after;
	return c != NULL;
}

static int find_page(const struct agent_client *c, const struct msg_value *v,
		     size_t *space, size_t *page)
{
	if (msg_size(msg_find(v, "space"), space) ||
	    msg_size(msg_find(v, "page"), page) || *space >= c->nspace ||
	    *page >= c->space[*space]->owner->n)
		return err_set(E_DATA, "no such page");
	return 0;
}

static void grant(struct agent_client *c, struct agent_space *s, size_t page)
{
	struct msg_out *o = &c->agent->out;
	size_t n = agent_blocks(s->owner->page[page].bytes), i = 0;

	while (c->space[i] != s)
		i++;
	c->reader[i][page].pins++;
	c->pinned += n;
	s->page[page].pins++;
	msg_begin(o);
	msg_put_map(o, 1);
	msg_put_text(o, "at");
	msg_put_array(o, n);
	for (size_t k = 0; k < n; k++)
		msg_put_u64(o, s->page[page].block[k]);
	send_out(c, -1);
}

void agent_loaded(struct agent *a, struct agent_space *s, size_t page)
{
	const struct agent_page *p = &s->page[page];

	for (struct agent_client *c = a->client, *after; c; c = after) {
		after = c->after;
		if (c->wait.space != s || c->wait.page != page)
			continue;
		if (p->err)
			send_error(c, err_set(p->err, "%s", p->message));
		else
			grant(c, s, page);
		agent_listen(c);
	}
}

static int get(struct agent_client *c, const struct msg_value *v)
{
	size_t space, page;
	int here;

	TRY(find_page(c, v, &space, &page));
	if (c->pinned + agent_blocks(c->space[space]->owner->page[page].bytes) >
	    quota(c->agent))
		return err_set(E_NOMEM, "more than this client's part of the "
			       "arena");
	TRY(agent_load(c->agent, c->space[space], page, &here));
	if (here) {
		grant(c, c->space[space], page);
		return 0;
	}
	c->wait = (struct agent_wait){ c->space[space], page, 0 };
	return 0;
}

/* Whose clock goes back has begun anew: what was said before is of no use. */
static void note_time(struct agent_client *c, struct agent_reader *r,
		      const struct page_time *t)
{
	if (t->now < c->now && t->next != UINT64_MAX)
		for (size_t i = 0; i < c->nspace; i++)
			for (size_t k = 0; k < c->space[i]->owner->n; k++)
				c->reader[i][k].due = UINT64_MAX;
	if (t->next != UINT64_MAX)
		c->now = t->now;
	r->due = t->next;
}

static int put(struct agent_client *c, const struct msg_value *v)
{
	size_t space, page;
	struct agent_reader *r;
	struct page_time t;

	TRY(find_page(c, v, &space, &page));
	r = &c->reader[space][page];
	if (msg_u64(msg_find(v, "next"), &t.next) ||
	    msg_u64(msg_find(v, "now"), &t.now) || !r->pins)
		return err_set(E_DATA, "put: a page that was not had");
	r->pins--;
	note_time(c, r, &t);
	c->pinned -= agent_blocks(c->space[space]->owner->page[page].bytes);
	c->space[space]->page[page].pins--;
	c->space[space]->page[page].put = ++c->agent->clock;
	msg_begin(&c->agent->out);
	msg_put_map(&c->agent->out, 0);
	send_out(c, -1);
	return 0;
}

static int status(struct agent_client *c)
{
	struct msg_out *o = &c->agent->out;
	json_t *j = agent_status(c->agent);

	if (!j)
		return err_set(E_NOMEM, "out of memory");
	msg_begin(o);
	msg_put_json(o, j);
	json_decref(j);
	send_out(c, -1);
	return 0;
}

/* ---- messages ---- */

static void obey(struct agent_client *c, const struct msg_value *v, int file)
{
	const struct msg_value *what = msg_find(v, "do");
	int opens = c->greeted && !c->excess && msg_is(what, "open"), err;

	if (file >= 0 && !opens)
		close(file);
	if (c->excess && !msg_is(what, "status")) {
		send_error(c, err_set(E_UNAVAIL, "the agent has as many "
				      "clients as it takes"));
		agent_drop(c);
		return;
	}
	if (msg_is(what, "hello")) {
		hello(c, v);
		return;
	}
	if (opens)
		err = agent_open(c, file);
	else if (msg_is(what, "get") && c->greeted)
		err = get(c, v);
	else if (msg_is(what, "put") && c->greeted)
		err = put(c, v);
	else if (msg_is(what, "status"))
		err = status(c);
	else
		err = err_set(E_DATA, "no such request");
	if (err)
		send_error(c, err);
	if (!c->gone && (c->wait.space || c->wait.opening))
		(void)uv_poll_stop(&c->poll);
}

static void on_readable(uv_poll_t *poll, int broken, int events)
{
	struct agent_client *c = poll->data;
	struct msg *m = NULL;
	int file = -1;

	(void)events;
	if (broken || wire_receive(c->fd, &m, &file, c->message)) {
		agent_drop(c);
		return;
	}
	if (m)
		obey(c, msg_root(m), file);
	msg_free(m);
}
