#include "formats/gather.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"

struct gather_base {
	char *path[2];          /* ends with NULL; borrowed */
	struct source *from;
	struct item head;       /* where it waits; NONE: it has gone on */
	int searched;           /* its adapters are in memory */
	char spool[512];        /* path of what was spooled */
};

static int add_adapter(struct gather *g)
{
	size_t n = g->nadapter;
	struct collected *a = realloc(g->adapter, (n + 1) * sizeof(*a));
	struct input_digest *in;

	if (!a)
		return err_set(E_NOMEM, "out of memory");
	g->adapter = a;
	in = realloc(g->input, (n + 1) * sizeof(*in));
	if (!in)
		return err_set(E_NOMEM, "out of memory");
	g->input = in;
	a[n] = (struct collected){ .present = 1, .meta = json_object(),
				   .provenance = json_array() };
	g->nadapter++;
	return a[n].meta && a[n].provenance ? 0 :
					      err_set(E_NOMEM, "out of memory");
}

static int take(struct collected *a, struct source *s, const struct item *item)
{
	int full = 0;

	if (item->kind == ITEM_META)
		full = json_object_set(a->meta, item->key, item->value);
	if (item->kind == ITEM_OTHER && !strcmp(item->type, "prov"))
		full = json_array_append(a->provenance, item->value);
	if (full)
		return err_set(E_NOMEM, "out of memory");
	if (item->kind != ITEM_TENSOR || item->tensor->role == ROLE_STATE)
		return 0;
	TRY(source_load(s));
	return tensor_set_take(&a->tensors, item->tensor);
}

/* An adapter stream, from after its head to its end. */
static int read_adapter(struct gather *g, struct source *s)
{
	struct collected *a;
	struct item item;

	TRY(add_adapter(g));
	a = &g->adapter[g->nadapter - 1];
	do {
		TRY(source_next(s, &item));
		TRY(take(a, s, &item));
	} while (item.kind != ITEM_END);
	memcpy(a->digest, item.digest, DIGEST_SIZE);
	g->input[g->nadapter - 1].kind = STREAM_ADAPTER;
	memcpy(g->input[g->nadapter - 1].digest, item.digest, DIGEST_SIZE);
	return 0;
}

static int skip_stream(struct source *s)
{
	struct item item;

	do
		TRY(source_next(s, &item));
	while (item.kind != ITEM_END);
	return 0;
}

/* Reads adapters up to the next base, or with through to the end. */
static int search(struct gather *g, struct source *s, struct item *item,
		  int through)
{
	for (;;) {
		TRY(source_next(s, item));
		if (item->kind == ITEM_NONE ||
		    (item->stream == STREAM_BASE && !through))
			return 0;
		if (item->stream == STREAM_ADAPTER)
			TRY(read_adapter(g, s));
		else
			TRY(skip_stream(s));
	}
}

static int search_path(struct gather *g, char *const *path)
{
	struct source *s;
	struct item item;
	int err;

	TRY(source_open(&s, path));
	err = search(g, s, &item, 1);
	source_close(s);
	return err;
}

/* Opens an input and reads it to its first base, where it waits. */
static int look_at(struct gather *g, char *path)
{
	struct gather_base **all, *b = calloc(1, sizeof(*b));

	all = realloc(g->base, (g->nbase + 1) * sizeof(*all));
	if (all)
		g->base = all;
	if (!b || !all) {
		free(b);
		return err_set(E_NOMEM, "out of memory");
	}
	all[g->nbase++] = b;
	b->path[0] = path;
	TRY(source_open(&b->from, b->path));
	source_keep_blocks(b->from);
	TRY(search(g, b->from, &b->head, 0));
	if (b->head.kind != ITEM_NONE)
		return 0;
	source_close(b->from);
	free(b);
	g->nbase--;
	return 0;
}

/* ---- an adapter behind its base ---- */

static int can_reopen(const char *path)
{
	struct stat st;

	return strcmp(path, "-") && !stat(path, &st) &&
	       (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

/* Copies the stream that b waits at to path, whole. */
static int copy_out(struct gather_base *b, const char *path)
{
	struct sink_options raw = { 0 };
	struct sink *to;
	int err;

	TRY(sink_open(&to, path, &raw));
	err = sink_pass_stream(to, b->from, &b->head);
	if (!err)
		return sink_close(to);
	sink_abort(to, err, NULL);
	return err;
}

/* Goes on with a file whose name is gone at once. */
static int turn_to(struct gather_base *b, char *path)
{
	source_close(b->from);
	b->from = NULL;
	b->path[0] = path;
	TRY(source_open(&b->from, b->path));
	return source_next(b->from, &b->head);
}

static int spool(struct gather *g, struct gather_base *b)
{
	const char *tmp = getenv("TMPDIR");
	struct item item;
	char *path = b->spool;
	size_t room = sizeof(b->spool);
	int err;

	if (snprintf(path, room, "%s/weft.XXXXXX", tmp ? tmp : "/tmp") >=
		    (int)room - 8 || !mkdtemp(path))
		return err_errno(E_CREATE, "%s: no folder for the base, which "
				 "came before its adapter", tmp ? tmp : "/tmp");
	strcat(path, "/base");
	err = copy_out(b, path);
	if (!err)
		err = search(g, b->from, &item, 1);
	if (!err)
		err = turn_to(b, path);
	unlink(path);
	*strrchr(path, '/') = 0;
	rmdir(path);
	return err;
}

static int search_again(struct gather *g)
{
	for (size_t i = 0; i < g->nbase; i++) {
		struct gather_base *b = g->base[i];

		TRY(can_reopen(b->path[0]) ? search_path(g, b->path)
					   : spool(g, b));
		b->searched = 1;
	}
	return 0;
}

static char dash[] = "-";

int gather(struct gather *g, const struct opt_list *adapters,
	   char *const *paths)
{
	static char *const standard_input[] = { dash, NULL };

	memset(g, 0, sizeof(*g));
	for (size_t i = 0; i < adapters->n; i++) {
		char *path[] = { (char *)adapters->at[i], NULL };
		size_t n = g->nadapter;

		TRY(search_path(g, path));
		if (g->nadapter == n)
			return err_set(E_DATA, "%s: no adapter in it", *path);
	}
	for (paths = *paths ? paths : standard_input; *paths; paths++)
		TRY(look_at(g, *paths));
	if (!g->nadapter)
		TRY(search_again(g));
	if (!g->nbase)
		return err_set(E_DATA, "no base stream on the input");
	if (!g->nadapter)
		return err_set(E_DATA, "no adapter stream on the input, and "
			       "no --adapter");
	return 0;
}

/* ---- the bases ---- */

static int look_through(char *const *path,
			int (*fn)(void *ctx, const struct tensor *t), void *ctx)
{
	struct source *s;
	struct item item;
	int err;

	TRY(source_open(&s, path));
	source_keep_blocks(s);
	do {
		err = source_next(s, &item);
		if (!err && item.kind == ITEM_TENSOR &&
		    item.stream == STREAM_BASE)
			err = fn(ctx, item.tensor);
	} while (!err && item.kind != ITEM_NONE);
	source_close(s);
	return err;
}

int gather_look(const struct gather *g,
		int (*fn)(void *ctx, const struct tensor *t), void *ctx,
		int *all)
{
	*all = 1;
	for (size_t i = 0; i < g->nbase; i++) {
		char *const *path = g->base[i]->path;

		if (can_reopen(*path))
			TRY(look_through(path, fn, ctx));
		else
			*all = 0;
	}
	return 0;
}

static int next_of(struct gather_base *b, struct item *item)
{
	if (b->head.kind != ITEM_NONE) {
		*item = b->head;
		b->head.kind = ITEM_NONE;
		return 0;
	}
	for (;;) {
		TRY(source_next(b->from, item));
		if (item->kind != ITEM_HEAD || item->stream == STREAM_BASE)
			return 0;
		if (item->stream == STREAM_ADAPTER && !b->searched)
			return err_set(E_DATA, "%s: an adapter after its base, "
				       "when others came before: name it "
				       "first", source_name(b->from));
		TRY(skip_stream(b->from));
	}
}

int gather_next(struct gather *g, struct source **from, struct item *item)
{
	for (; g->at < g->nbase; g->at++) {
		*from = g->base[g->at]->from;
		TRY(next_of(g->base[g->at], item));
		if (item->kind != ITEM_NONE)
			return 0;
	}
	item->kind = ITEM_NONE;
	return 0;
}

/* Is a base among the inputs of a provenance record, and is it this one? */
static int names_base(json_t *record, const char *hex, int *same)
{
	json_t *in = json_object_get(record, "in"), *one;
	size_t i;
	int found = 0;

	json_array_foreach(in, i, one) {
		if (strcmp(json_text(one, "kind", ""), "base"))
			continue;
		found = 1;
		*same = !strcmp(json_text(one, "content", ""), hex);
	}
	return found;
}

int gather_is_foreign(const struct collected *adapter,
		      const unsigned char digest[16])
{
	char hex[2 * DIGEST_SIZE + 1];
	json_t *record;
	size_t i;
	int foreign = 0, same;

	for (i = 0; i < DIGEST_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	/* The last program that read a base is the one that counts. */
	json_array_foreach(adapter->provenance, i, record)
		if (names_base(record, hex, &same))
			foreign = !same;
	return foreign;
}

static int keep_records(const struct collected *a, struct sink *to)
{
	json_t *record;
	size_t i;

	json_array_foreach(a->provenance, i, record)
		TRY(sink_keep(to, record));
	return 0;
}

int gather_provenance(const struct gather *g, struct sink *to,
		      const struct opt_program *p, const struct item *item)
{
	struct input_digest *in = calloc(g->nadapter + 1, sizeof(*in));
	int err = in ? 0 : err_set(E_NOMEM, "out of memory");

	for (size_t i = 0; !err && i < g->nadapter; i++) {
		in[i + 1] = g->input[i];
		err = keep_records(&g->adapter[i], to);
	}
	if (!err) {
		in[0].kind = item->stream;
		memcpy(in[0].digest, item->digest, sizeof(in[0].digest));
		err = sink_provenance(to, p, in, g->nadapter + 1);
	}
	free(in);
	return err;
}

void gather_release(struct gather *g)
{
	for (size_t i = 0; i < g->nadapter; i++) {
		tensor_set_release(&g->adapter[i].tensors);
		json_decref(g->adapter[i].meta);
		json_decref(g->adapter[i].provenance);
	}
	for (size_t i = 0; i < g->nbase; i++) {
		source_close(g->base[i]->from);
		free(g->base[i]);
	}
	free(g->adapter);
	free(g->input);
	free(g->base);
	memset(g, 0, sizeof(*g));
}
