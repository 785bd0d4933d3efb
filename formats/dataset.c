#include "formats/dataset_parts.h"

#include <stdlib.h>
#include <string.h>

int reading_span(struct reading *r, size_t start, size_t end)
{
	TRY(array_room(&r->span, r->nspan, &r->span_room, sizeof(*r->span)));
	r->span[r->nspan++] = (struct span){ start, end };
	return 0;
}

int reading_labels(struct reading *r)
{
	int32_t *label;

	if (r->label_room >= r->ids.n)
		return 0;
	label = realloc(r->label, r->ids.room * sizeof(*label));
	if (!label)
		return err_set(E_NOMEM, "no memory for %zu labels", r->ids.n);
	r->label = label;
	r->label_room = r->ids.room;
	return 0;
}

static size_t vocabulary(const struct reading *r)
{
	if (r->o->vocab)
		return r->o->vocab;
	return r->t ? tokenizer_vocab(r->t) : INT32_MAX;
}

static size_t count_labels(const struct reading *r, size_t n)
{
	size_t labels = 0;

	for (size_t i = 1; i < n; i++)
		labels += r->label[i] != LABEL_NONE;
	return labels;
}

/* What no sample may be. */
static int check(const struct reading *r)
{
	const uint32_t *id = r->ids.at;
	size_t n = r->ids.n, vocab = vocabulary(r);
	int64_t bos = r->t ? tokenizer_bos(r->t) : -1;

	if (!n)
		return err_set(E_DATA, "it has no tokens");
	for (size_t i = 0; i < n; i++) {
		if (id[i] >= vocab)
			return err_set(E_DATA, "token %zu is %u, beyond the "
				       "vocabulary of %zu", i, id[i], vocab);
		if (r->label[i] != LABEL_NONE &&
		    (r->label[i] < 0 || (size_t)r->label[i] >= vocab))
			return err_set(E_DATA, "label %zu is %d, beyond the "
				       "vocabulary of %zu", i,
				       (int)r->label[i], vocab);
	}
	if (n > 1 && bos >= 0 && id[0] == bos && id[1] == bos)
		return err_set(E_DATA, "it begins with two BOS tokens (%lld)",
			       (long long)bos);
	if (!count_labels(r, n))
		return err_set(E_DATA, "it has no labelled token");
	return 0;
}

int reading_emit(struct reading *r)
{
	struct dataset_sample s = {
		.id = r->ids.at, .label = r->label, .n = r->ids.n,
		.text = r->text.n ? r->text.at : NULL, .number = r->number,
	};
	size_t labels;
	int err;

	TRY(check(r));
	if (r->o->length && s.n > r->o->length) {
		s.n = r->o->length;
		if (r->o->drop_long || !count_labels(r, s.n)) {
			r->stats->dropped++;
			return 0;
		}
		r->stats->truncated++;
	}
	labels = count_labels(r, s.n);
	r->stats->samples++;
	r->stats->tokens += s.n;
	r->stats->labels += labels;
	err = r->fn(r->ctx, &s);
	r->failed = err != 0;
	return err;
}

static const struct dataset_kind *kind_of(json_t *record)
{
	for (const struct dataset_kind *k = dataset_kinds; k->name; k++)
		if (k->is(record))
			return k;
	return NULL;
}

/* The first record says what kind all are of. */
static int read_record(struct reading *r, json_t *record,
		       const struct dataset_kind **kind)
{
	if (!*kind) {
		*kind = kind_of(record);
		if (!*kind)
			return err_set(E_DATA, "it has neither input_ids, "
				       "messages, conversations, prompt and "
				       "completion, instruction and output, "
				       "nor text");
		if ((*kind)->tokenises && !r->t)
			return err_set(E_DATA, "%s needs a tokenizer, and the "
				       "base has none", (*kind)->name);
	}
	if (!(*kind)->is(record))
		return err_set(E_DATA, "it is not of the first record's kind, "
			       "%s", (*kind)->name);
	r->ids.n = r->text.n = r->nspan = 0;
	TRY((*kind)->read(r, record));
	return reading_emit(r);
}

static int read_records(struct reading *r, struct io_in *in)
{
	const struct dataset_kind *kind = NULL;
	struct records records = { 0 };
	json_t *record;
	int err = records_init(&records, in);

	while (!err) {
		err = records_next(&records, &record);
		if (err || !record)
			break;
		r->number = records.n;
		err = read_record(r, record, &kind);
		if (err && !r->failed)
			err = err_at(err, "record %zu", r->number);
		json_decref(record);
	}
	if (!err && !r->number)
		err = err_set(E_DATA, "there is no record");
	*in = records.in;
	records_release(&records);
	return err;
}

static int read_any(struct reading *r, const char *path, struct io_in *in)
{
	const unsigned char *head;
	size_t got;

	TRY(io_in_peek(in, &head, 4096, &got));
	if (records_probe(path, head, got))
		return read_records(r, in);
	if (!r->t)
		return err_set(E_DATA, "text needs a tokenizer, and the base "
			       "has none");
	return dataset_read_text(r, in);
}

int dataset_read(const char *path, struct tokenizer *t,
		 const struct dataset_options *o, struct dataset_stats *stats,
		 dataset_fn *fn, void *ctx)
{
	struct reading r = { .t = t, .o = o, .stats = stats, .fn = fn,
			     .ctx = ctx };
	struct io_in in;
	int err;

	TRY(io_in_open(&in, path));
	err = read_any(&r, path, &in);
	if (err && !r.failed)
		err = err_at(err, "%s", in.name);
	io_in_close(&in);
	ids_release(&r.ids);
	ids_release(&r.part);
	text_release(&r.text);
	chat_free(r.chat);
	free(r.label);
	free(r.span);
	return err;
}
