#include "formats/grow.h"

#include "base/size.h"
#include "formats/base_pages.h"
#include "formats/json_span.h"
#include "weight/weight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ID_MOST = 1 << 30 };

/* ---- the files ---- */

/* vocab_size, or that of a text model in a larger one. */
static const char *const vocab_paths[] = { "vocab_size",
					   "text_config.vocab_size" };

static const char *vocab_path(const struct text *t, struct json_span *s)
{
	for (size_t i = 0; i < 2; i++)
		if (json_span_at(s, t, vocab_paths[i]))
			return vocab_paths[i];
	return NULL;
}

size_t grow_vocab(const char *config, size_t size)
{
	json_t *root, *v;
	size_t n = 0;

	if (json_parse(&root, config, size))
		return 0;
	for (size_t i = 0; i < 2 && !n; i++) {
		v = json_path(root, vocab_paths[i]);
		if (json_is_integer(v) && json_integer_value(v) > 0)
			n = (size_t)json_integer_value(v);
	}
	json_decref(root);
	return n;
}

/* What tokenizer.json says of a token; that of tokenizer_config.json is the
 * same without id and content. */
static json_t *entry(json_t *one, int whole)
{
	static const char *const flags[2][4] = {
		{ "lstrip", "normalized", "rstrip", "single_word" },
		{ "single_word", "lstrip", "rstrip", "normalized" },
	};
	json_t *e = json_object();
	int err = !e;

	if (!err && whole)
		err = json_object_set(e, "id", json_object_get(one, "id"));
	err = err || json_object_set(e, "content",
				     json_object_get(one, "content"));
	for (size_t i = 0; i < 4; i++)
		err = err || json_object_set_new(e, flags[whole][i],
						 json_false());
	if (err || json_object_set_new(e, "special", json_true())) {
		json_decref(e);
		return NULL;
	}
	return e;
}

/* Is it there? E_DATA: under another id, or another token is. */
static int look(json_t *list, json_t *one, int *there)
{
	json_int_t id = json_integer_value(json_object_get(one, "id"));
	const char *content = json_text(one, "content", "");
	json_t *v;
	size_t i;

	*there = 0;
	if (id < 0 || id >= ID_MOST || !*content)
		return err_set(E_DATA, "added_tokens: an entry without a "
			       "content or an id");
	json_array_foreach(list, i, v) {
		int same_id = json_integer_value(json_object_get(v, "id")) ==
			      id;
		int same = !strcmp(json_text(v, "content", ""), content);

		if (same != same_id)
			return err_set(E_DATA, "added_tokens: '%.80s' is %lld,"
				       " and '%.80s' has %lld", content,
				       (long long)id,
				       json_text(v, "content", ""),
				       (long long)json_integer_value(
					json_object_get(v, "id")));
		*there |= same;
	}
	return 0;
}

static int append(struct text *json, const char *path, const char *key,
		  json_t *value)
{
	struct json_span s;
	int err;

	if (!value)
		return err_set(E_NOMEM, "no memory for added tokens");
	err = json_span_at(&s, json, path) ?
	      json_span_append(json, s, key, value) :
	      err_set(E_DATA, "%s is missing", path);
	json_decref(value);
	return err;
}

int grow_tokenizer(struct text *json, json_t *added)
{
	json_t *root, *list, *one;
	int err = 0, there = 0;
	size_t i;

	TRY(json_parse(&root, json->at, json->n));
	list = json_object_get(root, "added_tokens");
	if (!json_is_array(list))
		err = err_set(E_DATA, "there is no list added_tokens");
	json_array_foreach(added, i, one) {
		if (!err)
			err = look(list, one, &there);
		if (!err && !there)
			err = append(json, "added_tokens", NULL,
				     entry(one, 1));
	}
	json_decref(root);
	return err ? err_at(err, "tokenizer.json") : 0;
}

/* tokenizer_config.json has the same by id, if it has it at all. */
static int grow_decoder(struct text *json, json_t *added)
{
	static const char path[] = "added_tokens_decoder";
	json_t *root, *all, *one;
	size_t i;
	int err = 0;

	TRY(json_parse(&root, json->at, json->n));
	all = json_object_get(root, path);
	json_array_foreach(added, i, one) {
		char key[32];

		snprintf(key, sizeof(key), "%lld", (long long)
			 json_integer_value(json_object_get(one, "id")));
		if (!err && json_is_object(all) && !json_object_get(all, key))
			err = append(json, path, key, entry(one, 0));
	}
	json_decref(root);
	return err ? err_at(err, "tokenizer_config.json") : 0;
}

/* ---- the base ---- */

static size_t rows_wanted(json_t *added)
{
	size_t most = 0, i;
	json_t *one;

	json_array_foreach(added, i, one) {
		json_int_t id = json_integer_value(json_object_get(one, "id"));

		if (id >= 0 && id < ID_MOST && (size_t)id >= most)
			most = (size_t)id + 1;
	}
	return most;
}

void grow_from(struct grow *g, size_t was)
{
	g->was = was;
	g->rows = size_max(was, rows_wanted(g->added));
}

static int grow_config(struct grow *g, struct text *json)
{
	struct json_span s;
	char rows[32];

	grow_from(g, grow_vocab(json->at, json->n));
	if (!g->was)
		return err_set(E_DATA, "config.json: no vocab_size that could "
			       "grow");
	if (g->rows == g->was)
		return 0;
	snprintf(rows, sizeof(rows), "%zu", g->rows);
	return vocab_path(json, &s) ? json_span_replace(json, s, rows) :
	       err_set(E_DATA, "config.json: vocab_size is spelled otherwise");
}

static int is_file(const struct tensor *t, const char *name)
{
	return t->role == ROLE_BLOB && !strcmp(t->name, name);
}

/* Is it the head's bias? */
static int is_bias(const struct grow *g, const struct tensor *t)
{
	return t->role == ROLE_BIAS && t->rank == 1 && *g->head &&
	       !strcmp(t->name, g->head);
}

static int has_rows(const struct grow *g, const struct tensor *t)
{
	return ((t->role == ROLE_EMBED || t->role == ROLE_HEAD) &&
		t->rank == 2) || is_bias(g, t);
}

int grow_wants(const struct grow *g, const struct tensor *t)
{
	if (!json_array_size(g->added))
		return 0;
	if (is_file(t, "file/config.json") ||
	    is_file(t, "file/tokenizer.json") ||
	    is_file(t, "file/tokenizer_config.json"))
		return 1;
	return has_rows(g, t) && (!g->was || (g->was < g->rows &&
					      t->shape[0] == g->was));
}

/* A blob's text, changed. */
static int make_file(struct grow *g, struct tensor *to, const struct tensor *t)
{
	struct text json = { 0 };
	int err = text_add(&json, t->part[0].data, t->part[0].bytes);

	if (!err && is_file(t, "file/config.json"))
		err = grow_config(g, &json);
	else if (!err && is_file(t, "file/tokenizer.json"))
		err = grow_tokenizer(&json, g->added);
	else if (!err)
		err = grow_decoder(&json, g->added);
	if (!err)
		err = tensor_init(to, t->name, t->role, DTYPE_U8, 1, &json.n);
	if (!err)
		err = tensor_alloc(to);
	if (!err)
		memcpy(to->part[0].data, json.at, json.n);
	text_release(&json);
	return err;
}

static int make_rows(const struct grow *g, struct tensor *to,
		     const struct tensor *t)
{
	enum dtype d = tensor_is_plain(t) ? t->node[0].dtype : DTYPE_F32;
	size_t shape[2] = { g->rows, t->rank == 2 ? t->shape[1] : 1 };

	TRY(tensor_init(to, t->name, t->role, d, t->rank, shape));
	TRY(tensor_alloc(to));
	if (!tensor_is_plain(t))
		return weight_decode(t, to->part[0].data, 0, t->count);
	memcpy(to->part[0].data, t->part[0].data, t->part[0].bytes);
	return 0;
}

/* The tensor as it is to be; to is zeroed, and to be released. */
static int make(struct grow *g, struct tensor *to, const struct tensor *t)
{
	size_t n = strlen(t->name), m = strlen(".weight");

	if (t->role == ROLE_BLOB)
		return make_file(g, to, t);
	if (!g->was)
		return err_set(E_DATA, "%s: tokens are to be added, and no "
			       "config.json came before it", t->name);
	if (t->role == ROLE_HEAD && n > m && n < sizeof(g->head))
		snprintf(g->head, sizeof(g->head), "%.*s.bias", (int)(n - m),
			 t->name);
	return make_rows(g, to, t);
}

int grow_tensor(struct grow *g, struct tensor *t)
{
	struct tensor to = { 0 };
	int err = make(g, &to, t);

	if (!err) {
		tensor_release(t);
		tensor_move(t, &to);
	}
	tensor_release(&to);
	return err;
}

/* One that may be away, and then is in memory. */
static int grow_lent(struct grow *g, struct collected *base, struct tensor *t)
{
	struct tensor to = { 0 };
	int err = tensor_set_borrow(&base->tensors, t);

	if (!err)
		err = make(g, &to, t);
	if (!err)
		err = tensor_set_return(&base->tensors, t);
	if (!err) {
		if (base->pages)
			base_pages_forget(base->pages, t);
		tensor_release(t);
		tensor_move(t, &to);
	}
	tensor_release(&to);
	return err;
}

int grow_base(struct collected *base, json_t *added)
{
	struct grow g = { .added = added };
	struct tensor_set *set = &base->tensors;
	struct tensor *config = tensor_set_find(set, "file/config.json");

	if (config && json_array_size(added))
		TRY(grow_tensor(&g, config));
	for (size_t i = 0; i < set->n; i++)
		if (&set->at[i] != config && grow_wants(&g, &set->at[i]))
			TRY(grow_lent(&g, base, &set->at[i]));
	return 0;
}

int grow_join(json_t *added, json_t *more)
{
	json_t *one;
	size_t i;
	int there;

	json_array_foreach(more, i, one) {
		TRY(look(added, one, &there));
		if (!there && json_array_append(added, one))
			return err_set(E_NOMEM, "no memory for added tokens");
	}
	return 0;
}
