/* What was learned of turns, in the files of a base */
#include "formats/learned_chat.h"

#include <stdlib.h>
#include <string.h>

#include "formats/json_span.h"

static const char generation[] = "file/generation_config.json";
static const char jinja[] = "file/chat_template.jinja";

static int no_memory(void)
{
	return err_set(E_NOMEM, "out of memory");
}

int learned_chat_take(struct learned_chat *l, json_t *meta)
{
	const char *text = json_text(meta, "template", NULL);
	json_t *id = json_object_get(meta, "id");

	if (!meta)
		return 0;
	if (!json_is_object(meta) || (id && (!json_is_integer(id) ||
	    json_integer_value(id) < 0)))
		return err_set(E_DATA, "the adapter's \"chat\" meta is none");
	if (text && l->template && strcmp(text, l->template))
		return err_set(E_DATA, "the adapters were trained on two chat "
			       "templates: a model has one");
	if (text)
		l->template = text;
	if (!l->ends)
		l->ends = json_array();
	if (!l->ends || (id && json_array_append(l->ends, id)))
		return no_memory();
	return 0;
}

void learned_chat_begin(struct learned_chat *l)
{
	json_decref(l->config);
	l->config = NULL;
	l->has_template = l->has_generation = 0;
}

static int is_file(const struct tensor *t, const char *name)
{
	return t->role == ROLE_BLOB && !strcmp(t->name, name);
}

/* A JSON file that has the template as its chat_template. */
static int has_key(const struct tensor *t)
{
	return is_file(t, "file/tokenizer_config.json") ||
	       is_file(t, "file/chat_template.json");
}

int learned_chat_wants(const struct learned_chat *l, const struct tensor *t)
{
	if (l->template && (is_file(t, jinja) || has_key(t)))
		return 1;
	return json_array_size(l->ends) && (is_file(t, generation) ||
					    is_file(t, "file/config.json"));
}

/* ---- tokens that end ---- */

/* One more id, unless it is there. */
static int add_end(json_t *ends, json_t *id)
{
	json_t *each;
	size_t i;

	json_array_foreach(ends, i, each)
		if (json_equal(each, id))
			return 0;
	return json_array_append(ends, id) ? no_memory() : 0;
}

/* *ends: was (an id, a list, or NULL: config.json's) and the learned ones; NULL
 * where there is no more than was. */
static int all_ends(const struct learned_chat *l, json_t *was, json_t **ends)
{
	json_t *own = was && !json_is_null(was) ? was :
		      json_object_get(l->config, "eos_token_id"), *id;
	size_t i;
	int err = 0;

	*ends = json_is_array(own) ? json_copy(own) : json_array();
	if (!*ends)
		return no_memory();
	if (json_is_integer(own))
		err = add_end(*ends, own);
	json_array_foreach(l->ends, i, id)
		if (!err)
			err = add_end(*ends, id);
	i = json_is_array(was) ? json_array_size(was) :
	    (size_t)json_is_integer(was);
	if (!err && json_array_size(*ends) != i)
		return 0;
	json_decref(*ends);
	*ends = NULL;
	return err;
}

static int set_key(struct text *json, json_t *root, const char *key,
		   json_t *value)
{
	struct json_span s;
	char *text;
	int err;

	if (!json_span_at(&s, json, key)) {
		if (json_object_get(root, key))
			return err_set(E_DATA, "%s is spelled otherwise", key);
		s.start = (size_t)(strchr(json->at, '{') - json->at);
		s.end = (size_t)(strrchr(json->at, '}') - json->at) + 1;
		return json_span_append(json, s, key, value);
	}
	TRY(json_print(&text, value, 0));
	err = json_span_replace(json, s, text);
	free(text);
	return err;
}

static int edit_generation(struct learned_chat *l, struct text *json,
			   json_t *root)
{
	json_t *ends;
	int err;

	l->has_generation = 1;
	TRY(all_ends(l, json_object_get(root, "eos_token_id"), &ends));
	err = ends ? set_key(json, root, "eos_token_id", ends) : 0;
	json_decref(ends);
	return err;
}

/* ---- the template ---- */

/* A list has the model's own as "default". */
static int set_default(json_t *list, json_t *text)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (!strcmp(json_text(one, "name", ""), "default"))
			return json_object_set(one, "template", text);
	return json_array_append_new(list, json_pack("{s:s,s:O}", "name",
						     "default", "template",
						     text));
}

static int edit_template(struct learned_chat *l, struct text *json,
			 json_t *root)
{
	json_t *was = json_object_get(root, "chat_template");
	json_t *text = json_string(l->template), *value;
	int err = 0;

	if (!text)
		return no_memory();
	if (!json_is_string(was) && !json_is_array(was)) {
		json_decref(text);
		return 0;
	}
	l->has_template = 1;
	value = json_is_array(was) ? json_deep_copy(was) : json_incref(text);
	if (!value || (json_is_array(value) && set_default(value, text)))
		err = no_memory();
	if (!err && !json_equal(value, was))
		err = set_key(json, root, "chat_template", value);
	json_decref(value);
	json_decref(text);
	return err;
}

/* ---- files ---- */

static int edit_json(struct learned_chat *l, const struct tensor *t,
		     struct text *json)
{
	json_t *root;
	int err;

	TRY(json_parse(&root, json->at, json->n));
	if (!json_is_object(root))
		err = err_set(E_DATA, "not an object");
	else if (is_file(t, generation))
		err = edit_generation(l, json, root);
	else if (has_key(t))
		err = edit_template(l, json, root);
	else
		err = (l->config = json_incref(root)) ? 0 : no_memory();
	json_decref(root);
	return err;
}

static int make_file(struct tensor *t, const char *name,
		     const struct text *text)
{
	TRY(tensor_init(t, name, ROLE_BLOB, DTYPE_U8, 1, &text->n));
	TRY(tensor_alloc(t));
	memcpy(t->part[0].data, text->at, text->n);
	return 0;
}

int learned_chat_edit(struct learned_chat *l, struct tensor *t)
{
	struct tensor to = { 0 };
	struct text text = { 0 };
	int err;

	if (is_file(t, jinja)) {
		l->has_template = 1;
		err = text_add_string(&text, l->template);
	} else {
		err = text_add(&text, t->part[0].data, t->part[0].bytes);
		if (!err)
			err = edit_json(l, t, &text);
	}
	if (!err)
		err = make_file(&to, t->name, &text);
	if (!err) {
		tensor_release(t);
		tensor_move(t, &to);
	}
	text_release(&text);
	tensor_release(&to);
	return err ? err_at(err, "%s", t->name) : 0;
}

static int put_made(const char *name, const char *s,
		    int (*put)(void *ctx, struct tensor *t), void *ctx)
{
	struct tensor t = { 0 };
	struct text text = { 0 };
	int err = text_add_string(&text, s);

	if (!err)
		err = make_file(&t, name, &text);
	if (!err)
		err = put(ctx, &t);
	text_release(&text);
	tensor_release(&t);
	return err;
}

/* generation_config.json as transformers makes it of config.json. */
static int make_generation(const struct learned_chat *l, char **text)
{
	static const char *const keys[] = { "bos_token_id", "pad_token_id" };
	json_t *root = json_object(), *ends, *v;
	int err = all_ends(l, NULL, &ends);
	int full = !root;

	for (size_t i = 0; i < 2 && !err && !full; i++) {
		v = json_object_get(l->config, keys[i]);
		if (json_is_integer(v))
			full = json_object_set(root, keys[i], v);
	}
	if (!err && (full || json_object_set(root, "eos_token_id", ends)))
		err = no_memory();
	if (!err)
		err = json_print(text, root, 2);
	json_decref(ends);
	json_decref(root);
	return err;
}

int learned_chat_rest(struct learned_chat *l,
		      int (*put)(void *ctx, struct tensor *t), void *ctx)
{
	char *text;
	int err;

	if (l->template && !l->has_template) {
		l->has_template = 1;
		TRY(put_made(jinja, l->template, put, ctx));
	}
	if (!json_array_size(l->ends) || l->has_generation)
		return 0;
	l->has_generation = 1;
	TRY(make_generation(l, &text));
	err = put_made(generation, text, put, ctx);
	free(text);
	return err;
}

void learned_chat_release(struct learned_chat *l)
{
	learned_chat_begin(l);
	json_decref(l->ends);
	*l = (struct learned_chat){ 0 };
}
