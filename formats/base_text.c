#include "formats/base_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "formats/chat.h"
#include "formats/text.h"
#include "formats/tokenizer.h"
#include "formats/unicode.h"

enum { STOPS = 16 };

struct base_text {
	struct text_codec codec;        /* first: freed through it */
	struct tokenizer *tokenizer;
	struct chat *chat;              /* NULL: see why */
	int why;
	char *message;
	uint32_t stop[STOPS];
};

static int encode(void *ctx, const char *text, size_t size, int chat,
		  struct text_ids *out)
{
	struct base_text *b = ctx;
	struct ids ids = { 0 };
	int err = tokenizer_encode(b->tokenizer, text, size, !chat, &ids);

	if (err)
		ids_release(&ids);
	*out = (struct text_ids){ ids.at, ids.n };
	return err;
}

static int decode(void *ctx, const uint32_t *id, size_t n, char **text)
{
	struct base_text *b = ctx;
	size_t size;

	return tokenizer_decode(b->tokenizer, id, n, 1, text, &size);
}

static int render(void *ctx, json_t *messages, size_t n, char **text)
{
	struct base_text *b = ctx;

	if (!b->chat)
		return err_set(b->why, "%s", b->message);
	return chat_render(b->chat, messages, n, 1, text);
}

static int lower(void *ctx, const char *text, char **out)
{
	struct text t = { 0 };
	int err = text_add(&t, "", 0);

	(void)ctx;
	if (!err)
		err = unicode_lower(&t, text, strlen(text));
	if (err)
		text_release(&t);
	*out = err ? NULL : t.at;
	return err;
}

static void add_stop(struct base_text *b, int64_t id)
{
	if (id < 0 || b->codec.nstop == STOPS)
		return;
	for (size_t i = 0; i < b->codec.nstop; i++)
		if (b->stop[i] == (uint32_t)id)
			return;
	b->stop[b->codec.nstop++] = (uint32_t)id;
}

/* eos_token_id, a number or a list of them. */
static void add_stops(struct base_text *b, const struct collected *base)
{
	json_t *root, *eos, *each;
	const char *text;
	size_t size, i;

	text = collection_file(base, "generation_config.json", &size);
	if (!text || json_parse(&root, text, size))
		return;
	eos = json_object_get(root, "eos_token_id");
	if (json_is_integer(eos))
		add_stop(b, json_integer_value(eos));
	json_array_foreach(eos, i, each)
		if (json_is_integer(each))
			add_stop(b, json_integer_value(each));
	json_decref(root);
}

/* A template that cannot be rendered matters only to who wants a chat. */
static int open_chat(struct base_text *b, const struct collected *base,
		     const char *name)
{
	const char *file;
	size_t size;

	file = collection_file(base, "chat_template.jinja", &size);
	if (file)
		TRY(tokenizer_set_template(b->tokenizer, file, size));
	b->why = chat_open(&b->chat, name, b->tokenizer);
	if (b->why) {
		b->message = strdup(err_text());
		return b->message ? 0 : err_set(E_NOMEM, "out of memory");
	}
	if (chat_end_of_turn(b->chat))
		add_stop(b, tokenizer_id(b->tokenizer,
					 chat_end_of_turn(b->chat)));
	return 0;
}

static int open_all(struct base_text *b, const struct collected *base,
		    const char *chat_template)
{
	const char *json, *config, *map, *model;
	size_t size, config_size = 0, map_size = 0, model_size = 0;

	json = collection_file(base, "tokenizer.json", &size);
	if (!json)
		return err_set(E_DATA, "the base has no tokenizer.json");
	config = collection_file(base, "tokenizer_config.json", &config_size);
	TRY(tokenizer_new(&b->tokenizer, json, size, config, config_size));
	map = collection_file(base, "special_tokens_map.json", &map_size);
	model = collection_file(base, "config.json", &model_size);
	TRY(tokenizer_complete(b->tokenizer, map, map_size, model,
			       model_size));
	add_stops(b, base);
	add_stop(b, tokenizer_eos(b->tokenizer));
	b->codec.prefix = tokenizer_bos(b->tokenizer);
	if (b->codec.prefix < 0)
		b->codec.prefix = tokenizer_eos(b->tokenizer);
	return open_chat(b, base, chat_template);
}

int base_text_open(struct text_codec **t, const struct collected *base,
		   const char *chat_template)
{
	struct base_text *b = calloc(1, sizeof(*b));
	int err;

	*t = NULL;
	if (!b)
		return err_set(E_NOMEM, "out of memory");
	b->codec = (struct text_codec){
		.encode = encode, .decode = decode, .render = render,
		.lower = lower, .ctx = b, .stop = b->stop,
	};
	err = open_all(b, base, chat_template);
	if (err) {
		base_text_free(&b->codec);
		return err;
	}
	*t = &b->codec;
	return 0;
}

void base_text_free(struct text_codec *t)
{
	struct base_text *b = (struct base_text *)t;

	if (!b)
		return;
	tokenizer_free(b->tokenizer);
	chat_free(b->chat);
	free(b->message);
	free(b);
}

struct tokenizer *base_text_tokenizer(struct text_codec *t)
{
	return t ? ((struct base_text *)t)->tokenizer : NULL;
}

struct chat *base_text_chat(struct text_codec *t)
{
	return ((struct base_text *)t)->chat;
}
