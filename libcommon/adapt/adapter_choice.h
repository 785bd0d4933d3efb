/*
 * adapter_choice - an adapter's options on a command line: rows for an option
 * table, and the configuration (adapt/spec.h) that they make
 */
#ifndef ADAPT_ADAPTER_CHOICE_H
#define ADAPT_ADAPTER_CHOICE_H

#include "base/json.h"
#include "base/opt.h"

struct adapter_choice {
	const char *method;     /* an adapter kind */
	int init;               /* adapter_init_name() */
	size_t rank;
	double alpha;           /* 0: twice the rank */
	double dropout;
	int rslora;
	struct opt_list target, exclude, layers, save;
	struct opt_list rank_pattern, alpha_pattern;
	struct opt_list token;  /* formats/grow.h: who has the base adds them */
	int bias;
	size_t qalora_group;    /* 0: the base's */
	int qalora_pool;
	size_t virtual_tokens;
	int prompt_init;        /* PROMPT_INITS */
	const char *prompt_text; /* NULL: none */
	uint64_t seed;
	const char *recipe;     /* train/recipe.h, which reads it; or NULL */

	/* AdaLoRA's; negative, or 0 of what cannot be: by itself */
	size_t target_rank, delta_t;
	double tinit, tfinal, orthogonal;
};

#define ADAPTER_CHOICE { .method = "lora", .rank = 16, .seed = 42,           \
			 .virtual_tokens = 20,                               \
			 .tinit = -1, .tfinal = -1, .orthogonal = -1 }

/* What A and B begin as. */
#define ADAPTER_INITS "default"      \
		      "|gaussian"    \
		      "|pissa"       \
		      "|olora"       \
		      "|loftq"

/* What a prompt begins as; default: text where there is one, else vocab. */
#define PROMPT_INITS "default|vocab|random|text"

/* The rows; c is the variable. */
#define ADAPTER_OPTIONS(c)                                                   \
	{ "method", 0, OPT_TEXT, &(c).method, "KIND",                        \
	  "lora; dora: magnitude and direction apart; adalora: ranks move "  \
	  "to where they count; qalora: pools its inputs by the base's "     \
	  "groups; iec: IR-QLoRA's elastic connection; lora_bias: B has a "  \
	  "bias; prompt, prefix: soft prompts, before the text or in every " \
	  "layer's attention",                                               \
	  .alias = "peft-type", .flags = OPT_RECORD },                       \
	{ "init", 0, OPT_CHOICE, &(c).init, NULL,                            \
	  "first values; those after gaussian change the base too, and are " \
	  "lora-init's", .alias = "init-lora-weights",                       \
	  .choices = ADAPTER_INITS, .flags = OPT_RECORD },                   \
	{ "qalora-group-size", 0, OPT_COUNT, &(c).qalora_group, "N",         \
	  "qalora: inputs that are pooled; 0: as many as the base's groups " \
	  "have", .flags = OPT_RECORD },                                     \
	{ "qalora-pool", 0, OPT_CHOICE, &(c).qalora_pool, "KIND",            \
	  "qalora: mean, sum, or PEFT's mean times groups",                  \
	  .choices = "mean|sum|peft", .flags = OPT_RECORD },                 \
	{ "rank", 'r', OPT_COUNT, &(c).rank, "N", "rank of the update",      \
	  .alias = "lora-r lora-rank", .flags = OPT_RECORD },                \
	{ "alpha", 0, OPT_REAL, &(c).alpha, "X",                             \
	  "the update counts alpha / rank times; 0: alpha is twice the rank", \
	  .alias = "lora-alpha", .flags = OPT_RECORD },                      \
	{ "dropout", 0, OPT_REAL, &(c).dropout, "P",                         \
	  "chance to drop an input of the adapter in training",              \
	  .alias = "lora-dropout", .flags = OPT_RECORD },                    \
	{ "rslora", 0, OPT_FLAG, &(c).rslora, NULL,                          \
	  "divide alpha by the root of the rank",                            \
	  .alias = "use-rslora", .flags = OPT_RECORD },                      \
	{ "target-modules", 0, OPT_LIST, &(c).target, "NAME,...",            \
	  "modules by name or end of name; a regex for the whole name; "     \
	  "all-linear (default): all linear layers but the head",            \
	  .alias = "lora-target lora-target-modules", .flags = OPT_RECORD }, \
	{ "exclude-modules", 0, OPT_LIST, &(c).exclude, "NAME,...",          \
	  "modules that get none, by the same rules", .flags = OPT_RECORD }, \
	{ "layers", 0, OPT_LIST, &(c).layers, "N-M,...",                     \
	  "only these layers, from 0", .alias = "layers-to-transform",       \
	  .flags = OPT_RECORD },                                             \
	{ "rank-pattern", 0, OPT_LIST, &(c).rank_pattern, "RE=N",            \
	  "another rank where a name, or its end after a dot, matches; the " \
	  "first wins", .flags = OPT_RECORD },                               \
	{ "alpha-pattern", 0, OPT_LIST, &(c).alpha_pattern, "RE=X",          \
	  "another alpha likewise", .flags = OPT_RECORD },                   \
	{ "modules-to-save", 0, OPT_LIST, &(c).save, "NAME,...",             \
	  "modules to train whole, such as lm_head,embed_tokens",            \
	  .alias = "lora-modules-to-save", .flags = OPT_RECORD },            \
	{ "add-token", 0, OPT_LIST, &(c).token, "TOKEN",                     \
	  "train this token's row of the embedding, and of the head; one "   \
	  "that the vocabulary lacks is added; may be repeated",             \
	  .flags = OPT_RECORD },                                             \
	{ "bias", 0, OPT_CHOICE, &(c).bias, NULL,                            \
	  "biases to train: lora_only: of modules with an adapter; all: "    \
	  "every one, those of norms too",                                   \
	  .choices = "none|all|lora_only", .flags = OPT_RECORD },            \
	{ "target-rank", 0, OPT_COUNT, &(c).target_rank, "N",                \
	  "adalora: ranks of a module in the end, on average; 0: two "       \
	  "thirds of --rank", .alias = "target-r", .flags = OPT_RECORD },    \
	{ "tinit", 0, OPT_REAL, &(c).tinit, "N",                             \
	  "adalora: steps before the budget falls; -1: a tenth of all",      \
	  .flags = OPT_RECORD },                                             \
	{ "tfinal", 0, OPT_REAL, &(c).tfinal, "N",                           \
	  "adalora: steps after the last pruning; -1: three tenths",         \
	  .flags = OPT_RECORD },                                             \
	{ "delta-t", 0, OPT_COUNT, &(c).delta_t, "N",                        \
	  "adalora: prune every N steps; 0: every hundredth of all",         \
	  .alias = "deltaT", .flags = OPT_RECORD },                          \
	{ "orth-reg-weight", 0, OPT_REAL, &(c).orthogonal, "X",              \
	  "adalora: weight of the orthogonal penalty; -1: 0.5",              \
	  .flags = OPT_RECORD },                                             \
	{ "virtual-tokens", 0, OPT_COUNT, &(c).virtual_tokens, "N",          \
	  "prompt, prefix: tokens that stand before every text",             \
	  .alias = "num-virtual-tokens", .flags = OPT_RECORD },              \
	{ "prompt-init", 0, OPT_CHOICE, &(c).prompt_init, NULL,              \
	  "prompt: rows of the vocabulary, random numbers, or "              \
	  "--prompt-init-text; default: the text, or else vocab",            \
	  .alias = "prompt-tuning-init", .choices = PROMPT_INITS,            \
	  .flags = OPT_RECORD },                                             \
	{ "prompt-init-text", 0, OPT_TEXT, &(c).prompt_text, "TEXT",         \
	  "prompt: begin as this text, repeated or cut to so many tokens",   \
	  .alias = "prompt-tuning-init-text", .flags = OPT_RECORD },         \
	{ "recipe", 0, OPT_TEXT, &(c).recipe, "FILE",                        \
	  "another method, rank ... for each module: docs/methods.md",       \
	  .flags = OPT_RECORD },                                             \
	{ "seed", 0, OPT_SEED, &(c).seed, "N",                               \
	  "what all random numbers follow from", .flags = OPT_RECORD }

/* "gaussian"; NULL: past the last. */
const char *adapter_init_name(int init);

/* For who does not write a base. E_USAGE: --init would change it. */
int adapter_choice_beside(const struct adapter_choice *c) MUST_CHECK;

/* An adapter that is there is what it is: E_USAGE where p's options ask for
 * another; none of them is recorded. Dropout and seed are the training's. */
int adapter_choice_given(const struct opt_program *p) MUST_CHECK;

/* The configuration, with more's keys (an object, or NULL); the caller's.
 * E_USAGE, naming the option. */
int adapter_choice_config(json_t **config, const struct adapter_choice *c,
			  json_t *more) MUST_CHECK;

#endif
