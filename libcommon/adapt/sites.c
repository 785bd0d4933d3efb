#include "adapt/spec.h"

#include <stdlib.h>
#include <string.h>

/* Takes the module's name of n bytes. */
static int add(struct adapter_sites *s, struct adapter_site site,
	       const char *module, size_t n)
{
	size_t room = s->room ? 2 * s->room : 64;

	if (s->n == s->room) {
		void *at = realloc(s->at, room * sizeof(*s->at));

		if (!at)
			return err_set(E_NOMEM, "out of memory");
		s->at = at;
		s->room = room;
	}
	site.module = strndup(module, n);
	if (!site.module)
		return err_set(E_NOMEM, "out of memory");
	s->at[s->n++] = site;
	return 0;
}

/* The place before the sequences comes with the first embedding, which is
 * that of the tokens. */
static int add_front(struct adapter_sites *s, struct adapter_site site)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].front)
			return 0;
	site.front = 1;
	return add(s, site, ADAPTER_FRONT, strlen(ADAPTER_FRONT));
}

int adapter_sites_add(struct adapter_sites *s, const struct tensor *t)
{
	static const char end[] = ".weight";
	size_t len = strlen(t->name);
	struct adapter_site site = { .role = t->role };

	if (t->rank != 2 || len <= strlen(end) ||
	    strcmp(t->name + len - strlen(end), end) ||
	    (t->role != ROLE_LINEAR && t->role != ROLE_HEAD &&
	     t->role != ROLE_EMBED))
		return 0;
	site.out = t->shape[0];
	site.in = t->shape[1];
	if (t->node[0].kind == STORE_INT && site.in % t->node[0].block == 0)
		site.group = t->node[0].block;
	TRY(add(s, site, t->name, len - strlen(end)));
	return t->role == ROLE_EMBED ? add_front(s, site) : 0;
}

void adapter_sites_release(struct adapter_sites *s)
{
	for (size_t i = 0; i < s->n; i++)
		free((char *)s->at[i].module);
	free(s->at);
	memset(s, 0, sizeof(*s));
}
