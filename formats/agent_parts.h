/* agent_parts - what an agent is made of; for agent*.c only */
#ifndef FORMATS_AGENT_PARTS_H
#define FORMATS_AGENT_PARTS_H

#include "device/device.h"
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
	size_t leaving;         /* of pages on their way to the device */
	size_t promised;        /* to pages that come; nfree and leaving are as
				 * many, or more */
};

int agent_arena_init(struct agent_arena *a, uint64_t bytes) MUST_CHECK;
void agent_arena_release(struct agent_arena *a);

/* ---- spaces: bases, and their pages ---- */

enum agent_state {
	AGENT_AWAY,
	AGENT_LOADING,          /* on its way; it has no blocks yet, */
	AGENT_PLACING,          /* and now it has */
	AGENT_HERE,
	AGENT_LEAVING,          /* it is copied to the device */
};

struct agent_page {
	enum agent_state state;
	uint32_t *block;        /* (blocks of the page) */
	size_t pins;
	uint64_t put;           /* when it was put back last */
	int err;                /* of loading */
	char message[200];
	size_t pieces;          /* still to load */
	struct device_region *kept;     /* its copy on the device, or NULL */
	uint64_t digest;                /* of that */
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

/* A client as a reader of a page. */
struct agent_reader {
	uint32_t pins;
	uint64_t due;           /* when it reads it next, by its own steps;
				 * UINT64_MAX: not known */
};

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
	struct agent_reader *reader[AGENT_SPACES];      /* (pages) */
	size_t nspace, pinned;  /* pinned: blocks */
	uint64_t now;           /* steps that it has done */
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
	uint64_t saves, fetches;        /* pages to the device, and back */
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

/* Steps until a client reads the page; UINT64_MAX: none is known to. */
uint64_t agent_wait_for(const struct agent *a, const struct agent_space *s,
			size_t page);

/* agent_space.c. A file's space, if it is there; else one is made, on a thread
 * of the pool, and agent_opened() called. file: taken over. */
int agent_open(struct agent_client *c, int file) MUST_CHECK;
void agent_opened(struct agent_client *c, struct agent_space *s, int err);
void agent_space_free(struct agent_space *s);

/* agent_pages.c. Makes the page's bytes come in; 1: they are there.
 * agent_loaded() is called for all who wait. E_NOMEM: no room now. */
int agent_load(struct agent *a, struct agent_space *s, size_t page,
	       int *here) MUST_CHECK;
void agent_loaded(struct agent *a, struct agent_space *s, size_t page);

/* Does a client wait for it? */
int agent_is_wanted(const struct agent *a, const struct agent_space *s,
		    size_t page);

/* ---- the device: agent_device.c ---- */

/* Takes room for a copy of a page, from copies of pages that are wanted later
 * or lie in the arena too. 0: there is none, or no device. */
int agent_keep(struct agent *a, struct agent_space *s, size_t page);

/* A new reference; NULL: there is no device. */
json_t *agent_device_status(const struct agent *a);

/* The copy goes; there may be none. */
void agent_forget(struct agent_page *p);

/* On a thread: copy a page there from its blocks, and back, checked. E_IO,
 * E_UNAVAIL, E_DATA. */
int agent_save(const struct agent *a, const struct agent_space *s,
	       size_t page, uint64_t *digest) MUST_CHECK;
int agent_fetch(const struct agent *a, const struct agent_space *s,
		size_t page) MUST_CHECK;

#endif
