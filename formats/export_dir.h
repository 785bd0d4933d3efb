/*
 * export_dir - a directory that appears whole, or not at all
 */
#ifndef FORMATS_EXPORT_DIR_H
#define FORMATS_EXPORT_DIR_H

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>

struct export_dir {
	char *target, *temp;    /* temp: beside target, hidden */
	int force;
};

/* E_CREATE: the place is taken by files, or cannot be written. */
int export_dir_begin(struct export_dir *d, const char *target,
		     int force) MUST_CHECK;

/* The path of a file in the unfinished directory; free it. NULL: no memory */
char *export_dir_path(const struct export_dir *d, const char *name);

/* Writes a small file. The name is a plain one, or a plain one behind
 * "additional_chat_templates/"; else E_DATA. */
int export_dir_write(const struct export_dir *d, const char *name,
		     const void *bytes, size_t n) MUST_CHECK;
int export_dir_json(const struct export_dir *d, const char *name,
		    json_t *root) MUST_CHECK;

/* Renames a file inside. */
int export_dir_rename(const struct export_dir *d, const char *from,
		      const char *to) MUST_CHECK;

/* Puts the directory in its place. */
int export_dir_commit(struct export_dir *d) MUST_CHECK;

/* Removes what was written, if it is not in its place; safe on zeroes. */
void export_dir_release(struct export_dir *d);

#endif
