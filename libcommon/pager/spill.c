#define _GNU_SOURCE
#include "pager/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statfs.h>
#include <unistd.h>

static const char *folder(void)
{
	const char *dir = getenv("TMPDIR");

	return dir && *dir ? dir : "/var/tmp";
}

/* Where the file system knows no nameless files. */
static int open_named(const char *dir)
{
	char path[4096];
	int fd;

	if (snprintf(path, sizeof(path), "%s/weft.XXXXXX", dir) >=
	    (int)sizeof(path))
		return -1;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		(void)unlink(path);
	return fd;
}

static int check_disk(int fd, const char *dir)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return err_errno(E_CREATE, "%s", dir);
	if (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC)
		return err_set(E_CREATE, "%s is in memory, and pages go there "
			       "to save memory; set TMPDIR to a folder on a "
			       "disk", dir);
	return 0;
}

int spill_open(struct spill *s)
{
	const char *dir = folder();
	int err;

	s->bytes = 0;
	s->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->fd < 0)
		s->fd = open_named(dir);
	if (s->fd < 0)
		return err_errno(E_CREATE, "%s", dir);
	err = check_disk(s->fd, dir);
	if (err)
		spill_close(s);
	return err;
}

void spill_close(struct spill *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

int spill_reserve(struct spill *s, uint64_t bytes)
{
	int err;

	if (bytes <= s->bytes)
		return 0;
	do
		err = posix_fallocate(s->fd, (off_t)s->bytes,
				      (off_t)(bytes - s->bytes));
	while (err == EINTR);
	errno = err;
	if (err)
		return err_errno(E_CREATE, "%s: no room for %llu MiB of "
				 "pages", folder(),
				 (unsigned long long)(bytes >> 20) + 1);
	s->bytes = bytes;
	return 0;
}

int spill_write(const struct spill *s, uint64_t at, const void *from,
		size_t n)
{
	const char *p = from;

	while (n) {
		ssize_t k = pwrite(s->fd, p, n, (off_t)at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return err_errno(E_IO, "%s: pages cannot be written",
					 folder());
		p += k;
		at += (uint64_t)k;
		n -= (size_t)k;
	}
	return 0;
}

int spill_read(const struct spill *s, uint64_t at, void *to, size_t n)
{
	char *p = to;

	while (n) {
		ssize_t k = pread(s->fd, p, n, (off_t)at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return err_errno(E_IO, "%s: pages cannot be read",
					 folder());
		if (!k)
			return err_set(E_IO, "%s: pages are gone", folder());
		p += k;
		at += (uint64_t)k;
		n -= (size_t)k;
	}
	return 0;
}
