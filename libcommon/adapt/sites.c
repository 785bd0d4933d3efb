#include "adapt/spec.h"

#include <stdlib.h>
#include <string.h>

int adapter_sites_add(struct adapter_sites *s, const struct tensor *t)
{
	static const char end[] = ".weight";
	size_t len = strlen(t->name), room = s->room ? 2 * s->room : 64;
	struct adapter_site site = { .role = t->role };

	if (t->rank != 2 || len <= strlen(end) ||
	    strcmp(t->name + len - strlen(end), end) ||
	    (t->role != ROLE_LINEAR && t->role != ROLE_HEAD &&
	     t->role != ROLE_EMBED))
		return 0;
	if (s->n == s->room) {
		void *at = realloc(s->at, room * sizeof(*s->at));

		if (!at)
			return err_set(E_NOMEM, "out of memory");
		s->at = at;
		s->room = room;
	}
	site.out = t->shape[0];
	site.in = t->shape[1];
	if (t->node[0].kind == STORE_INT && site.in % t->node[0].block == 0)
		site.group = t->node[0].block;
	site.module = strndup(t->name, len - strlen(end));
	if (!site.module)
		return err_set(E_NOMEM, "out of memory");
	s->at[s->n++] = site;
	return 0;
}

void adapter_sites_release(struct adapter_sites *s)
{
	for (size_t i = 0; i < s->n; i++)
		free((char *)s->at[i].module);
	free(s->at);
	memset(s, 0, sizeof(*s));
}
