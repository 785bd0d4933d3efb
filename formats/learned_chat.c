/* What training learned of turns, as an adapter's "chat" meta */
#include "formats/learned_chat.h"

#include <stdlib.h>
#include <string.h>

#include "formats/chat.h"
#include "formats/tokenizer.h"

/* The last of the records that says which template, if it is a named one: a
 * file that a stream names is not read. */
static const char *template_of(json_t *data)
{
	const char *name = NULL;
	json_t *record;
	size_t i;

	json_array_foreach(data, i, record)
		name = json_text(json_object_get(record, "params"),
				 "template", name);
	for (i = 0; name && i < chat_nbuiltin; i++)
		if (!strcmp(chat_builtin[i].name, name))
			return chat_builtin[i].name;
	return NULL;
}

static int renders_same(const struct chat *a, const struct chat *b,
			json_t *messages, int prompt)
{
	size_t n = json_array_size(messages);
	char *x = NULL, *y = NULL;
	int same = !chat_render(a, messages, n, prompt, &x) &&
		   !chat_render(b, messages, n, prompt, &y) && !strcmp(x, y);

	free(x);
	free(y);
	return same;
}

/* Do they write a conversation alike, with a system's message and without? */
static int is_same(const struct chat *a, const struct chat *b)
{
	json_t *all = json_pack("[{s:s,s:s},{s:s,s:s},{s:s,s:s},{s:s,s:s}]",
				"role", "system", "content", "be brief",
				"role", "user", "content", " one\n",
				"role", "assistant", "content", " two\n",
				"role", "user", "content", "three");
	json_t *rest = json_deep_copy(all);
	int same;

	same = rest && !json_array_remove(rest, 0) &&
	       renders_same(a, b, all, 1) && renders_same(a, b, rest, 1);
	json_decref(all);
	json_decref(rest);
	return same;
}

static int set_template(json_t *meta, const struct chat *chat)
{
	char *text;
	json_t *value;

	TRY(chat_source(chat, &text));
	value = json_string(text);
	free(text);
	return !value || json_object_set_new(meta, "template", value) ?
	       err_set(E_NOMEM, "out of memory") : 0;
}

/* old: the base's own, or NULL. */
static int make(json_t **meta, const struct tokenizer *t,
		const struct chat *old, const struct chat *chat)
{
	const char *end = chat_end_of_turn(chat);
	int64_t id = end ? tokenizer_id(t, end) : -1;
	int full = 0;

	*meta = json_object();
	if (!*meta)
		return err_set(E_NOMEM, "out of memory");
	if (!old || !is_same(old, chat))
		TRY(set_template(*meta, chat));
	if (id >= 0)
		full = json_object_set_new(*meta, "end", json_string(end)) ||
		       json_object_set_new(*meta, "id", json_integer(id));
	return full ? err_set(E_NOMEM, "out of memory") : 0;
}

static int is_added(json_t *added, const char *end)
{
	json_t *one;
	size_t i;

	json_array_foreach(added, i, one)
		if (end && !strcmp(json_text(one, "content", ""), end))
			return 1;
	return 0;
}

int learned_chat_meta(json_t **meta, const struct tokenizer *t,
		      const char *name, json_t *data, json_t *added)
{
	struct chat *old = NULL, *chat = NULL;
	const struct chat *used;
	int err = 0;

	*meta = NULL;
	name = name ? name : template_of(data);
	if (!t || (!name && !json_array_size(added)))
		return 0;
	/* What cannot be opened wrote nothing: samples were tokens already. */
	if (chat_open(&old, NULL, t))
		old = NULL;
	if (name && chat_open(&chat, name, t))
		chat = NULL;
	used = name ? chat : old;
	/* With the base's own template: is its end of turn new? */
	if (used && (name || is_added(added, chat_end_of_turn(used))))
		err = make(meta, t, old, used);
	chat_free(chat);
	chat_free(old);
	if (err) {
		json_decref(*meta);
		*meta = NULL;
	}
	return err;
}
