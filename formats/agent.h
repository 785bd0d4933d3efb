/*
 * agent - what page-agent serves: bases that several programs read, under one
 * budget of memory
 *
 * A client opens a base by handing over the file; a page of it is asked for
 * (get) and given back (put). Pages lie in an arena, a sealed memory file that
 * clients map for reading only, in blocks of AGENT_BLOCK bytes. What nobody has
 * stays there until the room is needed: then the page goes whose next use is
 * furthest away, as its last reader said; first those of a base that no client
 * has open. The agent has nothing that could be
 * lost: pages are copies of files that the client has too.
 *
 * Messages (formats/wire.h), each answered in order:
 *
 *   {do: "hello", v}             {block, quota} and the arena
 *   {do: "open"} and the file    {pages, space}
 *   {do: "get", page, space}     {at: [block, ...]}
 *   {do: "put", next, page, space}   {}
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

struct agent_options {
	const char *socket;
	uint64_t memory;        /* bytes of the arena */
	size_t clients;         /* at a time; each may have that part of it */
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
