/* opt_text - what base/opt.c and its texts share; nobody else includes it */
#ifndef BASE_OPT_TEXT_H
#define BASE_OPT_TEXT_H

#include "base/json.h"
#include "base/opt.h"

/* The -c FILE; options that were given already stay as they are. */
int opt_read_config(const struct opt_program *p, const char *path) MUST_CHECK;

/* A scalar as the command line would spell it, to free; NULL: no scalar. */
char *opt_scalar_text(json_t *v);

/* To standard output, checked: E_IO. */
int opt_print_help(const struct opt_program *p) MUST_CHECK;
int opt_print_version(const struct opt_program *p) MUST_CHECK;
int opt_print_man(const struct opt_program *p) MUST_CHECK;
int opt_print_completion(const struct opt_program *p) MUST_CHECK;

#endif
