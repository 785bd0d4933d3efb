/* System calls that fail, at every one in turn: the old file stays. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/opt.h"
#include "formats/filter.h"
#include "tests/unit/st_streams.h"

enum call { CALL_READ, CALL_WRITE, CALL_FSYNC, CALL_RENAME };

static enum call broken;        /* which call fails */
static long left = -1;          /* after so many that do not; -1: never */
static int failure, short_by;   /* its errno; or bytes that it leaves out */
static int failed;

static int fails(enum call call)
{
	if (call != broken || left < 0 || left-- > 0)
		return 0;
	failed = 1;
	errno = failure;
	return 1;
}

/* The C library's own, but for the one that fails. */
ssize_t read(int fd, void *to, size_t n)
{
	if (fails(CALL_READ)) {
		if (!short_by)
			return -1;
		n = n > (size_t)short_by ? n - (size_t)short_by : n;
	}
	return syscall(SYS_read, fd, to, n);
}

ssize_t write(int fd, const void *from, size_t n)
{
	if (fails(CALL_WRITE)) {
		if (!short_by)
			return -1;
		n = n > (size_t)short_by ? n - (size_t)short_by : n;
	}
	return syscall(SYS_write, fd, from, n);
}

/* The folder's, after the renaming, is a courtesy: it may fail. */
int fsync(int fd)
{
	struct stat st;

	if (!fstat(fd, &st) && S_ISDIR(st.st_mode))
		return 0;
	return fails(CALL_FSYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
	return fails(CALL_RENAME) ? -1 : (int)syscall(SYS_rename, from, to);
}

static char in[64], out[64], dir[] = "/tmp/st_faults.XXXXXX";
static struct opt own[] = { { 0 } };
static const struct opt_program program = { "test", .own = own };

static int load_and_pass(void *ctx, struct source *from,
			 const struct item *item, struct sink *to)
{
	(void)ctx;
	TRY(source_load(from));
	return sink_pass(to, from, item);
}

static int run(void)
{
	struct filter f = { .kind = STREAM_BASE, .tensor = load_and_pass };
	char *paths[] = { in, NULL };

	opt_common.output = out;
	return filter_run(&f, &program, paths, NULL);
}

static void write_large(const char *path)
{
	size_t shape[] = { 3, 100000 };
	struct tensor t;
	struct sink *s;

	assert_int_equal(sink_open(&s, path, NULL), 0);
	assert_int_equal(sink_head(s, STREAM_BASE), 0);
	for (int i = 0; i < 4; i++) {
		char name[2] = { (char)('a' + i), 0 };

		assert_int_equal(tensor_init(&t, name, ROLE_LINEAR, DTYPE_U8,
					     2, shape), 0);
		fill_parts(&t);
		assert_int_equal(sink_tensor(s, &t), 0);
		tensor_release(&t);
	}
	assert_int_equal(sink_end(s, NULL), 0);
	assert_int_equal(sink_close(s), 0);
}

static void check_old(int err)
{
	char *text;
	size_t n;

	assert_int_equal(io_read_file(&text, &n, out, 1 << 24), 0);
	if (n != 6 || memcmp(text, "before", 6))
		fail_msg("after error %d the old file is gone", err);
	free(text);
}

/* Files in the folder: in and out, and no temporary one. */
static void check_folder(void)
{
	char command[128];

	snprintf(command, sizeof(command), "[ $(ls -A %s | wc -l) -eq 2 ]",
		 dir);
	assert_int_equal(system(command), 0);
}

/* Every call of this kind fails once; returns how many there were. */
static long each(enum call call, int error, int less, int wanted)
{
	for (long n = 0;; n++) {
		int err, hit;

		assert_int_equal(io_write_file(out, "before", 6), 0);
		broken = call;
		failure = error;
		short_by = less;
		failed = 0;
		left = n;
		err = run();
		left = -1;
		hit = failed;
		if (!hit || !wanted) {
			assert_int_equal(err, 0);
			assert_int_equal(parse(out), 0);
		}
		if (!hit)
			return n;
		if (err != wanted)
			fail_msg("call %ld: %d %s, want %d", n, err,
				 err ? err_text() : "", wanted);
		if (err)
			check_old(err);
		check_folder();
	}
}

static void failed_writes_leave_the_old_file(void **state)
{
	(void)state;
	assert_true(each(CALL_WRITE, EIO, 0, E_IO) > 3);
	assert_true(each(CALL_WRITE, ENOSPC, 0, E_IO) > 3);
	assert_true(each(CALL_FSYNC, EIO, 0, E_IO) == 1);
	assert_true(each(CALL_RENAME, EACCES, 0, E_CREATE) > 0);
}

static void failed_reads_are_errors(void **state)
{
	(void)state;
	assert_true(each(CALL_READ, EIO, 0, E_IO) > 3);
}

static void interrupted_and_short_calls_go_on(void **state)
{
	(void)state;
	assert_true(each(CALL_READ, EINTR, 0, 0) > 3);
	assert_true(each(CALL_WRITE, EINTR, 0, 0) > 3);
	assert_true(each(CALL_READ, 0, 100, 0) > 3);
	assert_true(each(CALL_WRITE, 0, 100, 0) > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failed_writes_leave_the_old_file),
		cmocka_unit_test(failed_reads_are_errors),
		cmocka_unit_test(interrupted_and_short_calls_go_on),
	};
	int bad;

	if (!mkdtemp(dir))
		return 1;
	snprintf(in, sizeof(in), "%s/in", dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	write_large(in);
	bad = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(in);
	unlink(out);
	rmdir(dir);
	return bad;
}
