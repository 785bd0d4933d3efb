#include "formats/source.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/size.h"
#include "formats/sink_record.h"
#include "formats/source_formats.h"
#include "formats/st_header.h"

enum { HEAD = 4096 };           /* bytes that a probe sees */

#define SOURCE_ROW(name) &format_##name,
static const struct source_format *const format[] = {
	SOURCE_FORMATS(SOURCE_ROW)
};

struct source {
	char *const *paths;     /* NULL-terminated; borrowed */
	size_t at;              /* of the next to open */
	const char *name;
	const struct source_format *row; /* NULL: none is open */
	void *self;
	struct item item;
	int loaded;             /* the current tensor has been */
	int trust;
	int keep_blocks;
	int err;                /* the first failure, and what it was */
	char *err_text;
	struct input_digest *input;
	size_t ninput, input_room;
	struct digest *content; /* of a stream whose format knows none */
	struct msg_out header;
};

static char dash[] = "-";
static char *const standard_input[] = { dash, NULL };

static int is_standard(const char *path)
{
	return !strcmp(path, "-");
}

/* All of them, before anything is written. */
static int check_paths(char *const *paths)
{
	struct stat st;

	for (; *paths; paths++) {
		if (is_standard(*paths)) {
			if (isatty(STDIN_FILENO))
				return err_set(E_USAGE, "no input: standard "
					       "input is a terminal");
		} else if (stat(*paths, &st)) {
			return err_errno(E_NOINPUT, "%s", *paths);
		}
	}
	return 0;
}

int source_open(struct source **s, char *const *paths)
{
	struct source *new;
	int err;

	*s = NULL;
	if (!paths || !*paths)
		paths = standard_input;
	TRY(check_paths(paths));
	new = calloc(1, sizeof(*new));
	if (!new)
		return err_set(E_NOMEM, "out of memory");
	new->paths = paths;
	new->name = is_standard(paths[0]) ? "<stdin>" : paths[0];
	err = digest_new(&new->content);
	if (err) {
		source_close(new);
		return err;
	}
	*s = new;
	return 0;
}

void source_close(struct source *s)
{
	if (!s)
		return;
	if (s->row)
		s->row->close(s->self);
	digest_free(s->content);
	msg_release(&s->header);
	free(s->err_text);
	free(s->input);
	free(s);
}

void source_trust(struct source *s)
{
	s->trust = 1;
}

void source_keep_blocks(struct source *s)
{
	s->keep_blocks = 1;
}

const char *source_name(const struct source *s)
{
	return s->name;
}

size_t source_inputs(const struct source *s, const struct input_digest **at)
{
	*at = s->input;
	return s->ninput;
}

/* Remembers the first failure, which is given again. A failed read or write
 * names its file itself. */
static int fail(struct source *s, int err)
{
	if (!err || s->err)
		return err;
	s->err = err == E_IO ? err : err_at(err, "%s", s->name);
	s->err_text = strdup(err_text());
	return err;
}

static int failed(const struct source *s)
{
	return err_set(s->err, "%s", s->err_text ? s->err_text : "failed");
}

/* ---- inputs, one after the other ---- */

static const struct source_format *find_format(const char *path,
					       const unsigned char *head,
					       size_t n)
{
	for (size_t i = 0; i < NELEM(format); i++)
		if (format[i]->probe(path, head, n))
			return format[i];
	return NULL;
}

static int open_directory(struct source *s, const char *path)
{
	s->row = find_format(path, NULL, 0);
	if (!s->row)
		return err_set(E_DATA, "not a directory of a known format");
	return s->row->open(&s->self, path, NULL);
}

static int open_file(struct source *s, const char *path)
{
	const unsigned char *head;
	struct io_in in;
	size_t n;
	int err = io_in_open(&in, path);

	if (!err)
		err = io_in_peek(&in, &head, HEAD, &n);
	if (err) {
		io_in_close(&in);
		return err;
	}
	s->row = find_format(is_standard(path) ? NULL : path, head, n);
	if (!s->row) {
		io_in_close(&in);
		return err_set(E_DATA, "not a file of a known format");
	}
	return s->row->open(&s->self, path, &in);
}

static int open_next(struct source *s)
{
	const char *path = s->paths[s->at++];
	struct stat st;
	int err;

	s->name = is_standard(path) ? "<stdin>" : path;
	if (!is_standard(path) && !stat(path, &st) && S_ISDIR(st.st_mode))
		err = open_directory(s, path);
	else
		err = open_file(s, path);
	if (err) {
		s->row = NULL;
		return err;
	}
	if (s->trust && s->row->trust)
		s->row->trust(s->self);
	if (s->keep_blocks && s->row->keep_blocks)
		s->row->keep_blocks(s->self);
	return 0;
}

/* ---- items ---- */

static int add_input(struct source *s, const struct item *end)
{
	if (s->ninput == s->input_room) {
		size_t room = 2 * s->input_room + 4;
		struct input_digest *more =
			realloc(s->input, room * sizeof(*more));

		if (!more)
			return err_set(E_NOMEM, "out of memory");
		s->input = more;
		s->input_room = room;
	}
	s->input[s->ninput].kind = end->stream;
	memcpy(s->input[s->ninput].digest, end->digest, DIGEST_SIZE);
	s->ninput++;
	return 0;
}

/* What st-import would write of the item, for the digest of its content. */
static int digest_item(struct source *s)
{
	struct item *item = &s->item;
	struct msg_out *o = &s->header;

	switch (item->kind) {
	case ITEM_HEAD:
		digest_reset(s->content);
		TRY(st_head_put(o, item->stream));
		st_content_add(s->content, "HEAD", o->at, o->n);
		return 0;
	case ITEM_META:
		TRY(st_meta_put(o, item->key, item->value));
		st_content_add(s->content, "META", o->at, o->n);
		return 0;
	case ITEM_END:
		digest_get_128(s->content, item->digest);
		return 0;
	case ITEM_TENSOR:       /* when it is loaded */
		return 0;
	default:
		return err_set(E_BUG, "a format without digests gave an item "
			       "that it cannot have");
	}
}

static int load(struct source *s)
{
	if (s->loaded)
		return 0;
	s->loaded = 1;
	TRY(s->row->load(s->self, s->item.tensor));
	if (!s->row->digests)
		TRY(st_content_tensor(s->content, &s->header,
				      s->item.tensor));
	return 0;
}

static int advance(struct source *s)
{
	if (s->item.kind == ITEM_TENSOR && s->row && !s->row->digests &&
	    !s->trust)
		TRY(load(s));
	for (;;) {
		memset(&s->item, 0, sizeof(s->item));
		s->loaded = 0;
		if (!s->row) {
			if (!s->paths[s->at])
				return 0;
			TRY(open_next(s));
		}
		TRY(s->row->next(s->self, &s->item));
		if (s->item.kind != ITEM_NONE)
			break;
		s->row->close(s->self);
		s->row = NULL;
	}
	if (!s->row->digests && !s->trust)
		TRY(digest_item(s));
	return s->item.kind == ITEM_END ? add_input(s, &s->item) : 0;
}

int source_next(struct source *s, struct item *item)
{
	memset(item, 0, sizeof(*item));
	if (s->err)
		return failed(s);
	TRY(fail(s, advance(s)));
	*item = s->item;
	return 0;
}

int source_load(struct source *s)
{
	if (s->err)
		return failed(s);
	if (s->item.kind != ITEM_TENSOR)
		return err_set(E_BUG, "no tensor to load");
	return fail(s, load(s));
}

int source_file(const struct source *s)
{
	if (!s->row || !s->row->file || s->loaded)
		return -1;
	return s->row->file(s->self);
}

int source_places(struct source *s, source_place_fn *fn, void *ctx)
{
	if (s->err)
		return failed(s);
	s->loaded = 1;
	return fail(s, s->row->places(s->self, s->item.tensor, fn, ctx));
}

/* ---- copies ---- */

int source_can_copy(const struct source *s)
{
	return s->row && s->row->copy && !s->loaded;
}

int source_copy(struct source *s, struct sink *to)
{
	s->loaded = 1;
	return fail(s, s->row->copy(s->self, to));
}

int source_copy_stream(struct source *s, struct sink *to, int *copied)
{
	*copied = s->row && s->row->copy_stream;
	if (!*copied)
		return 0;
	memset(&s->item, 0, sizeof(s->item));
	TRY(fail(s, s->row->copy_stream(s->self, to, &s->item)));
	return fail(s, add_input(s, &s->item));
}
