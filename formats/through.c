#include "formats/through.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAME = 512 };

struct place {
	char dir[NAME - 16], in[NAME], out[NAME];
};

static int make_place(struct place *p)
{
	const char *tmp = getenv("TMPDIR");

	if (!tmp || !*tmp)
		tmp = "/tmp";
	if (snprintf(p->dir, sizeof(p->dir), "%s/weft.XXXXXX", tmp) >=
	    (int)sizeof(p->dir))
		return err_set(E_CREATE, "TMPDIR is too long a name");
	if (!mkdtemp(p->dir)) {
		p->dir[0] = 0;
		return err_errno(E_CREATE, "%s", tmp);
	}
	snprintf(p->in, sizeof(p->in), "%s/in", p->dir);
	snprintf(p->out, sizeof(p->out), "%s/out", p->dir);
	return 0;
}

static void remove_place(const struct place *p)
{
	if (!p->dir[0])
		return;
	(void)unlink(p->in);
	(void)unlink(p->out);
	(void)rmdir(p->dir);
}

static int write_file(const char *path, through_write *write, void *ctx)
{
	struct sink *to = NULL;
	int err = sink_open(&to, path, &(struct sink_options){ 0 });

	if (!err)
		err = write(ctx, to);
	if (!err)
		return sink_close(to);
	sink_abort(to, err, "filter");
	return err;
}

/* In the child: only calls that a forked thread may make. */
static void become(const char *command, const struct place *p)
{
	int in = open(p->in, O_RDONLY);
	int out = open(p->out, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (in >= 0 && out >= 0 && dup2(in, 0) == 0 && dup2(out, 1) == 1)
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static int run(const char *command, const struct place *p)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return err_errno(E_NOMEM, "%s", command);
	if (!child)
		become(command, p);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return err_errno(E_IO, "%s", command);
	if (WIFSIGNALED(status))
		return err_set(E_DATA, "the filter '%s' was ended by signal "
			       "%d", command, WTERMSIG(status));
	if (WEXITSTATUS(status))
		return err_set(E_DATA, "the filter '%s' failed, status %d",
			       command, WEXITSTATUS(status));
	return 0;
}

int through(struct collection *back, const char *command,
	    through_write *write, void *ctx)
{
	struct place p;
	char *paths[] = { p.out, NULL };
	int err;

	memset(back, 0, sizeof(*back));
	err = make_place(&p);
	if (!err)
		err = write_file(p.in, write, ctx);
	if (!err)
		err = run(command, &p);
	if (!err && collect(back, paths))
		err = err_at(E_DATA, "the filter '%s'", command);
	if (!err && back->nadapter != 1)
		err = err_set(E_DATA, "the filter '%s' printed %zu adapters, "
			      "want one", command, back->nadapter);
	remove_place(&p);
	return err;
}
