/*
 * peft_config - adapter_config.json, to and from the "adapter" meta
 *
 * PEFT gives a module the rank and alpha of the first pattern that matches its
 * name. A meta's keys are sorted, so that "first" is lost: here every module
 * that differs from the rest is named by itself.
 */
#ifndef FORMATS_PEFT_CONFIG_H
#define FORMATS_PEFT_CONFIG_H

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>

struct peft_config {
	json_t *peft;           /* borrowed */
	json_t *ranks, *alphas, *modules;
	json_int_t rank;
	double alpha;
};

/* E_DATA: a type that is not read, or an option that changes the mathematics
 * in a way not known here, by its name. */
int peft_config_check(json_t *peft) MUST_CHECK;

int peft_config_begin(struct peft_config *c, json_t *peft) MUST_CHECK;

/* A module with a matrix A of that many rows. */
int peft_config_module(struct peft_config *c, const char *module,
		       size_t rank) MUST_CHECK;

/* The value of the first pattern that matches the module's name, or its end
 * after a dot; *x stays where none does. E_DATA: no regex. */
int peft_pattern(json_t *patterns, const char *module, double *x) MUST_CHECK;

/* Puts the "adapter" object into meta. */
int peft_config_end(struct peft_config *c, json_t *meta) MUST_CHECK;
void peft_config_release(struct peft_config *c);

/* Does modules_to_save name this module? */
int peft_is_saved(json_t *saved, const char *module);

/* AdaLoRA's keys of the "adapter" object, in PEFT's words. */
int peft_config_schedule(json_t *peft, json_t *adapter) MUST_CHECK;

/*
 * adapter_config.json for the "adapter" meta, with the keys that every PEFT
 * since 0.11 knows, and those of its kind. base: base_model_name_or_path, or
 * NULL: the meta's. columns: how many each module's A has, by name. *peft is
 * the caller's, also after a failure. E_DATA: a kind, or a form of it, that
 * PEFT does not have.
 */
int peft_config_write(json_t **peft, json_t *adapter, const char *base,
		      json_t *columns) MUST_CHECK;

#endif
