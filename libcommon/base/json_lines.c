#include "base/json_lines.h"

#include <stdlib.h>
#include <string.h>

static int write_text(struct io_out *out, json_t *o, int indent)
{
	char *text;
	int err;

	TRY(json_print(&text, o, indent));
	err = io_out_write(out, text, strlen(text));
	free(text);
	return err ? err : io_out_write(out, "\n", 1);
}

int json_lines_open(struct json_lines *l, const char *path, int without)
{
	memset(l, 0, sizeof(*l));
	if (!path && without)
		return 0;
	TRY(io_out_open(&l->out, path, 0));
	l->on = 1;
	return 0;
}

int json_lines_add(void *ctx, json_t *o)
{
	struct json_lines *l = ctx;

	return l->on ? write_text(&l->out, o, 0) : 0;
}

int json_lines_end(struct json_lines *l, int err)
{
	if (!l->on)
		return err;
	l->on = 0;
	if (!err)
		return io_out_commit(&l->out);
	io_out_abandon(&l->out);
	return err;
}

int json_write(const char *path, json_t *o)
{
	struct io_out out;
	int err;

	TRY(io_out_open(&out, path, 0));
	err = write_text(&out, o, 1);
	if (!err)
		return io_out_commit(&out);
	io_out_abandon(&out);
	return err;
}
