#include "formats/train_inputs.h"

#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "data/split.h"
#include "formats/base_text.h"
#include "formats/grow.h"
#include "formats/learned_chat.h"

/* The state that an adapter was left in by a run that is not finished. */
static json_t *unfinished(const struct collected *c)
{
	json_t *state = c ? json_object_get(c->meta, "train") : NULL;

	return state && !json_flag(state, "finished", 1) ? state : NULL;
}

static int read_checkpoint(struct train_inputs *t, const char *path)
{
	char *const paths[] = { (char *)path, NULL };

	if (access(path, F_OK))
		return 0;
	TRY(collect(&t->saved, paths));
	if (t->saved.nadapter != 1 || !unfinished(t->saved.adapter))
		return err_set(E_CONFIG, "%s: no checkpoint of an unfinished "
			       "run", path);
	t->adapter = t->saved.adapter;
	return 0;
}

static int check_same(const struct train_inputs *t, const char *key,
		      const char *what, const unsigned char *is)
{
	char hex[DIGEST_HEX];

	digest_hex(hex, is);
	if (strcmp(json_text(t->state, key, ""), hex))
		return err_set(E_CONFIG, "%s: the run that is continued had "
			       "another", what);
	return 0;
}

/* The base gets the tokens that the adapter, or the one to come, has. */
static int add_tokens(struct train_inputs *t, const struct opt_list *tokens)
{
	t->tokens = json_object();
	if (!t->tokens)
		return err_set(E_NOMEM, "out of memory");
	if (t->adapter)
		return inputs_grow(&t->in, t->adapter);
	if (tokens)
		TRY(grow_train_all(t->tokens, tokens, &t->in.base.tensors));
	return grow_base(&t->in.base,
			 json_object_get(t->tokens, "added_tokens"));
}

int train_inputs_read(struct train_inputs *t, char *const *operands,
		      const struct train_files *files)
{
	uint64_t budget = files->budget || !files->paged ? files->budget :
							   os_memory_free();

	memset(t, 0, sizeof(*t));
	TRY(inputs_collect(&t->in, operands, files->adapter,
			   budget, files->agent));
	TRY(inputs_one_model(&t->in, &t->adapter));
	if (files->resume)
		TRY(read_checkpoint(t, files->resume));
	if (!files->fresh || t->saved.nadapter)
		t->state = unfinished(t->adapter);
	if (t->adapter && !json_object_get(t->adapter->meta, "adapter"))
		return err_set(E_DATA, "an adapter without its configuration");
	TRY(add_tokens(t, files->tokens));
	return t->state ? check_same(t, "base", "the base",
				     t->in.base.digest) : 0;
}

int train_inputs_data(struct train_inputs *t, const struct train_files *files,
		      const struct dataset_options *o,
		      struct dataset_stats *stats)
{
	struct dataset_stats eval_stats = { 0 };
	struct dataset_options eval = *o;
	struct text_codec *text;
	struct tokenizer *tokenizer;
	int err;

	if (!files->data.n && !t->in.has_data)
		return err_set(E_DATA, "no data: give -d FILE, or a data "
			       "stream on the input");
	if (base_text_open(&text, &t->in.base, o->chat_template))
		text = NULL; /* samples may be tokens already */
	tokenizer = base_text_tokenizer(text);
	t->data = t->in.data;
	memset(&t->in.data, 0, sizeof(t->in.data));
	eval.again = 1; /* what is in both is no fault of either */
	err = data_files_read(&t->data, &files->data, tokenizer, o, stats);
	if (!err && files->split > 0)
		err = samples_split(&t->data, &t->eval, files->seed,
				    files->split);
	if (!err)
		err = data_files_read(&t->eval, &files->eval, tokenizer, &eval,
				      &eval_stats);
	if (!err)
		err = learned_chat_meta(&t->chat, tokenizer, o->chat_template,
					t->in.data_provenance,
					json_object_get(t->tokens,
							"added_tokens"));
	base_text_free(text);
	os_memory_trim();
	TRY(err);
	TRY(samples_digest(&t->data, t->data_digest));
	TRY(samples_digest(&t->eval, t->eval_digest));
	if (!t->state)
		return 0;
	TRY(check_same(t, "data", "--data", t->data_digest));
	return check_same(t, "eval", "--eval-data", t->eval_digest);
}

static void release_tensors(struct collection *c)
{
	for (size_t i = 0; i < c->nadapter; i++)
		tensor_set_release(&c->adapter[i].tensors);
}

void train_inputs_taken(struct train_inputs *t)
{
	release_tensors(&t->in);
	release_tensors(&t->saved);
	os_memory_trim();
}

void train_inputs_release(struct train_inputs *t)
{
	collection_release(&t->in);
	collection_release(&t->saved);
	samples_release(&t->data);
	samples_release(&t->eval);
	json_decref(t->tokens);
	json_decref(t->chat);
}

int train_inputs_chat(const struct train_inputs *t, struct sink *out)
{
	json_t *chat = t->chat;

	if (!chat && t->adapter)
		chat = json_object_get(t->adapter->meta, "chat");
	return chat ? sink_meta(out, "chat", chat) : 0;
}

static int set_digest(json_t *state, const char *key,
		      const unsigned char *digest)
{
	char hex[DIGEST_HEX];

	digest_hex(hex, digest);
	return json_object_set_new(state, key, json_string(hex)) ?
		       err_set(E_NOMEM, "out of memory") : 0;
}

int train_inputs_name(const struct train_inputs *t, json_t *state)
{
	TRY(set_digest(state, "base", t->in.base.digest));
	TRY(set_digest(state, "data", t->data_digest));
	return set_digest(state, "eval", t->eval_digest);
}

static void add_input(struct input_digest *input, size_t *n,
		      enum stream_kind kind, const unsigned char *digest)
{
	input[*n].kind = kind;
	memcpy(input[(*n)++].digest, digest, DIGEST_SIZE);
}

/* The data's digest is that of its samples, so that it does not matter
 * whether they came as a stream or as a file. */
int train_inputs_provenance(const struct train_inputs *t, struct sink *out,
			    const struct opt_program *p, int with_eval)
{
	struct input_digest input[4];
	size_t n = 0, i;
	json_t *record;

	json_array_foreach(t->adapter ? t->adapter->provenance : NULL, i,
			   record)
		TRY(sink_keep(out, record));
	if (t->state)
		return 0;
	add_input(input, &n, STREAM_BASE, t->in.base.digest);
	if (t->adapter)
		add_input(input, &n, STREAM_ADAPTER, t->adapter->digest);
	add_input(input, &n, STREAM_DATA, t->data_digest);
	if (with_eval && t->eval.n)
		add_input(input, &n, STREAM_DATA, t->eval_digest);
	return sink_provenance(out, p, input, n);
}
