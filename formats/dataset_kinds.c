/* The kinds of records, in the order in which they are recognised. */
#include "formats/dataset_parts.h"
#include "formats/unicode.h"

#include <string.h>

int dataset_blank(const char *text, size_t n)
{
	uint32_t c;

	for (size_t i = 0, used; i < n; i += used) {
		used = unicode_get(text + i, n - i, &c);
		if (!unicode_is_space(c))
			return 0;
	}
	return 1;
}

static int has_text(json_t *record, const char *key)
{
	return json_is_string(json_object_get(record, key));
}

static int add(struct reading *r, json_t *record, const char *key)
{
	json_t *value = json_object_get(record, key);

	return text_add(&r->text, json_string_value(value),
			json_string_length(value));
}

/* ---- input_ids, labels, attention_mask: used as given ---- */

static int is_ids(json_t *record)
{
	return json_is_array(json_object_get(record, "input_ids"));
}

static int integer(json_t *list, size_t i, const char *key, int64_t least,
		   int64_t *value)
{
	json_t *v = json_array_get(list, i);

	*value = json_integer_value(v);
	if (!json_is_integer(v) || *value < least || *value > INT32_MAX)
		return err_set(E_DATA, "%s[%zu] is no token", key, i);
	return 0;
}

/* NULL where it is not there; else as long as n. */
static int column(json_t *record, const char *key, size_t n, json_t **list)
{
	*list = json_object_get(record, key);
	if (json_is_null(*list))
		*list = NULL;
	if (*list && (!json_is_array(*list) || json_array_size(*list) != n))
		return err_set(E_DATA, "%s and input_ids differ in length",
			       key);
	return 0;
}

static int read_ids(struct reading *r, json_t *record)
{
	json_t *ids = json_object_get(record, "input_ids"), *labels, *mask;
	size_t n = json_array_size(ids);
	int64_t id, label, seen = 1;

	TRY(column(record, "labels", n, &labels));
	TRY(column(record, "attention_mask", n, &mask));
	for (size_t i = 0; i < n; i++) {
		if (mask)
			TRY(integer(mask, i, "attention_mask", 0, &seen));
		TRY(integer(ids, i, "input_ids", 0, &id));
		label = id;
		if (labels)
			TRY(integer(labels, i, "labels", LABEL_NONE, &label));
		if (!seen)
			continue; /* padding */
		TRY(ids_add(&r->ids, (uint32_t)id));
		TRY(reading_labels(r));
		r->label[r->ids.n - 1] = (int32_t)label;
	}
	return 0;
}

/* ---- text ---- */

static int is_text(json_t *record)
{
	return has_text(record, "text");
}

static int read_text(struct reading *r, json_t *record)
{
	TRY(add(r, record, "text"));
	r->empty = dataset_blank(r->text.at, r->text.n);
	TRY(reading_span(r, 0, r->text.n));
	return reading_tokenise(r, 1, !r->o->eval_text);
}

/* ---- prompt, completion ---- */

static int is_prompt(json_t *record)
{
	return has_text(record, "prompt") && has_text(record, "completion");
}

static int read_prompt(struct reading *r, json_t *record)
{
	size_t start;

	TRY(add(r, record, "prompt"));
	start = r->text.n;
	TRY(add(r, record, "completion"));
	r->empty = dataset_blank(r->text.at + start, r->text.n - start);
	r->stop = tokenizer_eos(r->t);
	TRY(reading_span(r, start, r->text.n));
	return reading_tokenise(r, 1, 1);
}

/* clang-format off */
const struct dataset_kind dataset_kinds[] = {
	{ "input_ids", is_ids, read_ids, 0, 0 },
	{ "messages", dataset_is_messages, dataset_read_messages, 1, 1 },
	{ "conversations", dataset_is_sharegpt, dataset_read_sharegpt, 1, 1 },
	{ "prompt and completion", is_prompt, read_prompt, 1, 1 },
	{ "prompt and completion", dataset_is_turns, dataset_read_turns, 1,
	  1 },
	{ "instruction", dataset_is_alpaca, dataset_read_alpaca, 1, 1 },
	{ "text", is_text, read_text, 1, 0 },
	{ NULL }
};
/* clang-format on */
