/* --columns: a record's fields under the names that are known here. */
#include "formats/dataset_parts.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const struct {
	const char *name;
	int optional;           /* a record may be without it */
} known[] = {
	{ "text", 0 }, { "prompt", 0 }, { "completion", 0 },
	{ "instruction", 0 }, { "output", 0 }, { "input", 1 },
	{ "system", 1 }, { "history", 1 }, { "messages", 0 },
	{ "conversations", 0 }, { "tools", 1 }, { "input_ids", 0 },
	{ "labels", 0 }, { "attention_mask", 1 },
	{ "role", 1 }, { "content", 1 }, /* of a message */
};
/* clang-format on */

enum { KNOWN = sizeof(known) / sizeof(*known) };

static int is_known(const char *name, int *optional)
{
	for (size_t i = 0; i < KNOWN; i++)
		if (!strcmp(known[i].name, name)) {
			*optional = known[i].optional;
			return 1;
		}
	return 0;
}

static int add(struct columns *c, char *pair)
{
	char *equal = strchr(pair, '=');
	struct column *to = &c->at[c->n];

	if (!equal || equal == pair || !equal[1])
		return err_set(E_USAGE, "--columns: '%s': want "
			       "OURS=THEIRS,...", pair);
	if (c->n == COLUMNS)
		return err_set(E_USAGE, "--columns: more than %d", COLUMNS);
	*equal = 0;
	to->to = pair;
	to->from = equal + 1;
	if (!is_known(pair, &to->optional))
		return err_set(E_USAGE, "--columns: '%s' is no field that is "
			       "read here", pair);
	if (columns_from(c, pair, NULL))
		return err_set(E_USAGE, "--columns: '%s' twice", pair);
	c->n++;
	return 0;
}

int columns_parse(struct columns *c, const char *list)
{
	char *at, *next;

	if (!list || !*list)
		return 0;
	c->text = strdup(list);
	if (!c->text)
		return err_set(E_NOMEM, "no memory for --columns");
	for (at = c->text; at; at = next) {
		next = strchr(at, ',');
		if (next)
			*next++ = 0;
		TRY(add(c, at));
	}
	return 0;
}

void columns_release(struct columns *c)
{
	free(c->text);
	*c = (struct columns){ 0 };
}

const char *columns_from(const struct columns *c, const char *to,
			 const char *otherwise)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->at[i].to, to))
			return c->at[i].from;
	return otherwise;
}

static int is_of_message(const struct column *c)
{
	return !strcmp(c->to, "role") || !strcmp(c->to, "content");
}

int columns_apply(const struct columns *c, json_t *record)
{
	json_t *value[COLUMNS] = { NULL };
	int err = 0;

	/* All are read before one is written: names may be exchanged. */
	for (size_t i = 0; i < c->n && !err; i++) {
		if (is_of_message(&c->at[i]))
			continue;
		value[i] = json_object_get(record, c->at[i].from);
		if (!value[i])
			value[i] = json_path(record, c->at[i].from);
		json_incref(value[i]);
		if (!value[i] && !c->at[i].optional)
			err = err_set(E_DATA, "it has no field '%s', which "
				      "--columns names", c->at[i].from);
	}
	for (size_t i = 0; i < c->n && !err; i++) {
		if (is_of_message(&c->at[i]))
			continue;
		if (!value[i])
			(void)json_object_del(record, c->at[i].to);
		else if (json_object_set(record, c->at[i].to, value[i]))
			err = err_set(E_NOMEM, "no memory for a record");
	}
	for (size_t i = 0; i < c->n; i++)
		json_decref(value[i]);
	return err;
}
