#include "formats/tokenizer_parts.h"

#include "formats/unicode.h"

#include <stdlib.h>
#include <string.h>

static const struct model_kind *const models[] = { &model_bpe, NULL };

static int model_parse(struct tokenizer *t, json_t *root)
{
	json_t *spec = json_object_get(root, "model");
	const char *type = json_text(spec, "type", NULL);

	if (!json_is_object(spec))
		return err_set(E_DATA, "there is no model");
	if (!type) /* files before version 1.0 */
		type = json_object_get(spec, "merges") ? "BPE" : "";
	for (size_t i = 0; models[i]; i++)
		if (!strcmp(models[i]->name, type))
			t->kind = models[i];
	if (!t->kind)
		return err_set(E_DATA, "a model of type '%s' is not known",
			       type);
	return t->kind->init(&t->model, &t->vocab, spec);
}

static int parse(struct tokenizer *t, json_t *root)
{
	if (!json_is_object(root))
		return err_set(E_DATA, "it is no object");
	TRY(model_parse(t, root));
	TRY(steps_parse(&t->normalizers, root, &step_normalizers));
	TRY(steps_parse(&t->cuts, root, &step_pretokenizers));
	TRY(steps_parse(&t->posts, root, &step_postprocessors));
	TRY(steps_parse(&t->decoders, root, &step_decoders));
	TRY(added_parse(&t->added, root, &t->vocab, &t->normalizers));
	t->nid = t->vocab.n;
	for (size_t i = 0; i < t->added.n; i++)
		if (t->added.at[i].id >= t->nid)
			t->nid = (size_t)t->added.at[i].id + 1;
	return 0;
}

int tokenizer_new(struct tokenizer **out, const char *json, size_t size,
		  const char *config, size_t config_size)
{
	struct tokenizer *t = calloc(1, sizeof(*t));
	json_t *root = NULL;
	int err;

	*out = NULL;
	if (!t)
		return err_set(E_NOMEM, "no memory for a tokenizer");
	err = json_parse(&root, json, size);
	if (!err)
		err = parse(t, root);
	json_decref(root);
	if (err) {
		err = err_at(err, "tokenizer.json");
	} else {
		err = tokenizer_configure(t, config, config_size);
		if (err)
			err = err_at(err, "tokenizer_config.json");
	}
	if (err)
		tokenizer_free(t);
	else
		*out = t;
	return err;
}

void tokenizer_free(struct tokenizer *t)
{
	if (!t)
		return;
	if (t->kind)
		t->kind->free(t->model);
	steps_release(&t->normalizers);
	steps_release(&t->cuts);
	steps_release(&t->posts);
	steps_release(&t->decoders);
	added_release(&t->added);
	vocab_release(&t->vocab);
	text_release(&t->clean);
	text_release(&t->part);
	text_release(&t->spare);
	pieces_release(&t->pieces);
	free(t->bos_text);
	free(t->eos_text);
	free(t->template);
	json_decref(t->templates);
	json_decref(t->special);
	free(t);
}

struct encoding {
	struct tokenizer *t;
	struct ids *ids;
	size_t offset;          /* of the part in the input */
};

/* Text between all added tokens. */
static int encode_text(void *ctx, int64_t id, const char *text, size_t size,
		       size_t offset)
{
	struct encoding *e = ctx;
	struct tokenizer *t = e->t;
	struct pieces *p = &t->pieces;

	if (id >= 0)
		return ids_add(e->ids, (uint32_t)id);
	p->text.n = p->n = p->nnext = 0;
	p->first = !e->offset && !offset;
	TRY(text_add(&p->text, text, size));
	TRY(pieces_next(p, 0, size));
	pieces_step(p, 0);
	for (size_t i = 0; i < t->cuts.n; i++)
		TRY(t->cuts.at[i].kind->cut(&t->cuts.at[i], p));
	for (size_t i = 0; i < p->n; i++)
		if (p->at[i].start < p->at[i].end)
			TRY(t->kind->encode(t->model,
					    p->text.at + p->at[i].start,
					    p->at[i].end - p->at[i].start,
					    e->ids));
	return 0;
}

/* Text between the added tokens that are looked for before normalising. */
static int encode_part(void *ctx, int64_t id, const char *text, size_t size,
		       size_t offset)
{
	struct encoding *e = ctx;
	struct tokenizer *t = e->t;

	if (id >= 0)
		return ids_add(e->ids, (uint32_t)id);
	t->part.n = 0;
	TRY(text_add(&t->part, text, size));
	TRY(steps_normalize(&t->normalizers, &t->part, &t->spare));
	e->offset = offset;
	return added_split(&t->added, 1, t->part.at, t->part.n, encode_text,
			   e);
}

int tokenizer_encode(struct tokenizer *t, const char *text, size_t size,
		     int special, struct ids *ids)
{
	struct encoding e = { t, ids };
	size_t from = ids->n;

	if (unicode_valid(text, size) != size) {
		t->clean.n = 0;
		TRY(unicode_clean(&t->clean, text, size));
		text = t->clean.at;
		size = t->clean.n;
	}
	TRY(added_split(&t->added, 0, text, size, encode_part, &e));
	for (size_t i = 0; special && i < t->posts.n; i++)
		TRY(t->posts.at[i].kind->post(&t->posts.at[i], ids, from));
	return 0;
}

/* The tokens' texts as pieces. */
static int token_texts(struct tokenizer *t, const uint32_t *id, size_t n,
		       int skip)
{
	struct pieces *p = &t->pieces;
	const struct vocab *v = &t->vocab;

	p->text.n = p->text_next.n = p->n = p->nnext = 0;
	for (size_t i = 0; i < n; i++) {
		const struct added *a = added_find(&t->added, id[i]);

		if (a && a->special && skip)
			continue;
		if (a)
			TRY(pieces_add(p, a->text.at, a->text.n));
		else if (id[i] < v->n && v->present[id[i]])
			TRY(pieces_add(p, v->text.at + v->at[id[i]].start,
				       v->at[id[i]].end -
					       v->at[id[i]].start));
	}
	pieces_step(p, 1);
	return 0;
}

int tokenizer_decode(struct tokenizer *t, const uint32_t *id, size_t n,
		     int skip, char **text, size_t *size)
{
	struct pieces *p = &t->pieces;
	struct text all = { 0 };
	int err;

	*text = NULL;
	TRY(token_texts(t, id, n, skip));
	for (size_t i = 0; i < t->decoders.n; i++)
		TRY(t->decoders.at[i].kind->decode(&t->decoders.at[i], p));
	err = text_add(&all, "", 0);
	for (size_t i = 0; i < p->n && !err; i++) {
		if (i && !t->decoders.n)
			err = text_add(&all, " ", 1);
		if (!err)
			err = text_add(&all, p->text.at + p->at[i].start,
				       p->at[i].end - p->at[i].start);
	}
	if (err) {
		text_release(&all);
		return err;
	}
	*text = all.at;
	*size = all.n;
	return 0;
}

int64_t tokenizer_id(const struct tokenizer *t, const char *token)
{
	size_t n = strlen(token);

	for (size_t i = 0; i < t->added.n; i++)
		if (t->added.at[i].content.n == n &&
		    !memcmp(t->added.at[i].content.at, token, n))
			return t->added.at[i].id;
	return vocab_find(&t->vocab, token, n);
}

int tokenizer_token_at(const struct tokenizer *t, const char *text,
		       size_t size)
{
	const struct added *a = size ? added_at(&t->added, 0, text, size) :
				NULL;

	return a && !a->lstrip && !a->single_word;
}

size_t tokenizer_token_size(const struct tokenizer *t, const char *text,
			    size_t size)
{
	const struct added *a = size ? added_at(&t->added, 0, text, size) :
				NULL;

	return a ? a->content.n : 0;
}

/* A token of byte fallback, <0xE2>, is one byte. */
static int is_byte(const char *text, size_t n)
{
	static const char hex[] = "0123456789ABCDEF";

	return n == 6 && !memcmp(text, "<0x", 3) && text[5] == '>' &&
	       memchr(hex, text[3], 16) && memchr(hex, text[4], 16);
}

size_t tokenizer_length(const struct tokenizer *t, uint32_t id)
{
	const struct added *a = added_find(&t->added, id);
	const struct vocab *v = &t->vocab;
	const struct span *s = id < v->n ? &v->at[id] : NULL;

	if (a)
		return a->text.n;
	if (!s || !v->present[id])
		return 0;
	return is_byte(v->text.at + s->start, s->end - s->start) ? 1 :
	       s->end - s->start;
}

size_t tokenizer_vocab(const struct tokenizer *t)
{
	return t->nid;
}

int64_t tokenizer_bos(const struct tokenizer *t)
{
	return t->bos;
}

int64_t tokenizer_eos(const struct tokenizer *t)
{
	return t->eos;
}

const char *tokenizer_bos_text(const struct tokenizer *t)
{
	return t->bos_text;
}

const char *tokenizer_eos_text(const struct tokenizer *t)
{
	return t->eos_text;
}

const char *tokenizer_template(const struct tokenizer *t)
{
	return t->template;
}

const char *tokenizer_template_named(const struct tokenizer *t,
				     const char *name)
{
	json_t *entry;
	size_t i;

	json_array_foreach(t->templates, i, entry)
		if (!strcmp(json_text(entry, "name", ""), name))
			return json_text(entry, "template", NULL);
	return NULL;
}

json_t *tokenizer_special(const struct tokenizer *t)
{
	return t->special;
}

int tokenizer_set_template(struct tokenizer *t, const char *text, size_t size)
{
	char *copy = strndup(text, size);

	if (!copy)
		return err_set(E_NOMEM, "no memory for a template");
	free(t->template);
	t->template = copy;
	return 0;
}
