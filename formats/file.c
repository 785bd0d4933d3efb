#include "formats/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

/* Linux moves at most 0x7ffff000 bytes a call; a round number below it. */
enum { MOST = 1 << 30 };

static int look(struct file *f, const char *name)
{
	struct stat st;

	if (fstat(f->fd, &st))
		return err_errno(E_IO, "%s", name);
	if (!S_ISREG(st.st_mode))
		return err_set(E_DATA, "%s: not a file: this format is read "
			       "at many places, so it cannot come through a "
			       "pipe", name);
	f->size = (uint64_t)st.st_size;
	f->name = strdup(name);
	return f->name ? 0 : err_set(E_NOMEM, "out of memory");
}

int file_open(struct file *f, const char *path)
{
	int err;

	*f = (struct file){ .fd = open(path, O_RDONLY | O_CLOEXEC) };
	if (f->fd < 0) {
		*f = (struct file){ 0 };
		return err_errno(E_NOINPUT, "%s", path);
	}
	err = look(f, path);
	if (err)
		file_close(f);
	return err;
}

int file_take(struct file *f, struct io_in *in)
{
	int err;

	*f = (struct file){ .fd = in->fd, .in = in };
	err = look(f, in->name);
	if (err)
		file_close(f);
	return err;
}

int file_read(const struct file *f, void *to, size_t n, uint64_t at)
{
	unsigned char *dst = to;

	if (at > f->size || n > f->size - at)
		return err_set(E_DATA, "%s: ends before byte %llu", f->name,
			       (unsigned long long)at + n);
	while (n) {
		ssize_t got = pread(f->fd, dst, n < MOST ? n : MOST,
				    (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(E_IO, "%s", f->name);
		if (!got)
			return err_set(E_DATA, "%s: became shorter while it "
				       "was read", f->name);
		dst += got;
		n -= (size_t)got;
		at += (uint64_t)got;
	}
	return 0;
}

int file_create(struct file *f, const char *path)
{
	*f = (struct file){ .fd = open(path, O_RDWR | O_CREAT | O_EXCL |
				       O_CLOEXEC, 0666) };
	if (f->fd < 0) {
		*f = (struct file){ 0 };
		return err_errno(E_CREATE, "%s", path);
	}
	f->name = strdup(path);
	if (f->name)
		return 0;
	file_close(f);
	return err_set(E_NOMEM, "out of memory");
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
			return err_errno(E_IO, "%s", f->name);
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
		return err_errno(E_IO, "%s", f->name);
	f->size = size;
	return 0;
}

int file_finish(struct file *f)
{
	int err = 0;

	if (fsync(f->fd))
		err = err_errno(E_IO, "%s", f->name);
	if (close(f->fd) && !err)
		err = err_errno(E_IO, "%s", f->name);
	free(f->name);
	*f = (struct file){ 0 };
	return err;
}

void file_close(struct file *f)
{
	if (f->in)
		io_in_close(f->in);
	else if (f->name || f->fd > 0)
		close(f->fd);
	free(f->name);
	*f = (struct file){ 0 };
}
