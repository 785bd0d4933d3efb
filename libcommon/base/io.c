#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "base/size.h"

enum { IO_BUFFER = 256 << 10 };

/* ---- in ---- */

int io_in_open(struct io_in *in, const char *path)
{
	struct stat st;

	memset(in, 0, sizeof(*in));
	in->fd = STDIN_FILENO;
	in->name = "<stdin>";
	if (path && strcmp(path, "-")) {
		in->name = path;
		in->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (in->fd < 0)
			return err_errno(E_NOINPUT, "%s", path);
	}
	if (fstat(in->fd, &st))
		return err_errno(E_NOINPUT, "%s", in->name);
	if (S_ISDIR(st.st_mode))
		return err_set(E_NOINPUT, "%s: is a directory", in->name);
	if (S_ISFIFO(st.st_mode))
		os_pipe_widen(in->fd);
	in->buf = malloc(IO_BUFFER);
	if (!in->buf)
		return err_set(E_NOMEM, "out of memory");
	return 0;
}

static int read_some(struct io_in *in, void *to, size_t n, size_t *got)
{
	ssize_t r;

	do
		r = read(in->fd, to, n);
	while (r < 0 && os_retry(in->fd, 0));
	if (r < 0)
		return err_errno(E_IO, "%s", in->name);
	*got = (size_t)r;
	return 0;
}

/* Fills the buffer until it holds n bytes or the input ends. */
static int fill(struct io_in *in, size_t n)
{
	size_t got = 1;

	memmove(in->buf, in->buf + in->at, in->have - in->at);
	in->have -= in->at;
	in->at = 0;
	while (got && in->have < n) {
		TRY(read_some(in, in->buf + in->have, IO_BUFFER - in->have,
			      &got));
		in->have += got;
	}
	return 0;
}

int io_in_peek(struct io_in *in, const unsigned char **at, size_t n,
	       size_t *got)
{
	if (in->have - in->at < n)
		TRY(fill(in, n));
	*at = in->buf + in->at;
	*got = size_min(n, in->have - in->at);
	return 0;
}

int io_in_read(struct io_in *in, void *to, size_t n, size_t *got)
{
	unsigned char *p = to;
	size_t part = size_min(n, in->have - in->at), more = 1;

	memcpy(p, in->buf + in->at, part);
	in->at += part;
	*got = part;
	while (*got < n && more) {
		if (n - *got >= IO_BUFFER) {
			TRY(read_some(in, p + *got, n - *got, &more));
			*got += more;
			continue;
		}
		in->at = in->have = 0;
		TRY(fill(in, n - *got));
		more = size_min(n - *got, in->have);
		memcpy(p + *got, in->buf, more);
		in->at = more;
		*got += more;
	}
	in->offset += *got;
	return 0;
}

int io_in_place(const struct io_in *in, uint64_t *start)
{
	struct stat st;
	off_t at;

	if (fstat(in->fd, &st) || !S_ISREG(st.st_mode))
		return 0;
	at = lseek(in->fd, 0, SEEK_CUR);
	if (at < 0)
		return 0;
	*start = (uint64_t)at - (in->have - in->at) - in->offset;
	return 1;
}

int io_in_skip(struct io_in *in, uint64_t n)
{
	size_t part = in->have - in->at, got = 1;

	in->offset += n;
	if (n <= part) {
		in->at += (size_t)n;
		return 0;
	}
	n -= part;
	in->at = in->have = 0;
	if (n <= INT64_MAX && lseek(in->fd, (off_t)n, SEEK_CUR) >= 0)
		return 0;
	while (n && got) {
		TRY(read_some(in, in->buf,
			      (size_t)(n < IO_BUFFER ? n : IO_BUFFER), &got));
		n -= got;
	}
	return 0;
}

void io_in_close(struct io_in *in)
{
	if (in->buf && in->fd > STDERR_FILENO)
		close(in->fd);
	free(in->buf);
	memset(in, 0, sizeof(*in));
}

/* ---- whole files ---- */

static int read_all(struct io_in *in, char **text, size_t *size, size_t most)
{
	size_t room = 4096, got = 0;
	char *at = malloc(room + 1), *more;

	*size = 0;
	while (at) {
		*text = at;
		TRY(io_in_read(in, at + *size, room - *size, &got));
		*size += got;
		at[*size] = 0;
		if (*size > most)
			return err_set(E_DATA, "%s: more than %zu bytes",
				       in->name, most);
		if (*size < room)
			return 0;
		room *= 2;
		more = realloc(at, room + 1);
		if (!more)
			break;
		at = more;
	}
	return err_set(E_NOMEM, "out of memory");
}

int io_read_file(char **text, size_t *size, const char *path, size_t most)
{
	struct io_in in;
	int err = io_in_open(&in, path);

	*text = NULL;
	if (!err)
		err = read_all(&in, text, size, most);
	io_in_close(&in);
	if (err) {
		free(*text);
		*text = NULL;
	}
	return err;
}
