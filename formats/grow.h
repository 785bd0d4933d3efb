/*
 * grow - a base gets tokens that its vocabulary lacks
 *
 * A new token gets the next id behind the tokenizer's last, so that rows which
 * only pad the embedding are used first; where they do not reach, the embedding
 * and a head of its own (and the head's bias) get more rows, of zeros: what
 * they are is in the adapter that trains them (adapt/adapt_tokens.c). So it is
 * Hugging Face's add_tokens() and resize_token_embeddings().
 *
 * An adapter says what its base must have: the configuration's "added_tokens",
 * a list of {id, content}. Files change where they must and nowhere else:
 * "added_tokens" of tokenizer.json, "added_tokens_decoder" of
 * tokenizer_config.json where there is one, and vocab_size of config.json.
 */
#ifndef FORMATS_GROW_H
#define FORMATS_GROW_H

#include "base/json.h"
#include "base/opt.h"
#include "formats/collect.h"
#include "formats/text.h"
#include "tensor/tensor.h"

/* ---- which tokens ---- */

struct grow_choice {
	json_t *ids;            /* of all that were named, in their order */
	json_t *added;          /* {id, content}: those that are new */
};

/* What tokens are in, or would be to, this tokenizer.json. Release it also
 * after a failure. E_USAGE: an empty one, or one twice; E_DATA. */
int grow_choose(struct grow_choice *c, const struct opt_list *tokens,
		const char *json, size_t size) MUST_CHECK;
void grow_choice_release(struct grow_choice *c);

/*
 * A tensor of the base: where it is an embedding or a head of vocab rows, its
 * module's tokens are trained, which an adapter's configuration then says.
 * E_NOMEM.
 */
int grow_train(const struct grow_choice *c, json_t *config,
	       const struct tensor *t, size_t vocab) MUST_CHECK;

/* The same for a base in memory, whose tokenizer.json chooses. E_DATA: it has
 * none. */
int grow_train_all(json_t *config, const struct opt_list *tokens,
		   const struct tensor_set *base) MUST_CHECK;

/* ---- the base ---- */

/* A tokenizer.json with more tokens; each that it has under its id stays.
 * E_DATA: another token has the id, or it is under another. */
int grow_tokenizer(struct text *json, json_t *added) MUST_CHECK;

/* A base that is met tensor by tensor, config.json before the weights. */
struct grow {
	json_t *added;          /* borrowed; NULL, empty: nothing changes */
	size_t was, rows;       /* of the vocabulary; 0: not known yet */
	char head[TENSOR_NAME]; /* the head's bias; "": none was met */
};

/* config.json says that the vocabulary has was tokens. */
void grow_from(struct grow *g, size_t was);

/* A further adapter's tokens. E_DATA: two for one id; E_NOMEM. */
int grow_join(json_t *added, json_t *more) MUST_CHECK;

/* Must this tensor be loaded and given to grow_tensor()? */
int grow_wants(const struct grow *g, const struct tensor *t);

/* Changes a loaded tensor. What is not stored plainly becomes f32. E_DATA, and
 * E_NOMEM. */
int grow_tensor(struct grow *g, struct tensor *t) MUST_CHECK;

/* All of a base that was collected. What grows is in memory from then on, also
 * where the base is in pages. */
int grow_base(struct collected *base, json_t *added) MUST_CHECK;

/* config.json's vocab_size; 0: it says none. */
size_t grow_vocab(const char *config, size_t size);

#endif
