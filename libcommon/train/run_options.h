/*
 * run_options - the options that a run is made of, kept with its state
 *
 * What is marked OPT_RECORD in the program's own table is saved as text, by
 * name. A run that continues takes them from there; one that the user gave
 * again must say the same.
 */
#ifndef TRAIN_RUN_OPTIONS_H
#define TRAIN_RUN_OPTIONS_H

#include "base/json.h"
#include "base/opt.h"

/* {"learning-rate": "0.0002", ...}; the caller's. E_NOMEM. */
int run_options_save(json_t **saved, const struct opt_program *p) MUST_CHECK;

/* Sets the options that were not given. saved must outlive the program's use of
 * them. Rows that saved does not have are left alone. E_CONFIG: one that was
 * given says something else; names it. */
int run_options_restore(const struct opt_program *p, json_t *saved) MUST_CHECK;

/*
 * A filter in the loop is the route by which ranks are pruned, as a pipe is:
 * options that say so belong to a run that may continue, and to nothing else.
 * kept: what goes with the state; a new reference, NULL: no memory. unroute:
 * from now on they are not in the provenance.
 */
json_t *run_options_kept(json_t *saved, int finished);
void run_options_unroute(const struct opt_program *p);

/* Where a run is saved: the file that was given, or one beside the output;
 * free it. NULL: neither is a file. E_NOMEM. */
int run_checkpoint_name(char **name, const char *given,
			const char *output) MUST_CHECK;

#endif
