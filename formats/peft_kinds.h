/*
 * peft_kinds - our kinds of adapters, and their parameters, in PEFT's words
 */
#ifndef FORMATS_PEFT_KINDS_H
#define FORMATS_PEFT_KINDS_H

#include "base/json.h"

/* A kind that PEFT has too: its type, and the option that makes it so. */
struct peft_kind {
	const char *name;       /* "dora" */
	const char *type;       /* "LORA" */
	const char *flag;       /* "use_dora"; NULL: none */
	int cut;                /* what was pruned is not in the file */
	const char *also;       /* what stands beside lora_A; NULL: no more */
	const char *front;      /* a soft prompt's only tensor, in our words;
				 * NULL: it is none */
};

/* A parameter's ending: ".lora_A" is ".lora_A.weight". */
struct peft_param {
	const char *type;       /* of configurations that have it; NULL: all */
	const char *ours, *theirs;
	int flat;               /* theirs is a vector, ours one row of it */
};

const struct peft_kind *peft_kind_find(const char *name); /* NULL: none */

/* The kind that a configuration says. NULL: PEFT's type is not known here. */
const struct peft_kind *peft_kind_of(json_t *peft);

/* By the end of a tensor's name. NULL: none. */
const struct peft_param *peft_param_theirs(const struct peft_kind *k,
					   const char *name);
const struct peft_param *peft_param_ours(const struct peft_kind *k,
					 const char *name);

/* Is this the option of a kind? */
int peft_is_flag(const char *key);

#endif
