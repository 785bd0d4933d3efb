#include "formats/gguf_files.h"
#include "formats/gguf_pre.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

/* The pieces of a tokenizer.json that a kind of GGUF vocabulary asks for. */
struct shape {
	const struct gguf_pre *pre;  /* NULL: SentencePiece */
	int bos, space;         /* add a first token, a first space */
};

json_t *gguf_token(const struct gguf *g, int64_t id)
{
	const struct gguf_value *v = gguf_find(g, "tokenizer.ggml.tokens");
	const unsigned char *at;
	const char *text;
	size_t length;

	if (!v || v->type != GGUF_ARRAY || v->element != GGUF_TEXT || id < 0 ||
	    (uint64_t)id >= v->count)
		return NULL;
	at = v->at;
	do
		gguf_next_text(&at, &text, &length);
	while (id--);
	return json_stringn(text, length);
}

/* An array of that many elements, or of any number (SIZE_MAX), of a type. */
static const struct gguf_value *array(const struct gguf *g, const char *key,
				      size_t count, int texts)
{
	const struct gguf_value *v = gguf_find(g, key);

	if (!v || v->type != GGUF_ARRAY ||
	    (v->element == GGUF_TEXT) != texts ||
	    (count != SIZE_MAX && v->count != count)) {
		err_set(E_DATA, "%s: is missing or of the wrong size", key);
		return NULL;
	}
	return v;
}

static json_t *added_token(json_int_t id, const char *text, size_t length,
			   int special)
{
	return json_pack("{sI ss% sb sb sb sb sb}", "id", id, "content", text,
			 length, "single_word", 0, "lstrip", 0, "rstrip", 0,
			 "normalized", 0, "special", special);
}

/* The vocabulary, and the tokens that are found in text before all else. */
static int put_tokens(json_t *vocab, json_t *added, const struct gguf *g)
{
	const struct gguf_value *v =
		array(g, "tokenizer.ggml.tokens", SIZE_MAX, 1);
	const struct gguf_value *types;
	const unsigned char *at;

	if (!v)
		return E_DATA;
	types = array(g, "tokenizer.ggml.token_type", v->count, 0);
	if (!types)
		return E_DATA;
	at = v->at;
	for (size_t i = 0; i < v->count; i++) {
		double type = gguf_element(types, i);
		const char *text;
		size_t length;

		gguf_next_text(&at, &text, &length);
		if (memchr(text, 0, length) ||
		    json_object_setn_new(vocab, text, length,
					 json_integer((json_int_t)i)))
			return err_set(E_DATA, "token %zu: not UTF-8", i);
		if (!(type >= GGUF_UNKNOWN && type <= GGUF_USER))
			continue;
		if (json_array_append_new(added, added_token(
			    (json_int_t)i, text, length, type < GGUF_USER)))
			return err_set(E_NOMEM, "out of memory");
	}
	if (json_object_size(vocab) != v->count)
		return err_set(E_DATA, "tokenizer.ggml.tokens: a token is "
			       "given twice");
	return 0;
}

/* "a b" as ["a", "b"]: the space that divides is the only one, or the first
 * after the first character. */
static json_t *merge_pair(const char *text, size_t length)
{
	const char *space = length ? memchr(text + 1, ' ', length - 1) : NULL;
	size_t left;

	if (!space)
		return NULL;
	left = (size_t)(space - text);
	return json_pack("[s%s%]", text, left, space + 1, length - left - 1);
}

static int put_merges(json_t *merges, const struct gguf *g)
{
	const struct gguf_value *v =
		array(g, "tokenizer.ggml.merges", SIZE_MAX, 1);
	const unsigned char *at;

	if (!v)
		return E_DATA;
	at = v->at;
	for (size_t i = 0; i < v->count; i++) {
		const char *text;
		size_t length;

		gguf_next_text(&at, &text, &length);
		if (json_array_append_new(merges, merge_pair(text, length)))
			return err_set(E_DATA, "merge %zu: no pair", i);
	}
	return 0;
}

static json_t *replace(const char *from, const char *to)
{
	return json_pack("{ss s{ss} ss}", "type", "Replace", "pattern",
			 "String", from, "content", to);
}

static json_t *normalizer(const struct shape *s)
{
	if (s->pre)
		return s->pre->nfc ? json_pack("{ss}", "type", "NFC") :
				     json_null();
	if (!s->space)
		return replace(" ", "\u2581");
	return json_pack("{ss s[{ss ss} o]}", "type", "Sequence",
			 "normalizers", "type", "Prepend", "prepend",
			 "\u2581", replace(" ", "\u2581"));
}

static json_t *decoder(const struct shape *s)
{
	json_t *steps;

	if (s->pre)
		return gguf_byte_level(1, 1);
	steps = json_pack("[o {ss} {ss}]", replace("\u2581", " "), "type",
			  "ByteFallback", "type", "Fuse");
	if (s->space && steps)
		json_array_append_new(steps, json_pack(
			"{ss ss si si}", "type", "Strip", "content", " ",
			"start", 1, "stop", 0));
	return json_pack("{ss so}", "type", "Sequence", "decoders", steps);
}

/* The tokens that are put before a text. */
static json_t *post_processor(const struct shape *s, const struct gguf *g)
{
	int64_t id = gguf_whole(g, "tokenizer.ggml.bos_token_id", -1);
	json_t *bos = s->bos ? gguf_token(g, id) : NULL, *post;
	const char *text = json_string_value(bos);

	if (!bos)
		return json_null();
	post = json_pack("{ss s[{s{ss si}} {s{ss si}}] s[] s{s{ss s[I] s[s]}}}",
			 "type", "TemplateProcessing",
			 "single", "SpecialToken", "id", text, "type_id", 0,
			 "Sequence", "id", "A", "type_id", 0, "pair",
			 "special_tokens", text, "id", text, "ids",
			 (json_int_t)id, "tokens", text);
	if (post)
		json_object_set_new(post, "pair", json_pack(
			"[{s{ss si}} {s{ss si}} {s{ss si}} {s{ss si}}]",
			"SpecialToken", "id", text, "type_id", 0,
			"Sequence", "id", "A", "type_id", 0,
			"SpecialToken", "id", text, "type_id", 1,
			"Sequence", "id", "B", "type_id", 1));
	json_decref(bos);
	return post;
}

static json_t *unknown_token(const struct shape *s, const struct gguf *g)
{
	int64_t id = gguf_whole(g, "tokenizer.ggml.unknown_token_id", -1);
	json_t *text = s->pre ? NULL : gguf_token(g, id);

	return text ? text : json_null();
}

static int put_model(json_t *json, const struct shape *s, json_t *vocab,
		     json_t *merges, const struct gguf *g)
{
	json_t *model = json_pack(
		"{ss sn so sn sn sb sb sb sO sO}", "type", "BPE", "dropout",
		"unk_token", unknown_token(s, g), "continuing_subword_prefix",
		"end_of_word_suffix", "fuse_unk", !s->pre, "byte_fallback",
		!s->pre, "ignore_merges", s->pre && s->pre->ignore_merges,
		"vocab", vocab, "merges", merges);

	return gguf_put(json, "model", model);
}

static int fill(json_t *json, const struct shape *s, const struct gguf *g)
{
	json_t *vocab = json_object(), *added = json_array();
	json_t *merges = s->pre ? json_array() : NULL;
	int err = vocab && added ? put_tokens(vocab, added, g) :
		  err_set(E_NOMEM, "out of memory");

	if (!err)
		err = s->pre ? put_merges(merges, g) :
			       gguf_merges(&merges, g);
	if (!err)
		err = gguf_put(json, "version", json_string("1.0"));
	if (!err)
		err = gguf_put(json, "truncation", json_null());
	if (!err)
		err = gguf_put(json, "padding", json_null());
	if (!err)
		err = gguf_put(json, "added_tokens", json_incref(added));
	if (!err)
		err = gguf_put(json, "normalizer", normalizer(s));
	if (!err)
		err = gguf_put(json, "pre_tokenizer", s->pre ?
			       gguf_pre_tokenizer(s->pre) : json_null());
	if (!err)
		err = gguf_put(json, "post_processor", post_processor(s, g));
	if (!err)
		err = gguf_put(json, "decoder", decoder(s));
	if (!err)
		err = put_model(json, s, vocab, merges, g);
	json_decref(vocab);
	json_decref(added);
	json_decref(merges);
	return err;
}

static int find_pre(const struct gguf *g, const struct gguf_pre **p)
{
	json_t *name = gguf_json_text(g, "tokenizer.ggml.pre");

	*p = name ? gguf_pre_named(json_string_value(name)) : NULL;
	if (!*p)
		err_set(E_DATA, "tokenizer.ggml.pre: %.40s is not known",
			name ? json_string_value(name) : "(none)");
	json_decref(name);
	return *p ? 0 : E_DATA;
}

/* *model: its name, NULL for none; free it with json_decref(). */
static int find_shape(const struct gguf *g, struct shape *s, json_t **model)
{
	const char *name;

	*s = (struct shape){ 0 };
	*model = gguf_json_text(g, "tokenizer.ggml.model");
	if (!*model)
		return 0;
	name = json_string_value(*model);
	if (!strcmp(name, "no_vocab")) {
		json_decref(*model);
		*model = NULL;
		return 0;
	}
	if (!strcmp(name, "gpt2"))
		TRY(find_pre(g, &s->pre));
	else if (strcmp(name, "llama"))
		return err_set(E_DATA, "tokenizer.ggml.model: %.40s is not "
			       "known", name);
	s->bos = !!gguf_whole(g, "tokenizer.ggml.add_bos_token",
			      !s->pre || s->pre->bos);
	s->space = !!gguf_whole(g, "tokenizer.ggml.add_space_prefix",
				!s->pre);
	return 0;
}

int gguf_tokenizer(json_t **json, const struct gguf *g)
{
	json_t *model;
	struct shape s;
	int err = find_shape(g, &s, &model);

	*json = NULL;
	if (!err && model) {
		*json = json_object();
		err = *json ? fill(*json, &s, g) :
			      err_set(E_NOMEM, "out of memory");
	}
	if (err) {
		json_decref(*json);
		*json = NULL;
	}
	json_decref(model);
	return err;
}

int gguf_tokenizer_adds(const struct gguf *g, int *known, int *bos, int *space)
{
	json_t *model;
	struct shape s;
	int err = find_shape(g, &s, &model);

	*known = model != NULL;
	*bos = s.bos;
	*space = s.space;
	json_decref(model);
	return err;
}
