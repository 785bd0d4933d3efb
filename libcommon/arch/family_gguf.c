/*
 * What a family's numbers are called in GGUF's metadata, and whether two
 * configurations say the same model: GGUF has no place for some numbers, and
 * llama.cpp fills in its own.
 */
#include "arch/family_text.h"
#include "base/size.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Keys that all families have; the first whose number is there counts. */
static const struct family_key common[] = {
	{ "block_count", FAMILY_U32, "layers", "" },
	{ "context_length", FAMILY_U32, "", "max_position_embeddings" },
	{ "embedding_length", FAMILY_U32, "hidden", "" },
	{ "feed_forward_length", FAMILY_U32, "ffn", "" },
	{ "vocab_size", FAMILY_U32, "vocab", "" },
	{ "attention.head_count", FAMILY_U32, "heads", "" },
	{ "attention.head_count_kv", FAMILY_U32, "kv_heads", "" },
	{ "attention.key_length", FAMILY_U32, "head_dim", "" },
	{ "attention.value_length", FAMILY_U32, "head_dim", "" },
	{ "attention.sliding_window", FAMILY_U32, "window", "" },
	{ "rope.dimension_count", FAMILY_U32, "rope.dim", "" },
	{ "rope.dimension_count", FAMILY_U32, "head_dim", "" },
	{ "rope.freq_base", FAMILY_F32, "rope.theta", "" },
};

static const struct family_rule *rule_find(const struct family *f,
					   const char *name)
{
	for (size_t i = 0; i < f->nrule; i++)
		if (!strcmp(f->rule[i].name, name))
			return &f->rule[i];
	return NULL;
}

const struct family_key *family_metadata(const struct family *f, size_t *n)
{
	*n = f->nkey;
	return f->key;
}

/* The first alternative that is a key of config.json without dots. */
void family_config_key(const struct family *f, const char *name, char *key,
		       size_t size)
{
	const struct family_rule *r = rule_find(f, name), *other;
	const char *at = r ? r->expr : "";

	*key = 0;
	while (*at) {
		size_t n, end = strcspn(at, "|");

		n = strspn(at, " \t");
		at += n;
		end -= n;
		for (n = 0; n < end && (isalnum((unsigned char)at[n]) ||
					at[n] == '_'); n++)
			;
		if (n && n + strspn(at + n, " \t") == end && n < size &&
		    !isdigit((unsigned char)*at)) {
			memcpy(key, at, n);
			key[n] = 0;
			other = rule_find(f, key);
			if (strcmp(key, "none") && (!other || other >= r))
				return;
			*key = 0;
		}
		at += end + (at[end] == '|');
	}
}

static int add(struct family *f, const struct family_key *k)
{
	struct family_key *to = &f->key[f->nkey];

	if (f->nkey == FAMILY_RULES)
		return err_set(E_DATA, "too many keys: %s", k->key);
	*to = *k;
	if (!*to->config)
		family_config_key(f, to->name, to->config, sizeof(to->config));
	f->nkey++;
	return 0;
}

static int has_key(const struct family *f, const char *key)
{
	for (size_t i = 0; i < f->nkey; i++)
		if (!strcmp(f->key[i].key, key))
			return 1;
	return 0;
}

int family_keys_complete(struct family *f)
{
	for (size_t i = 0; i < NELEM(common); i++)
		if (!has_key(f, common[i].key) &&
		    (!*common[i].name || rule_find(f, common[i].name)))
			TRY(add(f, &common[i]));
	return 0;
}

int family_key_parse(struct family *f, char *const *word, size_t n)
{
	static const char *const types[] = { "u32", "f32", "bool" };
	struct family_key k = { .type = 0 };
	size_t t = 0;

	if (n < 3 || n > 4)
		return err_set(E_DATA, "want: key type name [config key]");
	while (t < NELEM(types) && strcmp(types[t], word[1]))
		t++;
	if (t == NELEM(types))
		return err_set(E_DATA, "unknown type: %s", word[1]);
	if (!rule_find(f, word[2]))
		return err_set(E_DATA, "no such number: %s", word[2]);
	if (has_key(f, word[0]))
		return err_set(E_DATA, "defined twice: %s", word[0]);
	if (strlen(word[0]) >= sizeof(k.key) ||
	    strlen(word[2]) >= sizeof(k.name) ||
	    (n > 3 && strlen(word[3]) >= sizeof(k.config)))
		return err_set(E_DATA, "name too long: %s", word[0]);
	k.type = (enum family_type)t;
	strcpy(k.key, word[0]);
	strcpy(k.name, word[2]);
	if (n > 3)
		strcpy(k.config, word[3]);
	return add(f, &k);
}

void family_required(const struct family *f, const char *key, char *value,
		     size_t size)
{
	*value = 0;
	for (size_t i = 0; i < f->nrequire; i++)
		if (!strcmp(f->require[i].name, key))
			snprintf(value, size, "%.*s",
				 (int)strcspn(f->require[i].expr, " \t"),
				 f->require[i].expr);
}

/* ---- do two agree? ---- */

/* What counts of a group of rotary numbers, by its type. */
static const struct {
	const char *type, *members;
} counts[] = {
	{ "default", "" },
	{ "linear", "factor" },
	{ "llama3", "factor original low high" },
	{ "yarn", "factor original fast slow attention mscale all truncate" },
	{ "longrope", "original longest attention short_factor long_factor" },
};

/* gelu's tanh form has several names. */
static const char *same_name(const char *text)
{
	return strcmp(text, "gelu_new") && strcmp(text, "gelu_fast") ?
		       text : "gelu_pytorch_tanh";
}

static int same_number(double a, double b)
{
	return (a <= b && a >= b) ||
	       fabs(a - b) <= 1e-6 * fmax(fabs(a), fabs(b));
}

static int same_value(const struct family_value *a,
		      const struct family_value *b, int whole)
{
	if (a->kind != b->kind)
		return 0;
	if (a->kind == FAMILY_TEXT)
		return !strcmp(same_name(a->text), same_name(b->text));
	if (a->kind == FAMILY_NUMBER)
		return whole ? same_number(floor(a->number),
					   floor(b->number)) :
			       same_number(a->number, b->number);
	if (a->kind == FAMILY_NONE)
		return 1;
	for (size_t i = 0; i < a->n && a->n == b->n; i++)
		if (!same_number(a->list[i], b->list[i]))
			return 0;
	return a->n == b->n;
}

static const char *show(const struct family_value *v, char text[FAMILY_NAME])
{
	if (v->kind == FAMILY_TEXT)
		return v->text;
	snprintf(text, FAMILY_NAME, "%.9g", v->number);
	return v->kind == FAMILY_NUMBER ? text :
	       v->kind == FAMILY_NONE ? "nothing" : "a list";
}

static int agree_on(const struct family_config *a,
		    const struct family_config *b, const char *name)
{
	size_t n = strlen(name);
	char x[FAMILY_NAME], y[FAMILY_NAME];

	for (size_t i = 0; i < a->f->nrule; i++) {
		if (strcmp(a->f->rule[i].name, name))
			continue;
		if (!same_value(&a->at[i], &b->at[i],
				n > 4 && !strcmp(name + n - 4, ".dim")))
			return err_set(E_DATA, "%s: is %s, but %s there", name,
				       show(&a->at[i], x), show(&b->at[i], y));
	}
	return 0;
}

static int agree_on_group(const struct family_config *a,
			  const struct family_config *b, const char *group)
{
	static const char *const always[] = { "type", "theta", "dim" };
	char name[3 * FAMILY_NAME], word[FAMILY_NAME];
	const char *type = "default", *at = NULL;

	for (size_t i = 0; i < NELEM(always); i++) {
		snprintf(name, sizeof(name), "%s.%s", group, always[i]);
		TRY(agree_on(a, b, name));
	}
	snprintf(name, sizeof(name), "%s.type", group);
	if (family_has(a, name) && family_text(a, name))
		type = family_text(a, name);
	for (size_t i = 0; i < NELEM(counts); i++)
		if (!strcmp(counts[i].type, type))
			at = counts[i].members;
	while (at && sscanf(at, "%31s", word) == 1) {
		snprintf(name, sizeof(name), "%s.%s", group, word);
		TRY(agree_on(a, b, name));
		at = strstr(at, word) + strlen(word);
	}
	return 0;
}

static int agree_on_step(const struct family_config *a,
			 const struct family_config *b,
			 const struct family_step *s, size_t layers)
{
	for (size_t i = 0; i < layers; i++)
		if (family_when(a, s, i) != family_when(b, s, i)) {
			TRY(agree_on(a, b, s->when));
			return err_set(E_DATA, "%s: layer %zu differs there",
				       s->when, i);
		}
	for (size_t i = 0; i < s->nkey; i++)
		TRY(family_is_group(a->f, s->key[i]) ?
			    agree_on_group(a, b, s->key[i]) :
			    agree_on(a, b, s->key[i]));
	return 0;
}

int family_agree(const struct family_config *a, const struct family_config *b)
{
	static const char *const always[] = { "layers", "hidden", "vocab",
					      "heads", "kv_heads", "ffn" };
	size_t layers;

	for (size_t i = 0; i < NELEM(always); i++)
		TRY(agree_on(a, b, always[i]));
	TRY(family_size(&layers, a, "layers"));
	for (int part = 0; part < FAMILY_PARTS; part++)
		for (size_t i = 0; i < a->f->nstep[part]; i++)
			TRY(agree_on_step(a, b, &a->f->step[part][i],
					  part == FAMILY_BLOCK ? layers : 1));
	return 0;
}
