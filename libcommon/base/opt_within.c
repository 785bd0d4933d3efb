/* opt_within - options that hold for a part of the work only */
#include <stdlib.h>
#include <string.h>

#include "base/opt_text.h"

union value {
	int i;
	size_t count;
	uint64_t whole;
	double real;
	const char *text;
	struct opt_list list;
};

struct saved {
	union value value;
	int given;
};

static const size_t size_of[] = {
	[OPT_FLAG] = sizeof(int), [OPT_COUNT] = sizeof(size_t),
	[OPT_SEED] = sizeof(uint64_t), [OPT_REAL] = sizeof(double),
	[OPT_BYTES] = sizeof(uint64_t), [OPT_TEXT] = sizeof(const char *),
	[OPT_CHOICE] = sizeof(int), [OPT_LIST] = sizeof(struct opt_list),
};

static size_t count(const struct opt *table)
{
	size_t n = 0;

	while (table[n].name)
		n++;
	return n;
}

static void save(struct saved *s, struct opt *table)
{
	for (; table->name; table++, s++) {
		memcpy(&s->value, table->at, size_of[table->type]);
		s->given = table->given;
		table->given = 0;
	}
}

static void restore(struct opt *table, const struct saved *s)
{
	for (; table->name; table++, s++) {
		if (table->type == OPT_LIST && table->given)
			free(((struct opt_list *)table->at)->at);
		memcpy(table->at, &s->value, size_of[table->type]);
		table->given = s->given;
	}
}

/* A number as a text, which an option may point to; else v. */
static json_t *as_text(json_t *v)
{
	char *text = json_is_number(v) ? opt_scalar_text(v) : NULL;
	json_t *to = text ? json_string(text) : json_incref(v);

	free(text);
	return to;
}

/* The object and its lists are this call's own. */
static int to_texts(json_t *object)
{
	const char *key;
	json_t *v, *each;
	size_t i;
	int full = 0;

	json_object_foreach(object, key, v) {
		json_array_foreach(v, i, each)
			full |= json_array_set_new(v, i, as_text(each));
		full |= json_object_set_new(object, key, as_text(v));
	}
	return full ? err_set(E_NOMEM, "out of memory") : 0;
}

static int set_each(struct opt *o, const char *key, json_t *v)
{
	json_t *each;
	size_t i;

	if (o->type != OPT_LIST || !json_is_array(v)) {
		if (!json_is_string(v) && !json_is_boolean(v))
			return err_set(E_CONFIG, "%s: wrong type of value",
				       key);
		if ((o->type == OPT_FLAG) != json_is_boolean(v))
			return err_set(E_CONFIG, "%s: wrong type of value",
				       key);
		return opt_set(o, json_is_boolean(v) ?
				  json_is_true(v) ? "true" : "false" :
				  json_string_value(v));
	}
	json_array_foreach(v, i, each)
		if (!json_is_string(each) ||
		    opt_set(o, json_string_value(each)))
			return err_set(E_CONFIG, "%s: entry %zu is no text",
				       key, i + 1);
	return 0;
}

static int set_all(struct opt *table, json_t *object)
{
	const struct opt_program p = { .own = table };
	const char *key;
	json_t *v;

	TRY(to_texts(object));
	json_object_foreach(object, key, v) {
		struct opt *o = opt_find(&p, key);

		if (!o)
			return err_set(E_CONFIG, "unknown key '%s'", key);
		if (set_each(o, key, v))
			return err_at(E_CONFIG, "%s", key);
	}
	return 0;
}

int opt_within(struct opt *table, json_t *object, int (*fn)(void *ctx),
	       void *ctx)
{
	struct saved *saved = calloc(count(table) + 1, sizeof(*saved));
	json_t *own = json_deep_copy(object);
	int err;

	if (!saved || !own) {
		free(saved);
		json_decref(own);
		return err_set(E_NOMEM, "out of memory");
	}
	save(saved, table);
	err = set_all(table, own);
	if (!err)
		err = fn(ctx);
	restore(table, saved);
	free(saved);
	json_decref(own);
	return err;
}
