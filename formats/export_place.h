/* export_place - what directories and files that appear whole have in common */
#ifndef FORMATS_EXPORT_PLACE_H
#define FORMATS_EXPORT_PLACE_H

#include "base/err.h"

/* ".<name>.XXXXXX" beside the target, for mkdtemp() or mkstemp(); free it.
 * NULL: no memory. */
char *export_temp_name(const char *target);

/* A directory's entries are on the disk; those of the one that path is in.
 * E_IO. */
int export_sync(const char *dir) MUST_CHECK;
int export_sync_parent(const char *path) MUST_CHECK;

#endif
