/* agent_space - bases that clients have opened, and their pages */
#include "formats/agent_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/base_pages.h"

void agent_space_free(struct agent_space *s)
{
	if (!s)
		return;
	for (size_t i = 0; s->page && i < s->owner->n; i++) {
		agent_forget(&s->page[i]);
		free(s->page[i].block);
	}
	collection_release(&s->base);
	free(s->page);
	free(s);
}

/* ---- opening ---- */

struct opening {
	uv_work_t work;
	struct agent_client *client;
	struct agent_space *space;
	int file, err;
	char message[200];
};

static int make_pages(struct agent_space *s)
{
	s->owner = s->base.base.tensors.pages;
	if (!s->base.base.present || !s->owner || !s->owner->n)
		return err_set(E_DATA, "no base with matrices");
	s->page = calloc(s->owner->n, sizeof(*s->page));
	if (!s->page)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < s->owner->n; i++) {
		size_t n = agent_blocks(s->owner->page[i].bytes);

		if (!s->owner->page[i].npiece)
			return err_set(E_DATA, "a matrix without bytes");
		s->page[i].block = calloc(n, sizeof(uint32_t));
		if (!s->page[i].block)
			return err_set(E_NOMEM, "out of memory");
	}
	return 0;
}

/* Pages that are in no file would be the agent's own memory. */
static void open_file(uv_work_t *work)
{
	struct opening *o = work->data;
	char path[64];
	char *const paths[] = { path, NULL };

	snprintf(path, sizeof(path), "/proc/self/fd/%d", o->file);
	o->err = collect_paged(&o->space->base, paths, 1);
	if (!o->err && !base_pages_in_files(o->space->base.base.pages))
		o->err = err_set(E_DATA, "not a tensor stream in a file");
	if (!o->err)
		o->err = make_pages(o->space);
	if (o->err)
		snprintf(o->message, sizeof(o->message), "%s", err_text());
}

static struct agent_space *find(const struct agent *a, dev_t device,
				ino_t inode, off_t size,
				const struct timespec *changed)
{
	struct agent_space *s = a->space;

	while (s && (s->device != device || s->inode != inode ||
		     s->size != size || s->changed.tv_sec != changed->tv_sec ||
		     s->changed.tv_nsec != changed->tv_nsec))
		s = s->after;
	return s;
}

/* Another client may have opened the same file meanwhile: then theirs is it. */
static void add_space(struct agent *a, struct agent_space **new)
{
	struct agent_space *s = *new;
	struct agent_space *there = find(a, s->device, s->inode, s->size,
					 &s->changed);

	if (there) {
		agent_space_free(s);
		*new = there;
		return;
	}
	s->after = a->space;
	a->space = s;
}

static void file_opened(uv_work_t *work, int status)
{
	struct opening *o = work->data;
	struct agent *a = o->client->agent;

	(void)status;
	close(o->file);
	if (o->err) {
		agent_space_free(o->space);
		o->space = NULL;
		err_set(o->err, "%s", o->message);
	} else {
		add_space(a, &o->space);
	}
	agent_opened(o->client, o->space, o->err);
	free(o);
}

static int start_opening(struct agent_client *c, int file,
			 const struct stat *st)
{
	struct opening *o = calloc(1, sizeof(*o));
	struct agent_space *s = calloc(1, sizeof(*s));

	if (!o || !s) {
		free(o);
		free(s);
		return err_set(E_NOMEM, "out of memory");
	}
	*s = (struct agent_space){ .device = st->st_dev, .inode = st->st_ino,
				   .size = st->st_size,
				   .changed = st->st_ctim };
	*o = (struct opening){ .client = c, .space = s, .file = file };
	o->work.data = o;
	if (uv_queue_work(&c->agent->loop, &o->work, open_file,
			  file_opened)) {
		free(o);
		free(s);
		return err_set(E_UNAVAIL, "no thread");
	}
	c->wait.opening = 1;
	return 0;
}

int agent_open(struct agent_client *c, int file)
{
	struct agent_space *s;
	struct stat st;
	int err;

	if (file < 0 || fstat(file, &st) || !S_ISREG(st.st_mode))
		err = err_set(E_DATA, "open: no file");
	else if (c->nspace == AGENT_SPACES)
		err = err_set(E_DATA, "open: %d bases are open", AGENT_SPACES);
	else if ((s = find(c->agent, st.st_dev, st.st_ino, st.st_size,
			   &st.st_ctim)))
		agent_opened(c, s, err = 0);
	else if (!(err = start_opening(c, file, &st)))
		return 0;
	if (file >= 0)
		close(file);
	return err;
}
