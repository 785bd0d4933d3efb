/*
 * family_text - a parsed family, as family_parse.c leaves it
 *
 * For family*.c only. Pointers point into the family's own copy of the text.
 */
#ifndef ARCH_FAMILY_TEXT_H
#define ARCH_FAMILY_TEXT_H

#include "arch/family.h"

enum {
	FAMILY_WORDS = 64,      /* of a list */
	FAMILY_RULES = 64,
	FAMILY_TENSORS = 64,
	FAMILY_STEPS = 64,      /* of a part */
};

struct family_words {
	const char *at[FAMILY_WORDS];
	size_t n;
};

/* "head_dim  head_dim | hidden / heads" */
struct family_rule {
	const char *name, *expr;
	int line;
};

struct family {
	char *text;
	const char *name;
	char prefix[FAMILY_NAME];       /* that names may lack: "model." */
	struct family_words architectures, types, gguf, ignore;
	struct family_words also;       /* pairs */
	struct family_rule rule[FAMILY_RULES];
	size_t nrule;
	struct family_rule layer[FAMILY_RULES]; /* of each layer */
	size_t nlayer;
	struct family_rule require[FAMILY_RULES]; /* key, allowed values */
	size_t nrequire;
	struct family_key key[FAMILY_RULES];
	size_t nkey;
	struct family_tensor tensor[FAMILY_TENSORS];
	size_t ntensor;
	struct family_step step[FAMILY_PARTS][FAMILY_STEPS];
	size_t nstep[FAMILY_PARTS];
};

const struct family_tensor *family_tensor_find(const struct family *f,
					       const char *name);

/* Is it a config name, or the name of a group of them? */
int family_defines(const struct family *f, const char *name);

/* Is it a number of each layer? */
int family_defines_layer(const struct family *f, const char *name);

/* "op in ... -> out ...  name ... if NAME=VALUE": family_step.c. E_DATA, of
 * one line without its place. */
int family_step_parse(struct family_step *s, const struct family *f,
		      char *const *word, size_t n) MUST_CHECK;

/* ---- GGUF's metadata: family_gguf.c ---- */

/* "KEY TYPE NAME [CONFIG]". E_DATA, of one line without its place. */
int family_key_parse(struct family *f, char *const *word,
		     size_t n) MUST_CHECK;

/* Adds the keys that all families have, for the numbers that this one has. */
int family_keys_complete(struct family *f) MUST_CHECK;

/* ---- expressions: family_expr.c ---- */

enum family_kind { FAMILY_NONE, FAMILY_NUMBER, FAMILY_TEXT, FAMILY_LIST };

struct family_value {
	enum family_kind kind;
	double number;
	char text[FAMILY_NAME];
	double *list;           /* (n) */
	size_t n;
};

/* Is it the number or the text that the n bytes of word say? */
int family_value_is(const struct family_value *v, const char *word, size_t n);

struct family_list {
	struct family_list *next;
	double at[];
};

struct family_config {
	const struct family *f;
	json_t *json;           /* only while it is made */
	struct family_value at[FAMILY_RULES];
	size_t layers;          /* 0: they have no numbers of their own */
	struct family_value *layer; /* (layers, f->nlayer) */
	struct family_list *list; /* of all values */
};

/* A word of an expression: a number's name or a path in config.json, which
 * may end in "[i]" where a layer is meant; "i" is its number. E_DATA: it is
 * there and is no value. */
typedef int family_lookup_fn(void *ctx, const char *word,
			     struct family_value *v);

/* 1: not an expression. layer: may it say what only a layer has? */
int family_expr_check(const char *expr, int layer);

int family_expr_eval(struct family_value *v, const char *expr,
		     family_lookup_fn *lookup, void *ctx) MUST_CHECK;

/* Is this word one of the expression's? */
int family_expr_names(const char *expr, const char *word);

/* ---- what config.json may hold: family_check.c ---- */

/* E_DATA: a key that changes the mathematics and is not named. */
int family_check_keys(const struct family *f, json_t *config) MUST_CHECK;

#endif
