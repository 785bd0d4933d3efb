/* Which ids tokens have, or get, and which rows are trained for them. */
#include "formats/grow.h"

#include "formats/tokenizer.h"

#include <string.h>

static int no_memory(void)
{
	return err_set(E_NOMEM, "no memory for added tokens");
}

static int add(struct grow_choice *c, const struct tokenizer *t,
	       const char *token)
{
	int64_t id = tokenizer_id(t, token);
	json_t *one;

	if (id < 0) {
		id = (int64_t)(tokenizer_vocab(t) + json_array_size(c->added));
		one = json_pack("{s:I,s:s}", "id", (json_int_t)id, "content",
				token);
		if (!one)
			return err_set(E_USAGE, "--add-token: not UTF-8");
		if (json_array_append_new(c->added, one))
			return no_memory();
	}
	if (json_array_append_new(c->ids, json_integer((json_int_t)id)))
		return no_memory();
	return 0;
}

static int check(const struct opt_list *tokens)
{
	for (size_t i = 0; i < tokens->n; i++) {
		if (!*tokens->at[i])
			return err_set(E_USAGE, "--add-token: an empty one");
		for (size_t k = 0; k < i; k++)
			if (!strcmp(tokens->at[i], tokens->at[k]))
				return err_set(E_USAGE, "--add-token %s: it "
					       "is there twice",
					       tokens->at[i]);
	}
	return 0;
}

int grow_choose(struct grow_choice *c, const struct opt_list *tokens,
		const char *json, size_t size)
{
	struct tokenizer *t;
	int err;

	*c = (struct grow_choice){ json_array(), json_array() };
	if (!c->ids || !c->added)
		return no_memory();
	TRY(check(tokens));
	TRY(tokenizer_new(&t, json, size, NULL, 0));
	err = 0;
	for (size_t i = 0; i < tokens->n && !err; i++)
		err = add(c, t, tokens->at[i]);
	tokenizer_free(t);
	return err;
}

void grow_choice_release(struct grow_choice *c)
{
	json_decref(c->ids);
	json_decref(c->added);
	*c = (struct grow_choice){ 0 };
}

int grow_train(const struct grow_choice *c, json_t *config,
	       const struct tensor *t, size_t vocab)
{
	static const char key[] = "trainable_token_indices", end[] = ".weight";
	size_t n = strlen(t->name), m = sizeof(end) - 1;
	json_t *all = json_object_get(config, key);

	if ((t->role != ROLE_EMBED && t->role != ROLE_HEAD) || t->rank != 2 ||
	    t->shape[0] != vocab || n <= m || strcmp(t->name + n - m, end))
		return 0;
	if (!all) {
		all = json_object();
		if (json_object_set_new(config, key, all) ||
		    json_object_set(config, "added_tokens", c->added))
			return no_memory();
	}
	return json_object_setn(all, t->name, n - m, c->ids) ? no_memory() : 0;
}

static const struct tensor *file_of(const struct tensor_set *base,
				    const char *name)
{
	const struct tensor *t = tensor_set_find(base, name);

	return t && t->npart && t->part[0].data ? t : NULL;
}

int grow_train_all(json_t *config, const struct opt_list *tokens,
		   const struct tensor_set *base)
{
	const struct tensor *json = file_of(base, "file/tokenizer.json");
	const struct tensor *model = file_of(base, "file/config.json");
	struct grow_choice c = { 0 };
	size_t vocab;
	int err;

	if (!tokens->n)
		return 0;
	if (!json || !model)
		return err_set(E_DATA, "--add-token: the base has no %s",
			       json ? "config.json" : "tokenizer.json");
	vocab = grow_vocab(model->part[0].data, model->part[0].bytes);
	err = grow_choose(&c, tokens, json->part[0].data, json->part[0].bytes);
	for (size_t i = 0; !err && i < base->n; i++)
		err = grow_train(&c, config, &base->at[i], vocab);
	grow_choice_release(&c);
	if (!err && !json_object_get(config, "trainable_token_indices"))
		err = err_set(E_DATA, "--add-token: the base has no embedding "
			      "of %zu rows, as config.json says", vocab);
	return err;
}
