/*
 * pages_read - a page's bytes are the tensor's, through the page cache and past
 * it, wherever its chunks lie in the file
 */
#define _GNU_SOURCE /* O_DIRECT */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/size.h"
#include "formats/base_pages_parts.h"
#include "tests/unit/st_streams.h"

enum { MOST = 8 };

/* Below what is aligned, at it, whole disk pages, an odd end, and more than a
 * chunk with an odd end. */
static const size_t columns[] = { 4099, 32768, 36864, 40001, 5000003 };

struct world {
	char path[64];
	struct source *source;
	struct base_pages *pages;
	struct tensor made[MOST];
	size_t n, in_place;     /* in_place: chunks */
};

static void write_stream(struct world *w, const char *path, int level)
{
	struct sink *s;

	assert_int_equal(sink_open(&s, path, &(struct sink_options){
		.level = level }), 0);
	assert_int_equal(sink_head(s, STREAM_BASE), 0);
	w->n = sizeof(columns) / sizeof(*columns);
	for (size_t i = 0; i < w->n; i++) {
		struct tensor *t = &w->made[i];
		char name[32];

		snprintf(name, sizeof(name), "t%zu", i);
		assert_int_equal(tensor_init(t, name, ROLE_LINEAR, DTYPE_BF16,
					     2, (size_t[]){ 1, columns[i] }),
				 0);
		fill_parts(t);
		assert_int_equal(sink_tensor(s, t), 0);
	}
	assert_int_equal(sink_end(s, NULL), 0);
	assert_int_equal(sink_close(s), 0);
}

/* Moves the stream so many bytes on in its file. */
static void shift(const char *path, int bytes)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "{ head -c %d /dev/zero; cat %s; } > %s.2 && mv %s.2 %s",
		 bytes, path, path, path, path);
	assert_int_equal(system(command), 0);
}

static void take_pages(struct world *w)
{
	struct item item;

	assert_int_equal(base_pages_new(&w->pages, 0), 0);
	assert_int_equal(source_open(&w->source, (char *[]){ w->path, NULL }),
			 0);
	do {
		assert_int_equal(source_next(w->source, &item), 0);
		if (item.kind != ITEM_TENSOR)
			continue;
		assert_int_equal(base_pages_take(w->pages, w->source,
						 item.tensor), 0);
		base_pages_forget(w->pages, item.tensor);
	} while (item.kind != ITEM_NONE);
	assert_int_equal(w->pages->npage, w->n);
	for (size_t i = 0; i < w->pages->nplace; i++)
		w->in_place += (size_t)base_pages_in_place(
			&w->pages->place[i]);
}

static void world_open(struct world *w, int level)
{
	memset(w, 0, sizeof(*w));
	strcpy(w->path, "/var/tmp/weft-pages-XXXXXX");
	close(mkstemp(w->path));
	unlink(w->path);
	write_stream(w, w->path, level);
	take_pages(w);
}

static void world_close(struct world *w)
{
	source_close(w->source);
	base_pages_free(w->pages);
	for (size_t i = 0; i < w->n; i++)
		tensor_release(&w->made[i]);
	unlink(w->path);
}

/* Scratch is exactly what was asked for, so that ASan sees what goes over it,
 * and so are a page's bytes. */
static void check_page(struct world *w, size_t i)
{
	struct held_page *p = &w->pages->page[i];
	const struct pager_backing *b = &w->pages->backing;
	void *scratch = aligned_alloc(SPACE_PAGE, b->scratch + SPACE_PAGE);

	assert_non_null(scratch);
	assert_int_equal(space_take(p->space.at, p->space.bytes), 0);
	for (size_t k = 0; k < p->nplace; k++)
		assert_int_equal(b->load(b->ctx, i, k, p->space.at, scratch),
				 0);
	assert_memory_equal(p->space.at, w->made[i].part[0].data,
			    w->made[i].part[0].bytes);
	/* Nothing went past the end. */
	for (size_t k = w->made[i].part[0].bytes; k < p->space.bytes; k++)
		assert_int_equal(p->space.at[k], 0);
	assert_int_equal(space_drop(p->space.at, p->space.bytes), 0);
	free(scratch);
}

static void check_all(struct world *w, int direct)
{
	assert_non_null(base_pages_owner(w->pages));
	w->pages->direct = direct;
	w->pages->backing.scratch = size_max(w->pages->packed,
					     direct ? w->pages->raw : 0);
	for (size_t i = 0; i < w->n; i++)
		check_page(w, i);
}

static void raw(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, 0);
	assert_true(w.in_place >= 5);
	/* The scratch of these is for ends and small tensors. */
	assert_true(w.pages->raw <= 5 * SPACE_PAGE);
	check_all(&w, 0);
	check_all(&w, 1);
	world_close(&w);
}

static void packed(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, 3);
	check_all(&w, 0);
	check_all(&w, 1);
	world_close(&w);
}

/* Another's writer, or a stream behind another: chunks lie anywhere. */
static void anywhere(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, 0);
	shift(w.path, 1234);
	close(w.pages->file[0].fd);
	close(w.pages->file[0].direct);
	w.pages->file[0].fd = open(w.path, O_RDONLY);
	w.pages->file[0].direct = open(w.path, O_RDONLY | O_DIRECT);
	w.pages->raw = 0;
	for (size_t i = 0; i < w.pages->nplace; i++) {
		struct place *p = &w.pages->place[i];

		p->offset += 1234;
		assert_false(base_pages_in_place(p));
		w.pages->raw = size_max(w.pages->raw, size_align(
			p->stored, SPACE_PAGE) + 2 * SPACE_PAGE);
	}
	check_all(&w, 0);
	check_all(&w, 1);
	world_close(&w);
}

/* A disk that cannot be read past the cache is read through it. */
static void refused(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, 0);
	close(w.pages->file[0].direct);
	w.pages->file[0].direct = open("/", O_RDONLY);
	assert_true(w.pages->file[0].direct >= 0);
	check_all(&w, 1);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw),
		cmocka_unit_test(packed),
		cmocka_unit_test(anywhere),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
