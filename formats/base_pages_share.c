/* base_pages_share - pages that come from page-agent */
#include <stdlib.h>

#include "formats/agent_link.h"
#include "formats/base_pages_parts.h"

/* A shared page comes whole. Whatever the agent says, the bytes are in the file
 * too; damage is found, and told, by whoever reads it there. */
static int load(void *ctx, size_t id, size_t i, void *at, void *scratch)
{
	struct base_pages *b = ctx;
	const struct held_page *p = &b->page[id];

	(void)i;
	if (!agent_link_get(b->link, id, at, p->space.bytes)) {
		b->shared[id] = 1;
		return 0;
	}
	TRY(space_take(at, p->space.bytes));
	for (size_t k = 0; k < p->nplace; k++)
		TRY(base_pages_load(b, id, k, at, scratch));
	return 0;
}

static int drop_page(void *ctx, size_t id, void *at, size_t bytes,
		     struct page_time when)
{
	struct base_pages *b = ctx;

	if (!b->shared[id])
		return space_drop(at, bytes);
	b->shared[id] = 0;
	return agent_link_put(b->link, id, at, bytes, when);
}

int base_pages_from_agent(struct base_pages *b, struct held_page *p)
{
	size_t id = (size_t)(p - b->page);

	if (!b->link || agent_link_get(b->link, id, p->space.at,
				       p->space.bytes))
		return 0;
	return b->shared[id] = 1;
}

int base_pages_share(struct base_pages *b, const char *socket)
{
	size_t n;

	if (b->nfile != 1 || !base_pages_in_files(b))
		return err_set(E_DATA, "an agent shares a base that is one "
			       "tensor stream in a file");
	b->shared = calloc(b->npage + 1, 1);
	if (!b->shared)
		return err_set(E_NOMEM, "out of memory");
	TRY(agent_link_open(&b->link, socket, b->file[0].fd, &n));
	b->alone = !b->link;
	if (b->alone)
		return 0;
	if (n != b->npage)
		return err_set(E_UNAVAIL, "the agent sees %zu pages, not %zu",
			       n, b->npage);
	b->backing.load = load;
	b->backing.drop = drop_page;
	for (size_t i = 0; i < b->npage; i++)
		b->out[i].npiece = 1;
	return 0;
}

int base_pages_alone(const struct base_pages *b)
{
	return b && (b->alone || (b->link && agent_link_gone(b->link)));
}

void base_pages_unshare(struct base_pages *b)
{
	agent_link_close(b->link);
	free(b->shared);
}
