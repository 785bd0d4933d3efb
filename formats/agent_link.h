/*
 * agent_link - a program's connection to page-agent, for one base
 *
 * From any thread; one request at a time. When the agent is gone, what is asked
 * for fails with E_UNAVAIL, and the program goes on alone: what is mapped
 * stays.
 */
#ifndef FORMATS_AGENT_LINK_H
#define FORMATS_AGENT_LINK_H

#include "base/json.h"
#include "pager/pages.h"

#include <stddef.h>
#include <stdint.h>

struct agent_link;

/* file: the base; it stays the caller's. *pages: how many the agent found. *l
 * NULL: there was an agent, but it has died, or does so now. E_UNAVAIL, E_DATA.
 */
int agent_link_open(struct agent_link **l, const char *socket, int file,
		    size_t *pages) MUST_CHECK;
void agent_link_close(struct agent_link *l);    /* NULL is fine */

/* Has it been found gone? */
int agent_link_gone(struct agent_link *l);

/* The page's bytes, to be read only, at these addresses. E_NOMEM: the agent has
 * no room for them; E_UNAVAIL; else why they cannot be loaded. */
int agent_link_get(struct agent_link *l, size_t page, void *at,
		   size_t bytes) MUST_CHECK;

/* The addresses are left without memory. Waits for no request of another
 * thread: that one tells the agent then. E_NOMEM. */
int agent_link_put(struct agent_link *l, size_t page, void *at, size_t bytes,
		   struct page_time when) MUST_CHECK;

/* The agent at that socket, as it says of itself; a new reference. */
int agent_link_status(json_t **status, const char *socket) MUST_CHECK;

#endif
