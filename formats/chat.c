#include "formats/chat_parts.h"

#include "base/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(const char *name)
{
	char names[256] = "";
	size_t n = 0;

	for (size_t i = 0; i < chat_nbuiltin && n < sizeof(names); i++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s",
				      i ? ", " : "", chat_builtin[i].name);
	if (name)
		return err_set(E_CONFIG, "there is no template '%s'; there "
			       "are %s, and FILE.jinja", name, names);
	return err_set(E_CONFIG, "the model has no chat template: choose one "
		       "with --template (%s, or FILE.jinja)", names);
}

static int is_file(const char *name)
{
	size_t n = strlen(name);

	return strchr(name, '/') ||
	       (n > 6 && !strcmp(name + n - 6, ".jinja"));
}

static int init_file(struct chat *c, const char *path)
{
	char *text;
	size_t size;
	int err;

	TRY(io_read_file(&text, &size, path, JINJA_SIZE));
	err = chat_jinja_init(c, text, size);
	free(text);
	return err ? err_at(err, "%s", path) : 0;
}

static int init(struct chat *c, const char *name, const char *model_template)
{
	const struct chat_text *text = name ? chat_find_text(name) : NULL;
	int err;

	c->name = strdup(name ? name : "chat_template");
	if (!c->name)
		return err_set(E_NOMEM, "no memory for a template");
	if (text)
		return chat_named_init(c, text);
	if (name)
		return is_file(name) ? init_file(c, name) : refuse(name);
	if (!model_template)
		return refuse(NULL);
	err = chat_jinja_init(c, model_template, strlen(model_template));
	return err == E_DATA ? err_set(E_DATA, "the model's chat %s: choose "
				       "another with --template", err_text()) :
	       err;
}

int chat_new(struct chat **out, const char *name, const char *model_template)
{
	struct chat *c = calloc(1, sizeof(*c));
	int err;

	*out = NULL;
	if (!c)
		return err_set(E_NOMEM, "no memory for a template");
	err = init(c, name, model_template);
	if (err)
		chat_free(c);
	else
		*out = c;
	return err;
}

void chat_free(struct chat *c)
{
	if (!c)
		return;
	jinja_free(c->jinja);
	json_decref(c->variables);
	free(c->source);
	free(c->bos);
	free(c->eos);
	free(c->end);
	free(c->name);
	free(c);
}

static int set_token(struct chat *c, const char *name, const char *text)
{
	json_t *value = text ? json_string(text) : NULL;

	if (text && !value)
		return err_set(E_DATA, "%s is no UTF-8 text", name);
	return chat_set(c, name, value);
}

int chat_set_tokens(struct chat *c, const char *bos, const char *eos)
{
	if (!c->jinja)
		return chat_named_tokens(c, bos, eos);
	TRY(set_token(c, "bos_token", bos));
	TRY(set_token(c, "eos_token", eos));
	return chat_jinja_tail(c);
}

int chat_set(struct chat *c, const char *name, json_t *value)
{
	if (!c->jinja) {
		json_decref(value);
		return 0;
	}
	if (!value) {
		json_object_del(c->variables, name);
		return 0;
	}
	return json_object_set_new(c->variables, name, value) ?
	       err_set(E_NOMEM, "no memory for a template") : 0;
}

int chat_set_all(struct chat *c, const char *json)
{
	json_t *root, *value;
	const char *key;
	int err = 0;

	if (!json)
		return 0;
	if (json_parse(&root, json, strlen(json)))
		return err_set(E_USAGE, "the template's variables: %s",
			       err_text());
	if (!json_is_object(root))
		err = err_set(E_USAGE, "the template's variables are a JSON "
			      "object");
	json_object_foreach(root, key, value)
		if (!err)
			err = chat_set(c, key, json_incref(value));
	json_decref(root);
	return err;
}

int chat_uses(const struct chat *c, const char *name)
{
	return c->jinja && strstr(c->source, name);
}

int chat_takes_any(const struct chat *c)
{
	return c->jinja != NULL;
}

const char *chat_end_of_turn(const struct chat *c)
{
	return c->end;
}

const char *chat_name(const struct chat *c)
{
	return c->name;
}

int chat_render(const struct chat *c, json_t *messages, size_t n, int prompt,
		char **text)
{
	struct text out = { 0 };
	int err = text_add(&out, "", 0);

	*text = NULL;
	if (!err)
		err = c->jinja ?
		      chat_jinja_render(c, &out, messages, n, prompt) :
		      chat_named_render(c, &out, messages, n, prompt);
	if (!err && memchr(out.at, 0, out.n))
		err = err_set(E_DATA, "the messages hold a NUL");
	if (err)
		text_release(&out);
	else
		*text = out.at;
	return err;
}
