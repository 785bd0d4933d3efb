/* io_out - the writing half of io.h */
#define _XOPEN_SOURCE 700
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "base/size.h"

enum { IO_BUFFER = 256 << 10, OPEN_FILES = 64 };

/* Temporary files that exist now; slots are taken and freed under the lock,
 * and read without it by io_cleanup(), which only calls unlink(). */
static const char *volatile unfinished[OPEN_FILES];
static pthread_mutex_t unfinished_lock = PTHREAD_MUTEX_INITIALIZER;

static void remember(const char *was, const char *is)
{
	pthread_mutex_lock(&unfinished_lock);
	for (size_t i = 0; i < OPEN_FILES; i++)
		if (unfinished[i] == was) {
			unfinished[i] = is;
			break;
		}
	pthread_mutex_unlock(&unfinished_lock);
}

void io_cleanup(void)
{
	for (size_t i = 0; i < OPEN_FILES; i++)
		if (unfinished[i])
			(void)unlink(unfinished[i]);
}

static int open_temp(struct io_out *out, const char *path, mode_t mode)
{
	size_t size = strlen(path) + 32;
	char *slash;
	int stem;

	out->temp = malloc(size);
	if (!out->temp)
		return err_set(E_NOMEM, "out of memory");
	slash = strrchr(path, '/');
	stem = slash ? (int)(slash - path) + 1 : 0;
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(out->temp, size, "%.*s.%s.%ld-%u", stem, path,
			 path + stem, (long)getpid(), i);
		out->fd = open(out->temp,
			       O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (out->fd >= 0 || errno != EEXIST)
			break;
	}
	if (out->fd < 0) {
		free(out->temp);
		out->temp = NULL;
		return err_errno(E_CREATE, "%s", path);
	}
	remember(NULL, out->temp);
	if (mode)
		(void)fchmod(out->fd, mode & 07777);
	return 0;
}

/* The file behind a symlink, so that the link stays; NULL: out of memory. */
static char *final_path(const char *path)
{
	char *real = realpath(path, NULL);

	return real ? real : strdup(path);
}

static int open_path(struct io_out *out, const char *path)
{
	struct stat st;
	int exists = !stat(path, &st);

	if (exists && S_ISDIR(st.st_mode))
		return err_set(E_CREATE, "%s: is a directory", path);
	if (exists && !S_ISREG(st.st_mode)) {
		out->fd = open(path, O_WRONLY | O_CLOEXEC);
		if (out->fd < 0)
			return err_errno(E_CREATE, "%s", path);
		return 0;
	}
	out->path = final_path(path);
	if (!out->path)
		return err_set(E_NOMEM, "out of memory");
	return open_temp(out, out->path, exists ? st.st_mode : 0);
}

int io_out_open(struct io_out *out, const char *path, int binary)
{
	struct stat st;

	memset(out, 0, sizeof(*out));
	out->fd = STDOUT_FILENO;
	if (path && strcmp(path, "-"))
		TRY(open_path(out, path));
	else if (binary && isatty(STDOUT_FILENO))
		return err_set(E_USAGE, "refusing to write a tensor stream to "
			       "a terminal (redirect or use -o FILE)");
	else if (fstat(STDOUT_FILENO, &st))
		return err_errno(E_CREATE, "<stdout>");
	else if (S_ISFIFO(st.st_mode))
		os_pipe_widen(STDOUT_FILENO);
	out->buf = malloc(IO_BUFFER);
	if (!out->buf) {
		io_out_abandon(out);
		return err_set(E_NOMEM, "out of memory");
	}
	return 0;
}

static const char *out_name(const struct io_out *out)
{
	return out->path ? out->path : "<output>";
}

static int write_all(struct io_out *out, const unsigned char *p, size_t n)
{
	while (n) {
		ssize_t w = write(out->fd, p, n);

		if (w < 0 && os_retry(out->fd, 1))
			continue;
		if (w < 0)
			return err_errno(E_IO, "%s", out_name(out));
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

int io_out_flush(struct io_out *out)
{
	size_t n = out->have;

	out->have = 0;
	return write_all(out, out->buf, n);
}

int io_out_write(struct io_out *out, const void *from, size_t n)
{
	out->offset += n;
	if (n > IO_BUFFER - out->have)
		TRY(io_out_flush(out));
	if (n >= IO_BUFFER)
		return write_all(out, from, n);
	memcpy(out->buf + out->have, from, n);
	out->have += n;
	return 0;
}

/* After a rename, the folder must reach the disk too. */
static void sync_folder(const char *path)
{
	char *dir = strdup(path), *slash = dir ? strrchr(dir, '/') : NULL;
	int fd;

	if (slash)
		slash[slash == dir] = 0;
	fd = open(slash ? dir : ".", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
	free(dir);
}

static int publish(struct io_out *out)
{
	if (fsync(out->fd) && errno != EINVAL)
		return err_errno(E_IO, "%s", out_name(out));
	if (rename(out->temp, out->path))
		return err_errno(E_CREATE, "%s", out->path);
	remember(out->temp, NULL);
	free(out->temp);
	out->temp = NULL;
	sync_folder(out->path);
	return 0;
}

int io_out_commit(struct io_out *out)
{
	int err = io_out_flush(out), fd;

	if (!err && out->temp)
		err = publish(out);
	fd = out->fd;
	out->fd = -1;
	if (close(fd) && !err)
		err = err_errno(E_IO, "%s", out_name(out));
	io_out_abandon(out);
	return err;
}

void io_out_abandon(struct io_out *out)
{
	int saved = errno;

	if (out->temp) {
		(void)unlink(out->temp);
		remember(out->temp, NULL);
	}
	if (out->fd > STDERR_FILENO)
		close(out->fd);
	free(out->temp);
	free(out->path);
	free(out->buf);
	memset(out, 0, sizeof(*out));
	out->fd = -1;
	errno = saved;
}

int io_write_file(const char *path, const void *from, size_t n)
{
	struct io_out out;
	int err = io_out_open(&out, path, 0);

	if (err)
		return err;
	err = io_out_write(&out, from, n);
	if (err) {
		io_out_abandon(&out);
		return err;
	}
	return io_out_commit(&out);
}
