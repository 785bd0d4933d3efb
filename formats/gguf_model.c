#include "formats/gguf_model.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "formats/gguf_files.h"
#include "formats/gguf_rope.h"
#include "formats/gguf_rows_out.h"
#include "weight/storage.h"

static const char table[] = "token_embd.weight", head[] = "output.weight";

/* ---- side files ---- */

static int keep(char **at, size_t *size, const struct tensor *t)
{
	free(*at);
	*size = t->part[0].bytes;
	*at = malloc(*size + 1);
	if (!*at)
		return err_set(E_NOMEM, "out of memory");
	memcpy(*at, t->part[0].data, *size);
	(*at)[*size] = 0;
	return 0;
}

static int add_side(struct gguf_model *m, const struct tensor *t)
{
	struct gguf_sides *s = &m->sides;
	const struct {
		const char *name;
		char **at;
		size_t *size;
	} side[] = {
		{ "file/config.json", &m->text, &m->text_size },
		{ "file/gguf.json", &m->general, &m->general_size },
		{ "file/tokenizer.json", &s->tokenizer, &s->tokenizer_size },
		{ "file/tokenizer_config.json", &s->tokenizer_config,
		  &s->tokenizer_config_size },
		{ "file/chat_template.jinja", &s->template,
		  &s->template_size },
		{ "file/generation_config.json", &s->generation,
		  &s->generation_size },
	};

	for (size_t i = 0; i < NELEM(side) && t->npart == 1; i++)
		if (!strcmp(t->name, side[i].name))
			return keep(side[i].at, side[i].size, t);
	return 0;
}

/* ---- weights ---- */

/* What config.json says, once it can have come: it is before all weights. */
static int begin(struct gguf_model *m)
{
	int err;

	if (!m->text)
		return err_set(E_DATA, "there is no config.json, without which "
			       "a GGUF cannot be made");
	err = json_parse(&m->config, m->text, m->text_size);
	if (err)
		return err_at(err, "config.json");
	TRY(hf_model_begin(&m->hf, m->config));
	m->out.arch = family_gguf(m->hf.family);
	if (!*m->out.arch)
		return err_set(E_DATA, "llama.cpp does not know the family "
			       "%s; --to hf writes the model",
			       family_name(m->hf.family));
	return gguf_rope_tensors(&m->out, m->hf.family, m->hf.config);
}

static const struct gguf_block *plain(enum dtype d)
{
	return gguf_block_find(d == DTYPE_F16 ? 1 : d == DTYPE_BF16 ? 30 : 0);
}

/* How a tensor is stored: vectors in f32, as llama.cpp needs them. */
static const struct gguf_block *choose(const struct gguf_model *m,
				       const struct tensor *t,
				       const char *name)
{
	const struct gguf_block *b;

	if (t->rank < 2 || (t->role == ROLE_EMBED && strcmp(name, table)))
		return plain(DTYPE_F32);
	if (m->o->dtype)
		return plain(m->o->dtype);
	if (m->o->blocks) {
		b = gguf_block_named(m->o->blocks);
		/* What looks tokens up and tells them apart is finer. */
		if (t->role != ROLE_LINEAR)
			b = gguf_block_named("q8_0");
		return tensor_cols(t) % b->count ? plain(DTYPE_F16) : b;
	}
	if (storage_is_blocks(t))
		return gguf_block_named(t->node[0].format);
	if (tensor_is_plain(t))
		return plain(t->dtype);
	return plain(DTYPE_BF16);
}

/* Has llama.cpp's model of this family the tensor too? */
static int check_place(const struct gguf_model *m,
		       const struct family_tensor *ft, const struct tensor *t,
		       const char *suffix)
{
	if (ft->unbiased && !strcmp(suffix, "bias"))
		return err_set(E_DATA, "%s: llama.cpp's %s has no bias there; "
			       "--to hf writes the model", t->name,
			       m->out.arch);
	if (ft->shared)
		return err_set(E_DATA, "%s: llama.cpp's %s has no head but "
			       "the embedding; --to hf writes the model",
			       t->name, m->out.arch);
	return 0;
}

static int add_weight(struct gguf_model *m, const struct tensor *t)
{
	const struct family_tensor *ft;
	char name[FAMILY_PATH + 32];
	struct gguf_form form = { 0 };
	const char *suffix;
	size_t layer;

	ft = family_match_hf(m->hf.family, t->name, &layer, &suffix);
	if (!ft)
		return err_set(E_DATA, "%s: the family %s has no such tensor",
			       t->name, family_name(m->hf.family));
	TRY(hf_model_add(&m->hf, t));
	TRY(check_place(m, ft, t, suffix));
	family_gguf_name(name, FAMILY_PATH, ft, layer);
	strcat(strcat(name, "."), suffix);
	m->head |= !strcmp(name, head);
	form.block = choose(m, t, name);
	form.plus = ft->plus1 && !strcmp(suffix, "weight") ? 1 : 0;
	TRY(gguf_rows_of(&form.rows, ft, m->hf.config, t->shape[0]));
	return gguf_out_rows(&m->out, name, t, &form);
}

int gguf_model_add(struct gguf_model *m, const struct tensor *t)
{
	if (t->role == ROLE_BLOB)
		return add_side(m, t);
	if (!m->config)
		TRY(begin(m));
	return add_weight(m, t);
}

/* ---- the end ---- */

/* Some of llama.cpp's models want a head although it is tied. */
static int copy_head(struct gguf_model *m)
{
	size_t n;
	const struct family_tensor *ft = family_tensors(m->hf.family, &n);

	for (size_t i = 0; i < n && !m->head; i++)
		if (ft[i].copied)
			return gguf_out_copy(&m->out, table, head);
	return 0;
}

/* Is it the model that went in, by what a reader finds in the file? */
static int check_config(const struct gguf_model *m, const struct gguf *g)
{
	struct family_config *c = NULL;
	json_t *config = NULL;
	int err;

	err = gguf_config(&config, g, m->out.file);
	if (!err)
		err = family_configure(&c, m->hf.family, config);
	if (!err)
		err = family_agree(m->hf.config, c);
	family_config_free(c);
	json_decref(config);
	return err ? err_at(err, "config.json: llama.cpp's %s cannot be told "
			    "this", m->out.arch) : 0;
}

static int check(const struct gguf_model *m)
{
	struct gguf g;
	int err;

	TRY(gguf_read(&g, m->out.file));
	err = check_config(m, &g);
	if (!err && m->sides.tokenizer)
		err = gguf_vocab_check(&g, &m->sides);
	gguf_release(&g);
	return err;
}

int gguf_model_end(struct gguf_model *m)
{
	size_t rows;

	if (!m->config)
		return err_set(E_DATA, "the base has no weights");
	TRY(hf_model_end(&m->hf));
	TRY(family_size(&rows, m->hf.config, "vocab"));
	TRY(copy_head(m));
	TRY(gguf_model_keys(m));
	TRY(gguf_vocab_keys(&m->out, &m->sides, m->config, rows));
	TRY(gguf_out_finish(&m->out));
	return check(m);
}

void gguf_model_release(struct gguf_model *m)
{
	gguf_out_release(&m->out);
	gguf_sides_release(&m->sides);
	hf_model_release(&m->hf);
	json_decref(m->config);
	free(m->text);
	free(m->general);
	*m = (struct gguf_model){ 0 };
}
