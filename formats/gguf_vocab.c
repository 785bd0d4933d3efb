#include "formats/gguf_vocab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "formats/gguf_pre.h"
#include "formats/gguf_vocab_parts.h"
#include "formats/tokenizer.h"

static int no_memory(void)
{
	return err_set(E_NOMEM, "out of memory");
}

/* ---- the tokens ---- */

static int token_at(struct gguf_vocab *v, json_t *id, const char *text,
		    size_t length, int type)
{
	json_int_t i = json_integer_value(id);

	if (!json_is_integer(id) || i < 0)
		return err_set(E_DATA, "token '%.80s' has no id", text);
	if ((uint64_t)i >= v->n)
		return err_set(E_DATA, "token '%.80s' has the id %lld, but "
			       "the model has %zu rows", text, (long long)i,
			       v->n);
	v->token[i] = (struct gguf_vocab_token){ text, length, type, 0 };
	return 0;
}

/* "<0x0A>" */
static int is_byte(const char *text, size_t n)
{
	unsigned byte;
	char end;

	return n == 6 && sscanf(text, "<0x%2X%c", &byte, &end) == 2 &&
	       end == '>';
}

static int read_model(struct gguf_vocab *v, json_t *model)
{
	json_t *vocab = json_object_get(model, "vocab"), *id;
	const char *unknown = json_text(model, "unk_token", NULL), *text;

	json_object_foreach(vocab, text, id) {
		size_t n = strlen(text);
		int type = v->pieces && is_byte(text, n) ? GGUF_BYTE :
			   v->pieces && unknown && !strcmp(text, unknown) ?
				   GGUF_UNKNOWN : GGUF_NORMAL;

		TRY(token_at(v, id, text, n, type));
	}
	return 0;
}

/* Tokens that are found before all else. GGUF knows no way to find one only
 * between spaces; what spaces it takes with it llama.cpp ignores. */
static int read_added(struct gguf_vocab *v, json_t *added)
{
	json_t *t;
	size_t i;

	json_array_foreach(added, i, t) {
		json_t *id = json_object_get(t, "id");
		const char *text = json_text(t, "content", "");
		int special = json_flag(t, "special", 0);

		if (json_flag(t, "single_word", 0))
			return err_set(E_DATA, "the token '%.80s' is found "
				       "as a whole word only, which llama.cpp "
				       "cannot do", text);
		if (v->pieces && json_is_integer(id) &&
		    (uint64_t)json_integer_value(id) < v->n &&
		    v->token[json_integer_value(id)].type == GGUF_UNKNOWN)
			continue;
		TRY(token_at(v, id, text, strlen(text),
			     special ? GGUF_CONTROL : GGUF_USER));
	}
	return 0;
}

/* Rows of the embedding that no token has. */
static int fill_up(struct gguf_vocab *v)
{
	enum { ROOM = 32 };

	v->spare = calloc(v->n + 1, ROOM);
	if (!v->spare)
		return no_memory();
	for (size_t i = 0; i < v->n; i++) {
		char *name = v->spare + i * ROOM;

		if (v->token[i].text)
			continue;
		snprintf(name, ROOM, "[PAD%zu]", i);
		v->token[i] = (struct gguf_vocab_token){
			name, strlen(name), GGUF_UNUSED, 0 };
	}
	return 0;
}

/* ---- the kind ---- */

static int cannot(const char *what)
{
	return err_set(E_DATA, "%s is none that llama.cpp knows; --to hf keeps "
		       "the tokenizer as it is", what);
}

static const char *type_of(json_t *step)
{
	return json_text(step, "type", "");
}

static int find_pre(struct gguf_vocab *v, json_t *root)
{
	json_t *normal = json_object_get(root, "normalizer");
	int nfc = !strcmp(type_of(normal), "NFC");

	if (normal && !json_is_null(normal) && !nfc)
		return cannot("the normalizer");
	v->pre = gguf_pre_find(json_object_get(root, "pre_tokenizer"), nfc,
			       json_flag(json_object_get(root, "model"),
					 "ignore_merges", 0));
	return v->pre ? 0 : cannot("the pre-tokenizer");
}

/* " " becomes U+2581, before which there may be one more. */
static int is_replace(json_t *step)
{
	return !strcmp(type_of(step), "Replace") &&
	       !strcmp(json_text(step, "pattern.String", ""), " ") &&
	       !strcmp(json_text(step, "content", ""), "\u2581");
}

static int find_space(struct gguf_vocab *v, json_t *root)
{
	json_t *normal = json_object_get(root, "normalizer");
	json_t *cut = json_object_get(root, "pre_tokenizer");
	json_t *steps = json_object_get(normal, "normalizers");
	json_t *last = steps ? json_array_get(steps,
					      json_array_size(steps) - 1) :
			       normal;
	int meta = !strcmp(type_of(cut), "Metaspace");

	if (meta)
		v->space = strcmp(json_text(cut, "prepend_scheme", "always"),
				  "never") &&
			   json_flag(cut, "add_prefix_space", 1);
	else if (!strcmp(type_of(json_array_get(steps, 0)), "Prepend"))
		v->space = 1;
	if (meta ? normal && !json_is_null(normal) :
		   !is_replace(last) ||
		   json_array_size(steps) > (size_t)v->space + 1)
		return cannot("the normalizer");
	/* Gemma's, which after the replacement finds nothing to split. */
	if (!meta && cut && !json_is_null(cut) &&
	    strcmp(json_text(cut, "pattern.String", ""), " "))
		return cannot("the pre-tokenizer");
	return 0;
}

static int read_vocab(struct gguf_vocab *v, json_t *root, size_t rows)
{
	json_t *model = json_object_get(root, "model");

	v->n = rows;
	v->token = calloc(rows + 1, sizeof(*v->token));
	if (!v->token)
		return no_memory();
	v->pieces = json_flag(model, "byte_fallback", 0);
	if (json_text(model, "continuing_subword_prefix", "")[0] ||
	    json_text(model, "end_of_word_suffix", "")[0])
		return cannot("a model with marks inside words");
	TRY(v->pieces ? find_space(v, root) : find_pre(v, root));
	TRY(read_model(v, model));
	TRY(read_added(v, json_object_get(root, "added_tokens")));
	TRY(fill_up(v));
	return v->pieces ? gguf_vocab_scores(v, model) : 0;
}

/* ---- the keys ---- */

static int put_tokens(struct gguf_out *o, const struct gguf_vocab *v,
		      struct text *texts, struct text *types,
		      struct text *scores)
{
	for (size_t i = 0; i < v->n; i++) {
		const struct gguf_vocab_token *t = &v->token[i];
		int32_t type = t->type;

		TRY(gguf_out_element(texts, t->text, t->length));
		TRY(text_add(types, &type, sizeof(type)));
		TRY(text_add(scores, &t->score, sizeof(t->score)));
	}
	TRY(gguf_out_array(o, "tokenizer.ggml.tokens", GGUF_TEXT, v->n,
			   texts));
	if (v->pieces)
		TRY(gguf_out_array(o, "tokenizer.ggml.scores", GGUF_F32, v->n,
				   scores));
	return gguf_out_array(o, "tokenizer.ggml.token_type", GGUF_I32, v->n,
			      types);
}

static int put_merges(struct gguf_out *o, json_t *merges, struct text *list)
{
	struct text one = { 0 };
	json_t *m;
	size_t i, n = 0;
	int err = 0;

	json_array_foreach(merges, i, m) {
		one.n = 0;
		if (json_is_array(m)) {
			err = text_add_string(&one, json_string_value(
						      json_array_get(m, 0)));
			if (!err)
				err = text_add(&one, " ", 1);
			if (!err)
				err = text_add_string(&one, json_string_value(
						      json_array_get(m, 1)));
		} else if (strncmp(json_string_value(m), "#version", 8)) {
			err = text_add_string(&one, json_string_value(m));
		} else {
			continue;
		}
		if (!err)
			err = gguf_out_element(list, one.at, one.n);
		if (err)
			break;
		n++;
	}
	text_release(&one);
	return err ? err : gguf_out_array(o, "tokenizer.ggml.merges",
					  GGUF_TEXT, n, list);
}

static int put_vocab(struct gguf_out *o, const struct gguf_vocab *v,
		     json_t *root)
{
	struct text a = { 0 }, b = { 0 }, c = { 0 };
	json_t *merges = json_path(root, "model.merges");
	int err = put_tokens(o, v, &a, &b, &c);

	a.n = 0;
	if (!err && !v->pieces)
		err = put_merges(o, merges, &a);
	text_release(&a);
	text_release(&b);
	text_release(&c);
	return err;
}

static int put_all(struct gguf_out *o, const struct gguf_sides *s,
		   json_t *config, size_t rows, json_t *root)
{
	struct gguf_vocab v = { 0 };
	struct tokenizer *t = NULL;
	int err = tokenizer_new(&t, s->tokenizer, s->tokenizer_size,
				s->tokenizer_config,
				s->tokenizer_config_size);

	if (!err)
		err = read_vocab(&v, root, rows);
	if (!err)
		err = gguf_out_text(o, "tokenizer.ggml.model",
				    v.pieces ? "llama" : "gpt2");
	if (!err)
		err = gguf_out_text(o, "tokenizer.ggml.pre",
				    v.pieces ? "default" : v.pre->name);
	if (!err)
		err = put_vocab(o, &v, root);
	if (!err)
		err = gguf_vocab_specials(o, t, s, config, rows);
	if (!err && v.pieces)
		err = gguf_out_bool(o, "tokenizer.ggml.add_space_prefix",
				    v.space);
	if (!err && s->template)
		err = tokenizer_set_template(t, s->template,
					     s->template_size);
	if (!err && tokenizer_template(t))
		err = gguf_out_text(o, "tokenizer.chat_template",
				    tokenizer_template(t));
	tokenizer_free(t);
	free(v.token);
	free(v.spare);
	return err;
}

int gguf_vocab_keys(struct gguf_out *o, const struct gguf_sides *s,
		    json_t *config, size_t rows)
{
	json_t *root;
	int err;

	if (!s->tokenizer)
		return gguf_out_text(o, "tokenizer.ggml.model", "no_vocab");
	err = json_parse(&root, s->tokenizer, s->tokenizer_size);
	if (!err)
		err = put_all(o, s, config, rows, root);
	json_decref(root);
	return err ? err_at(err, "tokenizer.json") : 0;
}

void gguf_sides_release(struct gguf_sides *s)
{
	free(s->tokenizer);
	free(s->tokenizer_config);
	free(s->template);
	free(s->generation);
	*s = (struct gguf_sides){ 0 };
}
