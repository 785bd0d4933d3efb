/*
 * io_faults - reads and writes at a place that fail, the n'th of them
 *
 * pread() and pwrite() of this program are those below. Include it once, with
 * _GNU_SOURCE defined before anything else.
 */
#ifndef UNIT_IO_FAULTS_H
#define UNIT_IO_FAULTS_H

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/size.h"

enum how { ERROR, SHORT, END, DAMAGE };

struct fault {
	enum how how;
	int error;              /* errno; EINVAL: of O_DIRECT alone */
	int times;              /* in a row */
	int write;              /* pwrite(), else pread() */
};

enum { ALWAYS = 1 << 20 };

/* Not static, since the C library's headers may have pread() as inline. */
struct fault fault;
static long asked, nth = -1;    /* the first that fails; -1: none */
static int hits;

static int is_direct(int fd)
{
	return (fcntl(fd, F_GETFL) & O_DIRECT) != 0;
}

/* From several threads, with nothing else changed. */
int fails(int fd, int write);

int fails(int fd, int write)
{
	long n;

	if (nth < 0 || fault.write != write ||
	    (fault.error == EINVAL && !is_direct(fd)))
		return 0;
	n = __atomic_fetch_add(&asked, 1, __ATOMIC_RELAXED);
	if (n < nth || n >= nth + fault.times)
		return 0;
	__atomic_add_fetch(&hits, 1, __ATOMIC_RELAXED);
	return 1;
}

/* The C library's own, but for those that fail. */
ssize_t pread(int fd, void *to, size_t n, off_t at)
{
	int hit = fails(fd, 0);
	ssize_t got;

	if (hit && fault.how == END)
		return 0;
	if (hit && fault.how == ERROR) {
		errno = fault.error;
		return -1;
	}
	if (hit && fault.how == SHORT)
		n = size_min(n, 100);
	got = syscall(SYS_pread64, fd, to, n, at);
	if (hit && fault.how == DAMAGE && got > 0)
		((unsigned char *)to)[got / 2] ^= 4;
	return got;
}

ssize_t pwrite(int fd, const void *from, size_t n, off_t at)
{
	int hit = fails(fd, 1);

	if (hit && fault.how == END)
		return 0;
	if (hit && fault.how == ERROR) {
		errno = fault.error;
		return -1;
	}
	if (hit && fault.how == SHORT)
		n = size_min(n, 100);
	return syscall(SYS_pwrite64, fd, from, n, at);
}

#endif
