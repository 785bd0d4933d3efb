/*
 * agent - what page-agent serves: bases that several programs read, under one
 * budget of memory
 *
 * A client opens a base by handing over the file; a page of it is asked for
 * (get) and given back (put). Pages lie in an arena, a sealed memory file that
 * clients map for reading only, in blocks of AGENT_BLOCK bytes. What nobody has
 * stays there until the room is needed: then the page goes whose next use by
 * any of its readers is furthest away, as they said when they gave it back;
 * first those that no client is known to want.
 *
 * With a device, what leaves the arena is kept in the device's memory, by the
 * same order, and comes back from there instead of the file, checked: a GPU's
 * memory is so the clients' too, though they compute on the host.
 *
 * The agent has nothing that could be lost: pages are copies of files that the
 * client has too.
 *
 * Messages (formats/wire.h), each answered in order:
 *
 *   {do: "hello", v}             {block, quota} and the arena
 *   {do: "open"} and the file    {pages, space}
 *   {do: "get", page, space}     {at: [block, ...]}
 *   {do: "put", next, now, page, space}   {}   (struct page_time)
 *   {do: "status"}               what page-agent --status prints
 *
 * and {error, code} when it cannot be done. Errors of a client end its
 * connection when it speaks another language; all else goes on.
 */
#ifndef FORMATS_AGENT_H
#define FORMATS_AGENT_H

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>
#include <stdint.h>

enum { AGENT_BLOCK = 1 << 20, AGENT_SPACES = 16 };

struct device;

struct agent_options {
	const char *socket;
	uint64_t memory;        /* bytes of the arena */
	struct device *device;  /* borrowed; NULL: none */
	size_t clients;         /* at a time; each may have that part of the
				 * arena */
	double handshake;       /* seconds until a hello */
	double idle;            /* seconds without a client until the end; 0:
				 * for ever */
	void (*log)(void *ctx, json_t *status); /* when a client has gone;
						 * or NULL */
	void *ctx;
};

struct agent;

/* Listens. E_NOMEM, E_CREATE, E_UNAVAIL. */
int agent_new(struct agent **a, const struct agent_options *o) MUST_CHECK;

/* Until SIGINT, SIGTERM, or idle. */
int agent_run(struct agent *a) MUST_CHECK;
void agent_free(struct agent *a);       /* NULL is fine; removes the socket */

#endif
