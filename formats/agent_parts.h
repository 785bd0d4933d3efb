/* agent_parts - what an agent is made of; for agent*.c only */
#ifndef FORMATS_AGENT_PARTS_H
#define FORMATS_AGENT_PARTS_H

#include "formats/agent.h"
#include "formats/collect.h"
#include "formats/wire.h"
#include "pager/pager.h"

#include <sys/types.h>
#include <uv.h>

/* ---- the arena ---- */

struct agent_arena {
	int fd;                 /* sealed */
	unsigned char *at;
	size_t nblock;
	uint32_t *free;         /* (nblock) a stack */
	size_t nfree;
};

int agent_arena_init(struct agent_arena *a, uint64_t bytes) MUST_CHECK;
void agent_arena_release(struct agent_arena *a);

/* ---- spaces: bases, and their pages ---- */

enum agent_state { AGENT_AWAY, AGENT_LOADING, AGENT_HERE };

struct agent_page {
	enum agent_state state;
	uint32_t *block;        /* (blocks of the page) */
	size_t pins;
	uint64_t next;          /* steps to its next use, as was said last */
	uint64_t put;           /* when */
	int err;                /* of loading */
	char message[200];
	size_t pieces;          /* still to load */
};

struct agent_space {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
	struct collection base;
	const struct page_owner *owner;
	struct agent_page *page;
	size_t users;           /* connections */
	struct agent_space *after;
};

/* ---- connections ---- */

/* What waits for an answer: at most one thing. */
struct agent_wait {
	struct agent_space *space;
	size_t page;
	int opening;
};

struct agent_client {
	struct agent *agent;
	int fd;
	uv_poll_t poll;
	uv_timer_t timer;       /* of the handshake */
	int open_handles, gone, greeted;
	int excess;             /* one too many: it will be told */
	struct agent_wait wait;
	struct agent_space *space[AGENT_SPACES];
	uint32_t *pins[AGENT_SPACES]; /* (pages) of this client */
	size_t nspace, pinned;  /* pinned: blocks */
	struct agent_client *after;
	unsigned char message[WIRE_MESSAGE];
};

struct agent {
	struct agent_options options;
	struct agent_arena arena;
	struct agent_space *space;
	struct agent_client *client;
	size_t nclient, nexcess;
	uint64_t clock;
	uint64_t hits, loads, evictions, refused;
	uv_loop_t loop;
	uv_poll_t listener;
	uv_signal_t signal[2];
	uv_timer_t idle;
	int fd, stopping;
	struct msg_out out;
};

size_t agent_blocks(size_t bytes);

/* agent_client.c: reads what comes; ends the connection. */
void agent_listen(struct agent_client *c);
void agent_drop(struct agent_client *c);

/* agent.c: a client has gone; how things are, a new reference or NULL. */
void agent_left(struct agent *a);
json_t *agent_status(const struct agent *a);

/* agent_space.c. A file's space, if it is there; else one is made, on a thread
 * of the pool, and agent_opened() called. file: taken over. */
int agent_open(struct agent_client *c, int file) MUST_CHECK;
void agent_opened(struct agent_client *c, struct agent_space *s, int err);
void agent_space_free(struct agent_space *s);

/* Makes the page's bytes come in; 1: they are there. agent_loaded() is called
 * for all who wait. E_NOMEM: no room now. */
int agent_load(struct agent *a, struct agent_space *s, size_t page,
	       int *here) MUST_CHECK;
void agent_loaded(struct agent *a, struct agent_space *s, size_t page);

#endif
