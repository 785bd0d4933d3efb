/* The metadata of a model: what it is, and its architecture's numbers */
#include "formats/gguf_model.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "formats/gguf_general.h"
#include "formats/gguf_rope.h"

/* llama.cpp's number of a file's type: what most of its weights are. */
static const struct {
	const char *block;
	uint32_t type;
} file_type[] = {
	{ "F32", 0 }, { "F16", 1 }, { "Q4_0", 2 }, { "Q4_1", 3 },
	{ "Q8_0", 7 }, { "Q5_0", 8 }, { "Q5_1", 9 }, { "Q2_K", 10 },
	{ "Q3_K", 12 }, { "Q4_K", 15 }, { "Q5_K", 17 }, { "Q6_K", 18 },
	{ "IQ4_NL", 25 }, { "BF16", 32 },
};

static int put_type(struct gguf_out *o)
{
	uint64_t bytes[NELEM(file_type)] = { 0 };
	size_t most = 0;
	int blocks = 0;

	for (size_t i = 0; i < o->n; i++) {
		const struct gguf_block *b = o->tensor[i].block;

		blocks |= b->decode != NULL;
		for (size_t k = 0; k < NELEM(file_type); k++)
			if (o->tensor[i].rank > 1 &&
			    !strcmp(b->name, file_type[k].block))
				bytes[k] += o->tensor[i].bytes;
	}
	for (size_t k = 0; k < NELEM(file_type); k++)
		if (bytes[k] > bytes[most])
			most = k;
	TRY(gguf_out_u32(o, "general.file_type", file_type[most].type));
	return blocks ? gguf_out_u32(o, "general.quantization_version", 2) : 0;
}

/* Does the layer look back no further than the window? */
static int slides(const struct gguf_model *m, size_t layer)
{
	size_t n;
	const struct family_step *s = family_steps(m->hf.family, FAMILY_BLOCK,
						   &n);
	int yes = 0;

	for (size_t i = 0; i < n; i++)
		yes |= !strcmp(s[i].op, "attend") && s[i].nkey > 2 &&
		       !strcmp(s[i].key[2], "window") &&
		       family_has(m->hf.config, "window") &&
		       family_when(m->hf.config, &s[i], layer);
	return yes;
}

/* Only Gemma's layers slide in llama.cpp. */
static int can_slide(const struct gguf_model *m)
{
	return !strncmp(m->out.arch, "gemma", 5);
}

static int put_pattern(struct gguf_model *m)
{
	struct text list = { 0 };
	int err = 0;

	if (!can_slide(m))
		return 0;
	for (size_t i = 0; i < m->hf.layers && !err; i++)
		err = text_add(&list, slides(m, i) ? "\1" : "\0", 1);
	if (!err)
		err = gguf_out_array(&m->out,
				     ".attention.sliding_window_pattern",
				     GGUF_BOOL, m->hf.layers, &list);
	text_release(&list);
	return err;
}

/* A context that config.json does not name is Falcon's. One in which a window
 * would count that llama.cpp ignores is cut to where it does not yet. */
static double context(const struct gguf_model *m, const struct family_key *k)
{
	double x = json_number(m->config, k->config, 2048), window;

	if (!can_slide(m) && slides(m, 0) &&
	    !family_real(&window, m->hf.config, "window") && window < x)
		x = window;
	return x;
}

static int put_key(struct gguf_model *m, const struct family_key *k)
{
	double x = *k->name ? 0 : context(m, k);
	char key[FAMILY_PATH + 1] = ".";

	strcat(key, k->key);
	if (*k->name) {
		if (!family_has(m->hf.config, k->name))
			return 0;
		TRY(family_real(&x, m->hf.config, k->name));
	}
	if (k->type == FAMILY_BOOL)
		return gguf_out_bool(&m->out, key, x > 0);
	if (k->type == FAMILY_F32)
		return gguf_out_f32(&m->out, key, (float)x);
	if (!(x >= 0 && x < 0x1p32))
		return err_set(E_DATA, "config.json: %s is out of range",
			       *k->name ? k->name : k->config);
	return gguf_out_u32(&m->out, key, (uint32_t)x);
}

/* What the model is called, and what else a GGUF said of it. */
static int put_general(struct gguf_model *m)
{
	const char *name = m->o->base_name;

	if (!name && !m->general)
		name = json_text(m->config, "_name_or_path", NULL);
	if (name && *name)
		TRY(gguf_out_text(&m->out, "general.name", name));
	return m->general ? gguf_general_keys(&m->out, m->general,
					      m->general_size, name) : 0;
}

int gguf_model_keys(struct gguf_model *m)
{
	const struct family_key *k;
	size_t n;

	k = family_metadata(m->hf.family, &n);
	TRY(gguf_out_text(&m->out, "general.architecture", m->out.arch));
	TRY(gguf_out_text(&m->out, "general.type", "model"));
	TRY(put_general(m));
	TRY(put_type(&m->out));
	for (size_t i = 0; i < n; i++)
		TRY(put_key(m, &k[i]));
	TRY(put_pattern(m));
	return gguf_rope_keys(&m->out, m->hf.family, m->hf.config);
}
