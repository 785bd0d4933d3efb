#include "formats/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Linux moves at most 0x7ffff000 bytes a call; a round number below it. */
enum { MOST = 1 << 30 };

int file_named(const struct file *f, int err)
{
	return err && f->name ? err_at(err, "%s", f->name) : err;
}

static int failed(const struct file *f, int code, const char *what)
{
	return file_named(f, err_errno(code, "%s", what));
}

static int look(struct file *f)
{
	struct stat st;

	if (fstat(f->fd, &st))
		return failed(f, E_IO, "reading");
	if (!S_ISREG(st.st_mode))
		return file_named(f, err_set(E_DATA, "no file: this format is "
					     "read at many places, and cannot "
					     "come through a pipe"));
	f->size = (uint64_t)st.st_size;
	return 0;
}

static int set_name(struct file *f, const char *name)
{
	f->name = strdup(name);
	return f->name ? 0 : err_set(E_NOMEM, "out of memory");
}

static int open_at(struct file *f, const char *dir, const char *name)
{
	int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return err_errno(E_NOINPUT, "%s", name);
	/* A pipe that nobody writes to is refused, not waited for. */
	f->fd = openat(folder, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	f->open = f->fd >= 0;
	if (!f->open)
		err_errno(E_NOINPUT, "%s", name);
	close(folder);
	return f->open ? 0 : E_NOINPUT;
}

int file_open(struct file *f, const char *dir, const char *name)
{
	int err;

	*f = (struct file){ 0 };
	err = open_at(f, dir, name);
	if (!err)
		err = set_name(f, name);
	if (!err)
		err = look(f);
	if (err)
		file_close(f);
	return err;
}

int file_take(struct file *f, struct io_in *in)
{
	int err;

	*f = (struct file){ .fd = in->fd, .open = 1, .in = *in };
	memset(in, 0, sizeof(*in));
	err = look(f);
	if (err)
		file_close(f);
	return err;
}

int file_read(const struct file *f, void *to, size_t n, uint64_t at)
{
	unsigned char *dst = to;

	if (at > f->size || n > f->size - at)
		return file_named(f, err_set(E_DATA, "ends before byte %llu",
					     (unsigned long long)at + n));
	while (n) {
		ssize_t got = pread(f->fd, dst, n < MOST ? n : MOST,
				    (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return failed(f, E_IO, "reading");
		if (!got)
			return file_named(f, err_set(E_DATA, "became shorter "
						     "while it was read"));
		dst += got;
		n -= (size_t)got;
		at += (uint64_t)got;
	}
	return 0;
}

int file_create(struct file *f, const char *path)
{
	int err;

	*f = (struct file){ 0 };
	f->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	f->open = f->fd >= 0;
	err = f->open ? set_name(f, path) : err_errno(E_CREATE, "%s", path);
	if (err)
		file_close(f);
	return err;
}

int file_write(struct file *f, const void *from, size_t n, uint64_t at)
{
	const unsigned char *src = from;

	while (n) {
		ssize_t done = pwrite(f->fd, src, n < MOST ? n : MOST,
				      (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return failed(f, E_IO, "writing");
		src += done;
		n -= (size_t)done;
		at += (uint64_t)done;
	}
	if (at > f->size)
		f->size = at;
	return 0;
}

int file_cut(struct file *f, uint64_t size)
{
	if (ftruncate(f->fd, (off_t)size))
		return failed(f, E_IO, "writing");
	f->size = size;
	return 0;
}

int file_finish(struct file *f)
{
	int err = 0;

	if (fsync(f->fd))
		err = failed(f, E_IO, "writing");
	if (close(f->fd) && !err)
		err = failed(f, E_IO, "writing");
	f->open = 0;
	file_close(f);
	return err;
}

void file_close(struct file *f)
{
	if (f->in.buf || f->in.name)
		io_in_close(&f->in);
	else if (f->open)
		close(f->fd);
	free(f->name);
	*f = (struct file){ 0 };
}
