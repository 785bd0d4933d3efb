#include "adapt/spec.h"

#include <stdlib.h>
#include <string.h>

#include "base/suffix.h"
static struct adapter_site *find(const struct adapter_sites *s,
				 const char *module, size_t n)
{
	for (size_t i = s->n; i-- > 0;) /* it is near the end */
		if (!s->at[i].front && !strncmp(s->at[i].module, module, n) &&
		    !s->at[i].module[n])
			return &s->at[i];
	return NULL;
}

const struct adapter_site *adapter_sites_of(const struct adapter_sites *s,
					    const char *tensor)
{
	size_t n = suffix_stem(tensor, ".weight");

	if (!n)
		n = suffix_stem(tensor, ".bias");
	return n ? find(s, tensor, n) : NULL;
}

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

/* The site of a module, which is a new norm's if it was not there. */
static int site_of(struct adapter_site **to, struct adapter_sites *s,
		   const char *module, size_t n)
{
	const struct adapter_site norm = { .role = ROLE_NORM, .in = 1 };

	*to = find(s, module, n);
	if (*to)
		return 0;
	TRY(add(s, norm, module, n));
	*to = &s->at[s->n - 1];
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
	site.bias = 0;
	return add(s, site, ADAPTER_FRONT, strlen(ADAPTER_FRONT));
}

static int add_bias(struct adapter_sites *s, const struct tensor *t)
{
	size_t n = suffix_stem(t->name, ".bias");
	struct adapter_site *site;

	if (!n || t->rank != 1)
		return 0;
	TRY(site_of(&site, s, t->name, n));
	if (site->role == ROLE_NORM)
		site->out = t->count;
	site->bias = t->count == site->out;
	return 0;
}

int adapter_sites_add(struct adapter_sites *s, const struct tensor *t)
{
	size_t n = suffix_stem(t->name, ".weight");
	struct adapter_site *site;

	if (t->role == ROLE_BIAS)
		return add_bias(s, t);
	if (!n || t->rank != 2 ||
	    (t->role != ROLE_LINEAR && t->role != ROLE_HEAD &&
	     t->role != ROLE_EMBED))
		return 0;
	TRY(site_of(&site, s, t->name, n));
	site->bias = site->bias && site->out == t->shape[0];
	site->role = t->role;
	site->out = t->shape[0];
	site->in = t->shape[1];
	if (t->node[0].kind == STORE_INT && site->in % t->node[0].block == 0)
		site->group = t->node[0].block;
	return t->role == ROLE_EMBED ? add_front(s, *site) : 0;
}

void adapter_sites_release(struct adapter_sites *s)
{
	for (size_t i = 0; i < s->n; i++)
		free((char *)s->at[i].module);
	free(s->at);
	memset(s, 0, sizeof(*s));
}
