/*
 * learned_chat - the turns that an adapter was trained on, for the files of
 * the model that it is merged into
 *
 * An adapter's "chat" meta, which is there where training wrote conversations
 * otherwise than the base's files say:
 *
 *   "template"  Jinja: what --template named; not there where the base's own
 *               renders the same
 *   "end", "id" the token that ends an assistant's turn
 *
 * Merging, chat_template.jinja (or the chat_template that tokenizer_config.json
 * or chat_template.json has) becomes the template, and eos_token_id of
 * generation_config.json a list: the base's ends, then the learned ones. A file
 * that has this already stays as it is, to the byte; one that is not there is
 * made.
 */
#ifndef FORMATS_LEARNED_CHAT_H
#define FORMATS_LEARNED_CHAT_H

#include "formats/tokenizer.h"
#include "tensor/tensor.h"

/*
 * *meta: what was learned of a base, whose tokenizer is t (with the tokens that
 * training added; NULL: it has none), by training on data with --template name.
 * name NULL: the model's own template was used, or none, which counts where its
 * end of turn is among added ("added_tokens", or NULL). Where data came as a
 * stream, name is NULL and data the records of its provenance (or NULL): a
 * named template of theirs counts. *meta is NULL where nothing is to be told.
 * E_NOMEM.
 */
int learned_chat_meta(json_t **meta, const struct tokenizer *t,
		      const char *name, json_t *data,
		      json_t *added) MUST_CHECK;

/* A base's files as they go by, config.json first. Zeroed, then take(). */
struct learned_chat {
	const char *template;   /* borrowed; NULL: the base's stays */
	json_t *ends;           /* ids; NULL: none */
	json_t *config;         /* the base's config.json */
	int has_template, has_generation; /* met so far */
};

/* What an adapter's "chat" meta (NULL: none; borrowed) says. E_DATA: it is
 * none, or its template is another than that of an earlier adapter. */
int learned_chat_take(struct learned_chat *l, json_t *meta) MUST_CHECK;

/* Before a base's files. */
void learned_chat_begin(struct learned_chat *l);

/* Is the tensor a file that edit() wants to see, with its data? */
int learned_chat_wants(const struct learned_chat *l, const struct tensor *t);
/* Changes it where it says otherwise. E_DATA: no JSON; E_NOMEM. */
int learned_chat_edit(struct learned_chat *l, struct tensor *t) MUST_CHECK;

/* Behind the last file: gives put what was missing, once. put may take the
 * tensor's data. */
int learned_chat_rest(struct learned_chat *l,
		      int (*put)(void *ctx, struct tensor *t),
		      void *ctx) MUST_CHECK;
void learned_chat_release(struct learned_chat *l);

#endif
