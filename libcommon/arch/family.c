#include "arch/family.h"

#include "arch/family_text.h"
#include "base/io.h"
#include "base/size.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void family_free(struct family *f)
{
	if (!f)
		return;
	free(f->text);
	free(f);
}

const char *family_name(const struct family *f)
{
	return f->name;
}

const char *family_prefix(const struct family *f)
{
	return f->prefix;
}

const char *family_architecture(const struct family *f)
{
	return f->architectures.n ? f->architectures.at[0] : "";
}

const char *family_model_type(const struct family *f)
{
	return f->types.n ? f->types.at[0] : "";
}

const char *family_gguf(const struct family *f)
{
	return f->gguf.n ? f->gguf.at[0] : "";
}

const struct family_step *family_steps(const struct family *f,
				       enum family_part part, size_t *n)
{
	*n = f->nstep[part];
	return f->step[part];
}

const struct family_tensor *family_tensors(const struct family *f, size_t *n)
{
	*n = f->ntensor;
	return f->tensor;
}

const struct family_tensor *family_tensor_find(const struct family *f,
					       const char *name)
{
	for (size_t i = 0; i < f->ntensor; i++)
		if (!strcmp(f->tensor[i].name, name))
			return &f->tensor[i];
	return NULL;
}

int family_defines(const struct family *f, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < f->nrule; i++) {
		const char *r = f->rule[i].name;

		if (!strncmp(r, name, n) && (!r[n] || r[n] == '.'))
			return 1;
	}
	return 0;
}

int family_defines_layer(const struct family *f, const char *name)
{
	for (size_t i = 0; i < f->nlayer; i++)
		if (!strcmp(f->layer[i].name, name))
			return 1;
	return 0;
}

int family_is_group(const struct family *f, const char *name)
{
	for (size_t i = 0; i < f->nrule; i++)
		if (!strcmp(f->rule[i].name, name))
			return 0;
	return family_defines(f, name);
}

/* ---- the built-in ones, parsed at the first call ---- */

enum { BUILTIN = 128, BROUGHT = 1 << 20 }; /* families; bytes of a file */

static struct family *builtin[BUILTIN + 1];
static size_t nbuiltin;

static void load(void)
{
	for (size_t i = 0; i < family_nbuiltin && i < BUILTIN; i++) {
		const struct family_text *t = &family_builtin[i];

		/* They are parsed by a test; one that is broken is absent. */
		if (!family_parse(&builtin[nbuiltin], t->text,
				  strlen(t->text), t->name))
			nbuiltin++;
	}
}

const struct family *family_at(size_t i)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	return i < nbuiltin ? builtin[i] : NULL;
}

/* ---- one that is not built in ---- */

static struct family *brought;

int family_bring(const char *path)
{
	char *text;
	size_t size;
	int err;

	if (!path)
		return 0;
	TRY(io_read_file(&text, &size, path, BROUGHT));
	family_free(brought);
	err = family_parse(&brought, text, size, path);
	free(text);
	return err;
}

static int list_has(const struct family_words *list, const char *word)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->at[i], word))
			return 1;
	return 0;
}

int family_ignores(const struct family *f, const char *key)
{
	return list_has(&f->ignore, key);
}

const struct family *family_find_gguf(const char *architecture)
{
	const struct family *f;

	if (brought)
		return list_has(&brought->gguf, architecture) ? brought : NULL;
	for (size_t i = 0; (f = family_at(i)); i++)
		if (list_has(&f->gguf, architecture))
			return f;
	return NULL;
}

/* What a program of steps cannot say, by a word in the name of the kind. */
static const struct {
	const char *word, *what;
} beyond[] = {
	{ "moe", "a mixture of experts" },
	{ "mixtral", "a mixture of experts" },
	{ "deepseek", "a mixture of experts" },
	{ "dbrx", "a mixture of experts" },
	{ "grok", "a mixture of experts" },
	{ "arctic", "a mixture of experts" },
	{ "gpt-oss", "a mixture of experts" },
	{ "gptoss", "a mixture of experts" },
	{ "gpt_oss", "a mixture of experts" },
	{ "llama4", "a mixture of experts" },
	{ "jamba", "a state space model" },
	{ "mamba", "a state space model" },
	{ "bamba", "a state space model" },
	{ "hybrid", "a state space model" },
	{ "nemotronh", "a state space model" },
	{ "nemotron_h", "a state space model" },
	{ "rwkv", "a recurrent model" },
	{ "recurrent", "a recurrent model" },
	{ "qwen3next", "a recurrent model" },
	{ "qwen3_next", "a recurrent model" },
	{ "lfm2", "a model with convolutions" },
	{ "t5", "an encoder with a decoder" },
	{ "bart", "an encoder with a decoder" },
	{ "pegasus", "an encoder with a decoder" },
	{ "marian", "an encoder with a decoder" },
	{ "whisper", "an encoder with a decoder" },
	{ "bert", "an encoder" },
	{ "electra", "an encoder" },
	{ "maskedlm", "an encoder" },
	{ "conditionalgeneration", "more than text, or an encoder" },
	{ "classification", "a classifier" },
	{ "vision", "a vision model" },
	{ "llava", "a vision model" },
	{ "clip", "a vision model" },
	{ "vl", "a vision model" },
};

int family_unknown(const char *key, const char *kind)
{
	char lower[128] = { 0 };

	if (brought)
		return err_set(E_DATA, "%s %s is none of those that the "
			       "family of --arch has behind gguf", key, kind);
	for (size_t i = 0; kind[i] && i + 1 < sizeof(lower); i++)
		lower[i] = kind[i] >= 'A' && kind[i] <= 'Z'
				   ? (char)(kind[i] + 32) : kind[i];
	for (size_t i = 0; i < NELEM(beyond); i++)
		if (strstr(lower, beyond[i].word))
			return err_set(E_DATA, "%s %s is %s, which is not "
				       "supported", key, kind, beyond[i].what);
	return err_set(E_DATA, "%s %s is unknown; --arch FILE can describe "
		       "it", key, kind);
}

/* A bare body ("LlamaModel") is found by its model_type. */
static int is_body(const char *architecture)
{
	size_t n = strlen(architecture);

	return n > 5 && !strcmp(architecture + n - 5, "Model");
}

int family_find(const struct family **to, json_t *config)
{
	json_t *list = json_path(config, "architectures");
	const char *arch = json_string_value(json_array_get(list, 0));
	const char *type = json_text(config, "model_type", NULL);
	const struct family *f;

	*to = brought;
	for (size_t i = 0; !*to && (f = family_at(i)); i++)
		if (arch && !is_body(arch)
			    ? list_has(&f->architectures, arch)
			    : type && list_has(&f->types, type)) {
			*to = f;
		}
	if (*to)
		return 0;
	if (arch)
		return family_unknown("config.json: architecture", arch);
	if (type)
		return family_unknown("config.json: model_type", type);
	return err_set(E_DATA, "config.json: names neither architectures nor "
		       "a model_type");
}

/* ---- names ---- */

/* Reads the layer's number; NULL: there is none. */
static const char *layer_read(const char *s, size_t *layer)
{
	size_t n = 0, digits = 0;

	if (*s == '0' && s[1] >= '0' && s[1] <= '9')
		return NULL;
	for (; s[digits] >= '0' && s[digits] <= '9'; digits++) {
		if (digits == 6)
			return NULL;
		n = n * 10 + (size_t)(s[digits] - '0');
	}
	*layer = n;
	return digits ? s + digits : NULL;
}

/* What of name is left behind the pattern: "" or ".weight"; NULL: it is not
 * of this pattern. Sets *layer to SIZE_MAX when the pattern has none. */
static const char *pattern_match(const char *pattern, const char *name,
				 size_t *layer)
{
	*layer = SIZE_MAX;
	while (*pattern) {
		if (!strncmp(pattern, "{i}", 3)) {
			pattern += 3;
			name = layer_read(name, layer);
			if (!name)
				return NULL;
		} else if (*pattern++ != *name++) {
			return NULL;
		}
	}
	return name;
}

static const char *suffix_of(const char *rest)
{
	if (!*rest || !strcmp(rest, ".weight"))
		return "weight";
	return strcmp(rest, ".bias") ? NULL : "bias";
}

static const char *without_prefix(const struct family *f, const char *name)
{
	size_t n = strlen(f->prefix);

	return strncmp(name, f->prefix, n) ? name : name + n;
}

static const struct family_tensor *match(const struct family *f, int gguf,
					 const char *name, size_t *layer,
					 const char **suffix)
{
	for (size_t i = 0; i < f->ntensor; i++) {
		const struct family_tensor *t = &f->tensor[i];
		const char *p = gguf ? t->gguf : without_prefix(f, t->hf);
		const char *rest = pattern_match(p, name, layer);

		if (!rest)
			continue;
		*suffix = suffix_of(rest);
		if (*suffix)
			return t;
	}
	return NULL;
}

const struct family_tensor *family_match_hf(const struct family *f,
					    const char *name, size_t *layer,
					    const char **suffix)
{
	return match(f, 0, without_prefix(f, name), layer, suffix);
}

const struct family_tensor *family_match_gguf(const struct family *f,
					      const char *name, size_t *layer,
					      const char **suffix)
{
	return match(f, 1, name, layer, suffix);
}

int family_turns(const char *name)
{
	const struct family *f = brought ? brought : family_at(0);
	const struct family_tensor *t;
	const char *suffix;
	size_t layer;

	for (size_t i = 1; f; f = brought ? NULL : family_at(i++)) {
		t = family_match_hf(f, name, &layer, &suffix);
		if (t && t->transposed && !strcmp(suffix, "weight"))
			return 1;
	}
	return 0;
}

static void name_fill(char *buf, size_t size, const char *pattern,
		      size_t layer)
{
	const char *at = strstr(pattern, "{i}");

	if (at)
		snprintf(buf, size, "%.*s%zu%s", (int)(at - pattern), pattern,
			 layer, at + 3);
	else
		snprintf(buf, size, "%s", pattern);
}

void family_hf_name(char *buf, size_t size, const struct family_tensor *t,
		    size_t layer)
{
	name_fill(buf, size, t->hf, layer);
}

void family_gguf_name(char *buf, size_t size, const struct family_tensor *t,
		      size_t layer)
{
	name_fill(buf, size, t->gguf, layer);
}
