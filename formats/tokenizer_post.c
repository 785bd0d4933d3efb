/* Post-processors: the ids that stand before and behind a text's own. */
#include "formats/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

/* Adds the id that a member of the template stands for. */
static int member(struct step *s, json_t *spec, json_t *tokens)
{
	json_t *special = json_object_get(spec, "SpecialToken");
	const char *name = json_text(special, "id", NULL);
	json_t *ids = json_object_get(json_object_get(tokens, name ? name : ""),
				      "ids");
	json_t *id;
	size_t i;

	if (json_object_get(spec, "Sequence")) {
		s->id[s->n++] = TEMPLATE_TEXT;
		return 0;
	}
	if (!name || !json_array_size(ids))
		return err_set(E_DATA, "token '%s' has no ids",
			       name ? name : "");
	json_array_foreach(ids, i, id) {
		if (!json_is_integer(id) || json_integer_value(id) < 0 ||
		    json_integer_value(id) >= TEMPLATE_TEXT)
			return err_set(E_DATA, "token '%s': bad id", name);
		TRY(array_room(&s->id, s->n + 1, &s->m, sizeof(*s->id)));
		s->id[s->n++] = (uint32_t)json_integer_value(id);
	}
	return 0;
}

static int template_init(struct step *s, json_t *spec)
{
	json_t *single = json_object_get(spec, "single"), *m;
	size_t i;

	if (!json_is_array(single))
		return err_set(E_DATA, "single is no array");
	json_array_foreach(single, i, m) {
		TRY(array_room(&s->id, s->n, &s->m, sizeof(*s->id)));
		TRY(member(s, m, json_object_get(spec, "special_tokens")));
	}
	return 0;
}

static int template(const struct step *s, struct ids *ids, size_t from)
{
	size_t n = ids->n - from;
	uint32_t *text = malloc(n * sizeof(*text) + 1);
	int err = 0;

	if (!text)
		return err_set(E_NOMEM, "no memory for %zu tokens", n);
	if (n)
		memcpy(text, ids->at + from, n * sizeof(*text));
	ids->n = from;
	for (size_t i = 0; i < s->n && !err; i++)
		if (s->id[i] != TEMPLATE_TEXT)
			err = ids_add(ids, s->id[i]);
		else
			for (size_t k = 0; k < n && !err; k++)
				err = ids_add(ids, text[k]);
	free(text);
	return err;
}

/* "cls": ["[CLS]", 101] */
static int pair_id(uint32_t *id, json_t *spec, const char *key)
{
	json_t *n = json_array_get(json_object_get(spec, key), 1);

	if (!json_is_integer(n) || json_integer_value(n) < 0 ||
	    json_integer_value(n) >= TEMPLATE_TEXT)
		return err_set(E_DATA, "%s has no id", key);
	*id = (uint32_t)json_integer_value(n);
	return 0;
}

static int bert_init(struct step *s, json_t *spec)
{
	s->id = malloc(3 * sizeof(*s->id));
	if (!s->id)
		return err_set(E_NOMEM, "no memory for a template");
	s->n = 3;
	s->id[1] = TEMPLATE_TEXT;
	TRY(pair_id(&s->id[0], spec, "cls"));
	return pair_id(&s->id[2], spec, "sep");
}

static int nothing(const struct step *s, struct ids *ids, size_t from)
{
	(void)s;
	(void)ids;
	(void)from;
	return 0;
}

/* clang-format off */
static const struct step_kind kinds[] = {
	{ "TemplateProcessing", template_init, .post = template },
	{ "BertProcessing",     bert_init,     .post = template },
	{ "RobertaProcessing",  bert_init,     .post = template },
	{ "ByteLevel",          NULL,          .post = nothing }, /* offsets */
	{ NULL }
};
/* clang-format on */

const struct step_family step_postprocessors = { "post_processor",
						 "processors", kinds };
