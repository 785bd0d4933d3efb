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

/* Ids and labels are below the vocabulary. */
static int check_ids(const struct reading *r)
{
	const uint32_t *id = r->ids.at;
	size_t n = r->ids.n, vocab = vocabulary(r);

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
	return 0;
}

static int check_bos(struct reading *r)
{
	int64_t bos = r->t ? tokenizer_bos(r->t) : -1;
	const uint32_t *id = r->ids.at;

	if (r->ids.n < 2 || bos < 0 || id[0] != bos || id[1] != bos)
		return 0;
	if (!data_gate_allows(r->o->gate, FAULT_DOUBLE_BOS))
		return err_set(E_DATA, "it begins with two BOS tokens (%lld)",
			       (long long)bos);
	r->ids.n--;
	memmove(r->ids.at, r->ids.at + 1, r->ids.n * sizeof(*r->ids.at));
	memmove(r->label, r->label + 1, r->ids.n * sizeof(*r->label));
	return 0;
}

static int learns(const struct reading *r, int64_t id)
{
	for (size_t i = 1; i < r->ids.n && id >= 0; i++)
		if (r->label[i] == id)
			return 1;
	return 0;
}

/* *left_out: it is allowed, and none to learn from. */
static int check_labels(const struct reading *r, int *left_out)
{
	*left_out = !count_labels(r, r->ids.n);
	if (*left_out && !data_gate_allows(r->o->gate, FAULT_UNLABELLED))
		return err_set(E_DATA, "it has no labelled token");
	if (*left_out || !r->o->gate || !r->kind || !r->kind->answers ||
	    learns(r, r->stop) ||
	    data_gate_allows(r->o->gate, FAULT_NO_STOP))
		return 0;
	return err_set(E_DATA, "no stop token is learned%s", r->stop >= 0 ? "" :
		       ": the tokenizer names no end of text (eos_token)");
}

static void note(const struct reading *r, struct data_place *first, size_t *n)
{
	if (!first->number)
		*first = (struct data_place){ r->in.name, r->number };
	++*n;
}

/* Counts a sample that stays, of n tokens. */
static int count(struct reading *r, size_t n)
{
	struct dataset_stats *s = r->stats;
	int seen = 0, ends;

	if (r->kind && r->kind->tokenises && !r->o->again)
		TRY(data_gate_seen(r->o->gate, r->text.at, r->text.n,
				   (const size_t *)r->span, 2 * r->nspan,
				   &seen));
	if (seen)
		note(r, &s->first_duplicate, &s->duplicates);
	if (n < r->ids.n)
		note(r, &s->first_truncated, &s->truncated);
	r->ids.n = n;
	s->samples++;
	s->tokens += n;
	s->labels += count_labels(r, n);
	ends = learns(r, r->stop) || (r->t && learns(r, tokenizer_eos(r->t)));
	s->ends += (size_t)ends;
	if (r->kind && r->kind->answers && ends)
		s->ended++;
	else if (r->kind && r->kind->answers)
		note(r, &s->first_endless, &s->endless);
	return 0;
}

static void count_length(struct dataset_stats *s, size_t n)
{
	size_t i = 0;

	while (i + 1 < LENGTH_CLASSES && n > (size_t)1 << i)
		i++;
	s->lengths[i]++;
	s->longest = n > s->longest ? n : s->longest;
}

int reading_emit(struct reading *r)
{
	struct dataset_stats *stats = r->stats;
	const struct data_gate *gate = r->o->gate;
	size_t n, length = r->o->length;
	int left_out;

	stats->records++;
	if (r->empty && gate) {
		note(r, &stats->first_empty, &stats->empty);
		return gate->most_empty > 0 ? 0 :
		       err_set(E_DATA, "there is nothing to learn: its text "
			       "or answer is empty");
	}
	TRY(check_ids(r));
	TRY(check_bos(r));
	TRY(check_labels(r, &left_out));
	stats->unlabelled += (size_t)left_out;
	if (left_out)
		return 0;
	n = r->ids.n;
	count_length(stats, n);
	if (length && n > length) {
		n = length;
		if (r->o->drop_long || !count_labels(r, n)) {
			note(r, &stats->first_truncated, &stats->dropped);
			return 0;
		}
	}
	TRY(count(r, n));
	r->sample = (struct dataset_sample){
		.id = r->ids.at, .label = r->label, .n = n,
		.text = r->text.n ? r->text.at : NULL, .number = r->number,
		.prompt = r->prompt,
	};
	r->ready = 1;
	return 0;
}

/* ---- records ---- */

static const struct dataset_kind *kind_of(json_t *record)
{
	for (const struct dataset_kind *k = dataset_kinds; k->name; k++)
		if (k->is(record))
			return k;
	return NULL;
}

/* The first record says what kind all are of. */
static int read_record(struct reading *r, json_t *record)
{
	TRY(by_field_number(&r->prompt, r->o->field, record));
	TRY(columns_apply(&r->columns, record));
	TRY(dataset_open_lists(record));
	if (!r->kind) {
		r->kind = kind_of(record);
		if (!r->kind)
			return err_set(E_DATA, "it has neither input_ids, "
				       "messages, conversations, prompt and "
				       "completion, instruction and output, "
				       "nor text (--columns names others)");
		if (r->kind->tokenises && !r->t)
			return err_set(E_DATA, "%s needs a tokenizer, and the "
				       "base has none", r->kind->name);
	}
	if (!r->kind->is(record))
		return err_set(E_DATA, "it is not of the first record's kind, "
			       "%s", r->kind->name);
	r->ids.n = r->text.n = r->nspan = 0;
	r->empty = 0;
	TRY(r->kind->read(r, record));
	return reading_emit(r);
}

static int next_record(struct reading *r)
{
	json_t *record;
	int err;

	TRY(r->form->next(r->records, &record));
	r->ended = !record;
	if (!record)
		return r->number ? 0 : err_set(E_DATA, "there is no record");
	r->number++;
	err = read_record(r, record);
	json_decref(record);
	return err ? err_at(err, "record %zu", r->number) : 0;
}

/* ---- files ---- */

/* By enum dataset_format, and in the order in which they are looked for. */
static const struct dataset_form *const forms[] = {
	[DATASET_CSV] = &dataset_csv, [DATASET_TSV] = &dataset_tsv,
	[DATASET_JSON] = &dataset_json, [DATASET_TEXT] = NULL,
};

static int choose_form(struct reading *r, const char *path)
{
	const unsigned char *head;
	size_t got;
	int i = r->o->format;

	if (i == DATASET_ANY) {
		TRY(io_in_peek(&r->in, &head, 4096, &got));
		i = 1;
		while (forms[i] && !forms[i]->probe(path, head, got))
			i++;
	}
	r->form = forms[i];
	return 0;
}

static int start(struct reading *r, const char *path)
{
	TRY(columns_parse(&r->columns, r->o->columns));
	TRY(io_in_open(&r->in, path));
	TRY(choose_form(r, path));
	if (r->form)
		return r->form->open(&r->records, &r->in);
	if (r->o->field)
		return err_set(E_DATA, "text has no field to choose an adapter "
			       "by; records have");
	return r->t ? 0 : err_set(E_DATA, "text needs a tokenizer, and the "
				  "base has none");
}

int dataset_open(struct reading **out, const char *path, struct tokenizer *t,
		 const struct dataset_options *o, struct dataset_stats *stats)
{
	struct reading *r = calloc(1, sizeof(*r));
	int err;

	*out = NULL;
	if (!r)
		return err_set(E_NOMEM, "no memory to read with");
	*r = (struct reading){ .t = t, .o = o, .stats = stats, .stop = -1 };
	err = start(r, path);
	if (err && r->in.name)
		err = err_at(err, "%s", r->in.name);
	if (err)
		dataset_close(r);
	else
		*out = r;
	return err;
}

int dataset_next(struct reading *r, const struct dataset_sample **s)
{
	int err = 0;

	*s = NULL;
	r->ready = 0;
	while (!err && !r->ready && !r->ended)
		err = r->form ? next_record(r) : reading_text(r);
	if (!err && r->ready)
		*s = &r->sample;
	return err ? err_at(err, "%s", r->in.name) : 0;
}

void dataset_close(struct reading *r)
{
	if (!r)
		return;
	if (r->form)
		r->form->close(r->records);
	io_in_close(&r->in);
	columns_release(&r->columns);
	ids_release(&r->ids);
	ids_release(&r->part);
	ids_release(&r->rows.ids);
	text_release(&r->rows.text);
	text_release(&r->text);
	chat_free(r->chat);
	free(r->label);
	free(r->span);
	free(r);
}

int dataset_read(const char *path, struct tokenizer *t,
		 const struct dataset_options *o, struct dataset_stats *stats,
		 dataset_fn *fn, void *ctx)
{
	const struct dataset_sample *s;
	struct reading *r;
	int err = dataset_open(&r, path, t, o, stats);

	while (!err) {
		err = dataset_next(r, &s);
		if (err || !s)
			break;
		err = fn(ctx, s);
	}
	dataset_close(r);
	return err;
}
