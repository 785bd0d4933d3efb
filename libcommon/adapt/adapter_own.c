#include "adapt/adapter_own.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "data/samples.h"

/* As if no option were given. */
static const struct adapter_choice none = ADAPTER_CHOICE;

static int out_of_memory(void)
{
	return err_set(E_NOMEM, "out of memory");
}

/* words: with one blank between two; NULL: none. */
static int has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = words; p; p = strchr(p, ' ')) {
		p += *p == ' ';
		if (!strncmp(p, word, n) && (!p[n] || p[n] == ' '))
			return 1;
	}
	return 0;
}

/* Options that belong to some kinds only. */
int adapter_own_keys(json_t *j, const struct adapter_choice *c,
		     const struct adapter_kind *kind)
{
	const struct {
		const char *key, *option;
		int given;
		double value;
	} own[] = {
		{ "target_r", "target-rank", c->target_rank > 0,
		  (double)c->target_rank },
		{ "tinit", "tinit", c->tinit >= 0, c->tinit },
		{ "tfinal", "tfinal", c->tfinal >= 0, c->tfinal },
		{ "delta_t", "delta-t", c->delta_t > 0, (double)c->delta_t },
		{ "orth_reg_weight", "orth-reg-weight", c->orthogonal >= 0,
		  c->orthogonal },
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (!own[i].given)
			continue;
		if (!has_word(kind->keys, own[i].key))
			return err_set(E_USAGE, "--%s: --method %s has no such "
				       "thing", own[i].option, kind->name);
		if (json_object_set_new(j, own[i].key, adapter_choice_number(
					own[i].value)))
			return out_of_memory();
	}
	return 0;
}

/* What belongs to one kind stands in the configurations of that kind. */
static int fill_qalora(json_t *j, const struct adapter_choice *c)
{
	static const char *const pools[] = { "mean", "sum", "peft" };

	if (json_object_set_new(j, "qalora_pool",
				json_string(pools[c->qalora_pool])))
		return out_of_memory();
	if (c->qalora_group &&
	    json_object_set_new(j, "qalora_group_size", json_integer(
				(json_int_t)c->qalora_group)))
		return out_of_memory();
	return 0;
}

/* A soft prompt stands at no module and has no rank. */
static int check_front(const struct adapter_choice *c)
{
	const struct {
		const char *option;
		size_t n;
	} other[] = {
		{ "target-modules", c->target.n },
		{ "exclude-modules", c->exclude.n },
		{ "layers", c->layers.n },
		{ "modules-to-save", c->save.n },
		{ "rank-pattern", c->rank_pattern.n },
		{ "alpha-pattern", c->alpha_pattern.n },
		{ "add-token", c->token.n },
		{ "dropout", c->dropout > 0 },
		{ "rank", c->rank != none.rank },
		{ "alpha", c->alpha != none.alpha },
		{ "rslora", c->rslora != 0 },
		{ "bias", c->bias != 0 },
	};

	for (size_t i = 0; i < NELEM(other); i++)
		if (other[i].n)
			return err_set(E_USAGE, "--%s: is not for --method %s, "
				       "which stands before the text and at "
				       "no module", other[i].option,
				       c->method);
	if (!c->virtual_tokens || c->virtual_tokens > VIRTUAL_ROWS)
		return err_set(E_USAGE, "--virtual-tokens %zu: want 1 to %d",
			       c->virtual_tokens, VIRTUAL_ROWS);
	return 0;
}

static int fill_front(json_t *j, const struct adapter_choice *c,
		      const char *init)
{
	TRY(check_front(c));
	if (json_object_set_new(j, "num_virtual_tokens", json_integer(
				(json_int_t)c->virtual_tokens)) ||
	    json_object_set_new(j, "init", json_string(init)))
		return out_of_memory();
	return 0;
}

enum { PROMPT_DEFAULT, PROMPT_VOCAB, PROMPT_RANDOM, PROMPT_TEXT };
enum { PROMPT_BYTES = 4000 };   /* of a text, which is recorded */

static int fill_prompt(json_t *j, const struct adapter_choice *c)
{
	static const char *const name[] = { "", "vocab", "random", "text" };
	int init = c->prompt_init;

	if (!init)
		init = c->prompt_text ? PROMPT_TEXT : PROMPT_VOCAB;
	if (c->prompt_text && strlen(c->prompt_text) > PROMPT_BYTES)
		return err_set(E_USAGE, "--prompt-init-text: %zu bytes, at "
			       "most %d", strlen(c->prompt_text),
			       PROMPT_BYTES);
	if ((init == PROMPT_TEXT) != (c->prompt_text != NULL))
		return err_set(E_USAGE, "--prompt-init text, "
			       "--prompt-init-text go together");
	return fill_front(j, c, name[init]);
}

static int fill_prefix(json_t *j, const struct adapter_choice *c)
{
	if (c->prompt_text || (c->prompt_init != PROMPT_DEFAULT &&
			       c->prompt_init != PROMPT_RANDOM))
		return err_set(E_USAGE, "--prompt-init: a prefix begins as "
			       "random numbers; --method prompt can begin as "
			       "a text or as tokens");
	return fill_front(j, c, "random");
}

static const struct {
	const char *kind;
	int (*fill)(json_t *j, const struct adapter_choice *c);
} kinds[] = {
	{ "lora", NULL },
	{ "dora", NULL },
	{ "adalora", NULL },
	{ "qalora", fill_qalora },
	{ "iec", NULL },
	{ "prompt", fill_prompt },
	{ "prefix", fill_prefix },
	{ "lora_bias", NULL },
};

/* What is of these kinds alone; no key of theirs says so. */
static int check_others(const struct adapter_choice *c)
{
	const struct {
		const char *option, *kinds;
		int given;
	} row[] = {
		{ "virtual-tokens", "prompt or prefix",
		  c->virtual_tokens != none.virtual_tokens },
		{ "prompt-init", "prompt or prefix", c->prompt_init },
		{ "prompt-init-text", "prompt or prefix", !!c->prompt_text },
		{ "qalora-group-size", "qalora", c->qalora_group > 0 },
		{ "qalora-pool", "qalora", c->qalora_pool },
	};

	for (size_t i = 0; i < NELEM(row); i++)
		if (row[i].given && !has_word(row[i].kinds, c->method))
			return err_set(E_USAGE, "--%s: is for --method %s, not "
				       "for %s", row[i].option, row[i].kinds,
				       c->method);
	return 0;
}

/* A name of --init is often taken for a method's. */
static int unknown(const char *method)
{
	char all[256] = "";

	for (size_t i = 0; i < NELEM(kinds); i++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s",
			 i ? "|" : "", kinds[i].kind);
	for (int i = 1; adapter_init_name(i); i++)
		if (!strcmp(adapter_init_name(i), method))
			return err_set(E_USAGE, "--method %s: no such method; "
				       "it is LoRA's first values: --init %s",
				       method, method);
	return err_set(E_USAGE, "--method %s: no such method, want one of %s",
		       method, all);
}

int adapter_own_of_kind(json_t *j, const struct adapter_choice *c)
{
	for (size_t i = 0; i < NELEM(kinds); i++)
		if (!strcmp(kinds[i].kind, c->method)) {
			TRY(check_others(c));
			return kinds[i].fill ? kinds[i].fill(j, c) : 0;
		}
	return unknown(c->method);
}
