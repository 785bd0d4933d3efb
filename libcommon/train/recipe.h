/*
 * recipe - one file that says, for each module of a model, how it is stored
 * and what is trained beside it
 *
 *     { "rules": [
 *         { "layers": "0-3", "keep": true },
 *         { "modules": ["q_proj", "k_proj", "v_proj", "o_proj"],
 *           "quantize-int": { "bits": 3, "gptq": true },
 *           "adapter": { "method": "qalora", "rank": 4 } },
 *         { "quantize-nf4": {}, "adapter": { "rank": 16 } } ] }
 *
 * A rule is for the modules whose name and layer it says (the option
 * --target-modules' syntax; absent: all linear layers; "exclude" takes some
 * away). Of the rules for a module, the first that has a way to store decides
 * how it is stored ("keep", or a quantiser with its options by their long
 * names), and the first that has "adapter" (lora-init's options, or false)
 * what is trained. Where no rule says so, a weight stays as it is, and nothing
 * is trained. "comment" may stand anywhere.
 */
#ifndef TRAIN_RECIPE_H
#define TRAIN_RECIPE_H

#include "adapt/adapter_choice.h"
#include "adapt/spec.h"
#include "quant/int_choice.h"
#include "quant/nf4_choice.h"

enum recipe_store { RECIPE_SILENT, RECIPE_KEEP, RECIPE_NF4, RECIPE_INT };

struct recipe_rule {
	json_t *where;          /* target_modules and others: adapt/spec.h */
	json_t *adapter;        /* the same with what to make, or the kind
				 * "none"; NULL: the rule is silent */
	enum recipe_store store;
	struct quant_nf4 nf4;   /* RECIPE_NF4 */
	struct icq icq;         /* ... its */
	struct quant_int whole; /* RECIPE_INT */
	int gptq;               /* ... by GPTQ */
};

struct recipe {
	struct recipe_rule *at;
	size_t n;
	struct entropy entropy; /* that of whole */
};

/* Puts the text of the file in the place of its name, as what is recorded;
 * NULL: nothing. The text lives as long as the program. E_CONFIG, E_NOINPUT. */
int recipe_take(const char **option) MUST_CHECK;

/* Reads the text. E_CONFIG: naming the rule and the key. */
int recipe_open(struct recipe *r, const char *text) MUST_CHECK;
void recipe_release(struct recipe *r);  /* safe on a zeroed struct */

/* The rule by which a weight is stored so; NULL: it is none of these. */
int recipe_ours(const struct recipe *r, enum recipe_store store,
		const char *weight, const struct recipe_rule **rule) MUST_CHECK;

/* The rule that says how a linear weight ("<module>.weight") is stored; NULL:
 * none does. E_CONFIG: a pattern. */
int recipe_store(const struct recipe *r, const char *weight,
		 const struct recipe_rule **rule) MUST_CHECK;

/* Does a rule store so, and (if gptq) by GPTQ? */
int recipe_stores(const struct recipe *r, enum recipe_store store, int gptq);

/* E_CONFIG: a rule whose modules none of the sites is, or of which rules before
 * it leave nothing for it to say. */
int recipe_matches(const struct recipe *r,
		   const struct adapter_sites *sites) MUST_CHECK;

/* The same for the recipe's text. */
int recipe_fits(const char *text,
		const struct adapter_sites *sites) MUST_CHECK;

/* The same, and: E_CONFIG, an adapter or a quantiser that cannot be where the
 * recipe puts it, and what can. */
int recipe_plan(const struct recipe *r, struct adapter_sites *sites) MUST_CHECK;

/* recipe_plan() for the modules of a config.json. Of a family that is not known
 * nothing is said: 0. */
int recipe_meets(const struct recipe *r, json_t *config) MUST_CHECK;

/* Reads the recipe of an option, if it is given. E_USAGE: another option of the
 * table is, which the rules say; may has the names of those that they do not,
 * with a space between. They are no longer recorded. E_CONFIG. */
int recipe_given(struct recipe *r, const char **option, struct opt *table,
		 const char *may) MUST_CHECK;

/* adapter_choice_config(), of c's recipe if it has one. E_USAGE: an option of
 * p that the recipe says; those are no longer recorded. */
int recipe_config(json_t **config, struct adapter_choice *c,
		  const struct opt_program *p, json_t *more) MUST_CHECK;

#endif
