/*
 * file - a file that is read, or written, at any place
 *
 * The foreign formats keep their tensors in no useful order, so their readers
 * need places; streams need none and go through base/io.h.
 */
#ifndef FORMATS_FILE_H
#define FORMATS_FILE_H

#include "base/err.h"
#include "base/io.h"

#include <stddef.h>
#include <stdint.h>

struct file {
	int fd;
	char *name;             /* begins messages; NULL: others name it */
	uint64_t size;
	int open;
	struct io_in in;        /* what it was taken from, closed with it */
};

/* The file name in the folder dir. Messages begin with name. E_NOINPUT;
 * E_DATA: not a regular file. */
int file_open(struct file *f, const char *dir, const char *name) MUST_CHECK;

/* The file behind an opened input, of which bytes may have been read already;
 * takes what in holds, also when it fails. Messages do not name it. E_DATA: a
 * pipe, which has no places. */
int file_take(struct file *f, struct io_in *in) MUST_CHECK;

/* Exactly n bytes at a place. E_DATA: the file ends before; E_IO. */
int file_read(const struct file *f, void *to, size_t n,
	      uint64_t at) MUST_CHECK;

/* A new file, which must not be there. E_CREATE. */
int file_create(struct file *f, const char *path) MUST_CHECK;

/* E_IO. size grows with what is written. */
int file_write(struct file *f, const void *from, size_t n,
	       uint64_t at) MUST_CHECK;

/* Makes it end at size. E_IO. */
int file_cut(struct file *f, uint64_t size) MUST_CHECK;

/* Syncs and closes what was written. E_IO. */
int file_finish(struct file *f) MUST_CHECK;

/* Puts the file's name before a message, if it has one; returns err. */
int file_named(const struct file *f, int err);

void file_close(struct file *f);        /* safe on a zeroed struct */

#endif
