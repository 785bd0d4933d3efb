#include "formats/token_sink.h"

#include "base/io.h"
#include "base/opt.h"
#include "formats/sink.h"
#include "formats/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 1 << 18 };       /* tokens that are collected for a write */

struct token_sink {
	struct sink *sink;      /* NULL: JSON lines */
	struct io_out lines;
	struct text line;
	uint32_t *len, *id;     /* of the samples that wait */
	int32_t *label;
	size_t n, room, tokens, token_room;
};

static void release(struct token_sink *s)
{
	io_out_abandon(&s->lines);
	text_release(&s->line);
	free(s->len);
	free(s->id);
	free(s->label);
	free(s);
}

static int open_any(struct token_sink *s, const char *path, int jsonl,
		    int level)
{
	const struct sink_options o = { .level = level };
	int err;

	if (jsonl)
		return io_out_open(&s->lines, path, 0);
	TRY(sink_open(&s->sink, path, &o));
	err = sink_head(s->sink, STREAM_DATA);
	if (err) {
		sink_abort(s->sink, err, "");
		s->sink = NULL;
	}
	return err;
}

int token_sink_open(struct token_sink **out, const char *path, int jsonl,
		    int level)
{
	struct token_sink *s = calloc(1, sizeof(*s));
	int err;

	*out = NULL;
	if (!s)
		return err_set(E_NOMEM, "no memory to write with");
	err = open_any(s, path, jsonl, level);
	if (err)
		release(s);
	else
		*out = s;
	return err;
}

static int flush(struct token_sink *s)
{
	const struct batch_columns b = {
		.n = s->n, .len = s->len, .ids = s->id, .labels = s->label,
		.tokens = s->tokens,
	};

	s->n = s->tokens = 0;
	return b.n ? sink_batch(s->sink, &b) : 0;
}

static int grow(void *at, size_t n, size_t size)
{
	void *old, *more;

	memcpy(&old, at, sizeof(old));
	more = realloc(old, n * size);
	if (!more)
		return err_set(E_NOMEM, "no memory for %zu tokens", n);
	memcpy(at, &more, sizeof(more));
	return 0;
}

static int add_to_stream(struct token_sink *s, const struct dataset_sample *x)
{
	TRY(array_room(&s->len, s->n, &s->room, sizeof(*s->len)));
	if (s->token_room - s->tokens < x->n) {
		s->token_room = s->tokens + x->n + BATCH;
		TRY(grow(&s->id, s->token_room, sizeof(*s->id)));
		TRY(grow(&s->label, s->token_room, sizeof(*s->label)));
	}
	memcpy(s->id + s->tokens, x->id, x->n * sizeof(*x->id));
	memcpy(s->label + s->tokens, x->label, x->n * sizeof(*x->label));
	s->len[s->n++] = (uint32_t)x->n;
	s->tokens += x->n;
	return s->tokens >= BATCH ? flush(s) : 0;
}

static int add_line(struct token_sink *s, const struct dataset_sample *x)
{
	char number[32];

	s->line.n = 0;
	TRY(text_add_string(&s->line, "{\"input_ids\": ["));
	for (size_t i = 0; i < x->n; i++) {
		snprintf(number, sizeof(number), "%s%" PRIu32, i ? ", " : "",
			 x->id[i]);
		TRY(text_add_string(&s->line, number));
	}
	TRY(text_add_string(&s->line, "], \"labels\": ["));
	for (size_t i = 0; i < x->n; i++) {
		snprintf(number, sizeof(number), "%s%" PRId32, i ? ", " : "",
			 x->label[i]);
		TRY(text_add_string(&s->line, number));
	}
	TRY(text_add_string(&s->line, "]}\n"));
	return io_out_write(&s->lines, s->line.at, s->line.n);
}

int token_sink_add(struct token_sink *s, const struct dataset_sample *x)
{
	return s->sink ? add_to_stream(s, x) : add_line(s, x);
}

static int end(struct token_sink *s, const struct opt_program *p)
{
	int err;

	if (!s->sink)
		return io_out_commit(&s->lines);
	err = flush(s);
	if (!err)
		err = sink_provenance(s->sink, p, NULL, 0);
	if (!err)
		err = sink_end(s->sink, NULL);
	if (!err)
		return sink_close(s->sink);
	sink_abort(s->sink, err, p->name);
	return err;
}

int token_sink_close(struct token_sink *s, const struct opt_program *p)
{
	int err = end(s, p);

	release(s);
	return err;
}

void token_sink_abort(struct token_sink *s, int code, const char *tool)
{
	if (s->sink)
		sink_abort(s->sink, code, tool);
	release(s);
}
