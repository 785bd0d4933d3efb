/* st_names - have we had a tensor of this name? A set of 64-bit hashes: names
 * that collide by design are refused, which harms only their author. */
#ifndef FORMATS_ST_NAMES_H
#define FORMATS_ST_NAMES_H

#include "base/err.h"

struct st_names;

int st_names_new(struct st_names **s) MUST_CHECK;       /* E_NOMEM */
void st_names_free(struct st_names *s);                 /* NULL is fine */
void st_names_clear(struct st_names *s);

/* E_DATA: it is there. E_NOMEM. */
int st_names_add(struct st_names *s, const char *name) MUST_CHECK;

#endif
