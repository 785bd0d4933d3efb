/*
 * io - bytes in and out, every call checked
 *
 * An output that is a regular file appears under its name only when it is
 * whole: it is written beside it (temporary name, mode of the file that it
 * replaces), synced, renamed, and the folder synced. Standard output and
 * what is no regular file (/dev/null, a FIFO) are written directly.
 */
#ifndef BASE_IO_H
#define BASE_IO_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct io_in {
	int fd;
	const char *name;       /* for messages; "<stdin>" */
	uint64_t offset;        /* bytes read so far */
	unsigned char *buf;
	size_t have, at;
};

/* NULL or "-" is standard input. E_NOINPUT. */
int io_in_open(struct io_in *in, const char *path) MUST_CHECK;

/* Reads up to n bytes; *got < n only at the end of the input. E_IO. */
int io_in_read(struct io_in *in, void *to, size_t n, size_t *got) MUST_CHECK;

/* Leaves out n bytes, without reading them where the input can be moved in; an
 * end before that is seen by the next read only. E_IO. */
int io_in_skip(struct io_in *in, uint64_t n) MUST_CHECK;

/* Looks at the first n <= 4096 bytes that come next, without taking them. */
int io_in_peek(struct io_in *in, const unsigned char **at, size_t n,
	       size_t *got) MUST_CHECK;

/* 1: the input is a file that can be read again; *start is the place in it of
 * the input's first byte. */
int io_in_place(const struct io_in *in, uint64_t *start);

void io_in_close(struct io_in *in);     /* safe on a zeroed struct */

struct io_out {
	int fd;
	char *path, *temp;      /* NULL for a direct output */
	uint64_t offset;
	unsigned char *buf;
	size_t have;
};

/*
 * NULL or "-" is standard output; binary: refuse a terminal (E_USAGE).
 * E_CREATE.
 */
int io_out_open(struct io_out *out, const char *path, int binary) MUST_CHECK;
int io_out_write(struct io_out *out, const void *from, size_t n) MUST_CHECK;

/* What was written so far leaves the buffer. E_IO. */
int io_out_flush(struct io_out *out) MUST_CHECK;

/* Flushes, syncs, renames, closes. E_IO. */
int io_out_commit(struct io_out *out) MUST_CHECK;

/* Removes what was written; safe on a zeroed or committed struct. Temporary
 * files of all open outputs are also removed when a signal ends the process,
 * by io_cleanup(), which is async-signal-safe. */
void io_out_abandon(struct io_out *out);
void io_cleanup(void);

/* A whole file, at most most bytes (E_DATA), with a 0 after its end that
 * *size does not count. Free it with free(). E_NOINPUT, E_IO, E_NOMEM. */
int io_read_file(char **text, size_t *size, const char *path,
		 size_t most) MUST_CHECK;

/* Writes a whole file in the way above. */
int io_write_file(const char *path, const void *from, size_t n) MUST_CHECK;

#endif
