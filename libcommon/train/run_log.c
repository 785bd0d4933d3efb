#include "train/run_log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

enum { MOST = 1 << 30 }; /* bytes of a log that is read back */

static int write_all(struct run_log *l, const char *text, size_t n)
{
	while (n) {
		ssize_t done = write(l->fd, text, n);

		if (done <= 0)
			return err_errno(E_IO, "%s", l->path);
		text += done;
		n -= (size_t)done;
	}
	return 0;
}

/* The bytes of the lines up to step; a line without a step is kept, one that
 * is no JSON ends what is. */
static size_t kept(const char *text, size_t size, uint64_t step)
{
	size_t at = 0;

	while (at < size) {
		const char *end = memchr(text + at, '\n', size - at);
		size_t len = end ? (size_t)(end - text) - at : 0;
		json_t *line;
		double is;

		if (!end || json_parse(&line, text + at, len))
			break;
		is = json_number(line, "step", 0);
		json_decref(line);
		if (is > (double)step)
			break;
		at += len + 1;
	}
	return at;
}

/* Is it a file that can be cut? */
static int is_regular(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode);
}

int run_log_open(struct run_log *l, const char *path, uint64_t step)
{
	char *text = NULL;
	size_t size = 0, keep = 0;
	int old = path && step && is_regular(path);

	*l = (struct run_log){ -1, path };
	if (!path)
		return 0;
	if (old) {
		TRY(io_read_file(&text, &size, path, MOST));
		keep = kept(text, size, step);
		free(text);
	}
	l->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC |
			   (old ? 0 : O_TRUNC), 0666);
	if (l->fd < 0)
		return err_errno(E_CREATE, "%s", path);
	if (old && ftruncate(l->fd, (off_t)keep))
		return err_errno(E_IO, "%s", path);
	return 0;
}

int run_log_line(struct run_log *l, json_t *line)
{
	char *text;
	size_t n;
	int err;

	if (l->fd < 0)
		return 0;
	TRY(json_print(&text, line, 0));
	n = strlen(text);
	text[n] = '\n'; /* its end is not needed any more */
	err = write_all(l, text, n + 1);
	free(text);
	return err;
}

int run_log_close(struct run_log *l)
{
	int fd = l->fd;

	l->fd = -1;
	if (fd >= 0 && close(fd))
		return err_errno(E_IO, "%s", l->path);
	return 0;
}
