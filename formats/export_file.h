/*
 * export_file - a file that is written at any place and appears whole, or not
 * at all
 */
#ifndef FORMATS_EXPORT_FILE_H
#define FORMATS_EXPORT_FILE_H

#include "formats/file.h"

struct export_file {
	const char *target;     /* borrowed */
	char *temp;             /* beside it, hidden; NULL: it is in place */
	struct file file;       /* open, empty */
};

/* E_CREATE: the place is taken, unless force, or cannot be written; it is no
 * regular file. */
int export_file_begin(struct export_file *f, const char *target,
		      int force) MUST_CHECK;

/* Puts the file in its place, on the disk. E_IO, E_CREATE. */
int export_file_commit(struct export_file *f) MUST_CHECK;

/* Removes what was written, if it is not in its place; safe on zeroes. */
void export_file_release(struct export_file *f);

#endif
