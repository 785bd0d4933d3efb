/* A stream through pipes that are slow, small and never block. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "tests/unit/st_streams.h"

enum { MANY = 500 };    /* more than a pipe holds */

static char path[] = "/tmp/st_pipe.XXXXXX";

static void write_bytes(int fd, const char *text, size_t n, size_t step)
{
	while (n) {
		ssize_t w = write(fd, text, n < step ? n : step);

		if (w <= 0)
			_exit(1);
		text += w;
		n -= (size_t)w;
	}
	_exit(0);
}

/* The stream's bytes arrive on standard input, so many at a time. */
static int parse_pipe(const char *text, size_t n, size_t step)
{
	int fd[2], saved = dup(STDIN_FILENO), err, status;
	char dash[] = "-";
	pid_t child;

	assert_int_equal(pipe(fd), 0);
	child = fork();
	if (!child) {
		close(fd[0]);
		write_bytes(fd[1], text, n, step);
	}
	close(fd[1]);
	assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(dup2(fd[0], STDIN_FILENO), STDIN_FILENO);
	close(fd[0]);
	err = parse(dash);
	assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
	close(saved);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	return err;
}

static void put_streams(const char *to, size_t count)
{
	struct sink *s;

	assert_int_equal(sink_open(&s, to, NULL), 0);
	for (size_t i = 0; i < count; i++)
		put_stream(s, STREAM_BASE);
	assert_int_equal(sink_close(s), 0);
}

static char *sample(size_t *n, size_t count)
{
	char *text;

	put_streams(path, count);
	assert_int_equal(io_read_file(&text, n, path, 1 << 24), 0);
	return text;
}

static void bytes_come_as_they_like(void **state)
{
	static const size_t step[] = { 1, 7, 4096, 1 << 20 };
	size_t n;
	char *text = sample(&n, 2);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(parse_pipe(text, n, step[i]), 0);
		assert_int_equal(parse_pipe(text, n - 1, step[i]), E_DATA);
	}
	free(text);
}

/* Reads standard output's other end, late and slowly, and compares. */
static void read_bytes(int fd, const char *want, size_t n)
{
	const struct timespec late = { 0, 200000000 };
	char c[61];
	size_t at = 0;
	ssize_t r;

	nanosleep(&late, NULL);
	while ((r = read(fd, c, sizeof(c))) > 0) {
		if (at + (size_t)r > n || memcmp(want + at, c, (size_t)r))
			_exit(1);
		at += (size_t)r;
	}
	_exit(at != n);
}

static void bytes_go_as_they_can(void **state)
{
	int fd[2], saved, status;
	size_t n;
	char *text = sample(&n, MANY);
	pid_t child;

	(void)state;
	fflush(stdout);
	saved = dup(STDOUT_FILENO);
	assert_int_equal(pipe(fd), 0);
	child = fork();
	if (!child) {
		close(fd[1]);
		read_bytes(fd[0], text, n);
	}
	close(fd[0]);
	assert_int_equal(fcntl(fd[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(dup2(fd[1], STDOUT_FILENO), STDOUT_FILENO);
	close(fd[1]);
	put_streams(NULL, MANY);
	assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
	close(saved);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_come_as_they_like),
		cmocka_unit_test(bytes_go_as_they_can),
	};
	int failed;

	close(mkstemp(path));
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
