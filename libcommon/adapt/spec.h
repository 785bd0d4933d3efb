/*
 * spec - which modules of a model get which adapter: PEFT's rules
 *
 * A configuration is the JSON object that an adapter stream carries as its
 * "adapter" meta:
 *
 *     kind             "lora", "dora" ...: adapt/adapt.c
 *     r, alpha         rank of the update, and its weight; scale is alpha / r
 *     dropout, rslora
 *     init             how A and B began, where not as usual: "gaussian"
 *     target_r, tinit, tfinal, delta_t, beta1, beta2, orth_reg_weight
 *                      AdaLoRA's (adapt/adalora.h)
 *     target_modules   list: names that equal a module's or end it after a
 *                      dot; string: "all-linear" (every linear layer but the
 *                      head), else a regex that must match the whole name
 *     exclude_modules  likewise; it wins
 *     layers_to_transform  list of layer numbers, the first number between
 *                      dots in a module's name; absent: all layers
 *     rank_pattern, alpha_pattern  objects: the first key, a regex, that
 *                      matches a module's name or its end after a dot gives
 *                      its value instead of r, alpha
 *     modules_to_save  list of names as above: trained whole, with bias
 *     trainable_token_indices  object, by name as above: a list of the tokens
 *                      whose rows of the embedding or the head are trained;
 *                      where the head is tied, the embedding's are both's
 *     added_tokens     list of {id, content}: tokens that the base's vocabulary
 *                      lacks, and which formats/grow.h gives it
 *     bias             "none", "lora_only": the biases of modules that have
 *                      an adapter are trained; "all": those of all, and of
 *                      norms
 *     rules            list of such objects, in the place of all but
 *                      modules_to_save: the first whose modules and layers
 *                      these are gives a module all of its options; the kind
 *                      "none" gives it no adapter
 *
 * A soft prompt's (adapt/soft.h) stands before the sequences and has, instead
 * of all these but kind:
 *     num_virtual_tokens, token_dim, num_layers, num_attention_heads
 *
 * Absent keys and null mean PEFT's defaults, but alpha is 2 r. Other keys are
 * kept as they are.
 */
#ifndef ADAPT_SPEC_H
#define ADAPT_SPEC_H

#include "adapt/adapt.h"

/* Where adapters can stand, in the order of the base's tensors. */
struct adapter_sites {
	struct adapter_site *at; /* modules are owned */
	size_t n, room;
};

/* Adds "<module>.weight" matrices of linear layers, head and embedding, and
 * with the first embedding the place before the sequences; notes their biases;
 * a bias without such a weight is a norm's. Ignores all else. The tensor need
 * not be loaded. E_NOMEM. */
int adapter_sites_add(struct adapter_sites *s,
		      const struct tensor *t) MUST_CHECK;

/* The site that a weight or bias belongs to; NULL: none. */
const struct adapter_site *adapter_sites_of(const struct adapter_sites *s,
					    const char *tensor);
void adapter_sites_release(struct adapter_sites *s);

/* The kind of whose list the module is; NULL: it is in none. */
const struct adapter_kind *adapter_kind_listed(json_t *config,
					       const char *module);

/* The kind with a list of its own that a parameter of this name ("weight") is
 * the mark of; NULL: of none. */
const struct adapter_kind *adapter_kind_marked(const char *param);

/* Is there to be an adapter at this site, and with which options? E_CONFIG. */
int adapter_wanted(struct adapter_options *o, json_t *config,
		   const struct adapter_site *site, int *yes) MUST_CHECK;

/* The object that has the options of an adapter that exists: config, or one of
 * its rules. Borrowed. */
json_t *adapter_config_at(json_t *config, const char *module);

/*
 * Fills an empty set with the adapters that config asks for, in the order of
 * the sites, without memory for parameters. s->config describes it, with
 * target_modules as a list that names exactly these modules, and with rules
 * only where kinds or options differ in more than ranks and alphas. E_CONFIG: a
 * key's value, a pattern, no module matches, a name in a list that no module
 * has.
 */
int adapter_set_make(struct adapter_set *s, json_t *config,
		     const struct adapter_sites *sites) MUST_CHECK;

/* As above for an adapter that exists: its tensors say where it stands and
 * its ranks. E_DATA: a tensor that has no place in the base. */
int adapter_set_read(struct adapter_set *s, json_t *config,
		     const struct tensor_set *tensors,
		     const struct adapter_sites *sites) MUST_CHECK;

#endif
