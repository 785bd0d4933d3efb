/*
 * json - jansson's door: reading that trusts nothing, and small conveniences
 *
 * Duplicate keys, NUL in names, depth above 64 and trailing text are refused.
 * A value may hold NUL, as a text to train on may: there json_string_length().
 * A whole number beyond 64 bits is read as a real one.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/err.h"

#include <jansson.h>
#include <stddef.h>

/* E_DATA with line and column. Free with json_decref(). */
int json_parse(json_t **root, const char *text, size_t size) MUST_CHECK;

/* As io_read_file(), then json_parse(); messages name the file. */
int json_read_file(json_t **root, const char *path, size_t most) MUST_CHECK;

/* "a.b.c" through objects; NULL: not there. */
json_t *json_path(json_t *root, const char *path);

/* Typed getters with a default for what is absent or null. */
const char *json_text(json_t *root, const char *path, const char *none);
double json_number(json_t *root, const char *path, double none);
int json_flag(json_t *root, const char *path, int none);

/* json_real(); null where x is not finite, for which JSON has no number. */
json_t *json_finite(double x);

/* The text of a value, as Python's json.dumps() has it without escaping what is
 * not ASCII: keys in the order they were read or set, ", " and ": " between
 * (pretty 0) or indented by pretty, numbers as short as reads back the same.
 * Free with free(). E_NOMEM. */
int json_print(char **text, json_t *root, int pretty) MUST_CHECK;

#endif
