/*
 * by_field - which of several soft prompts a record is asked with: the one
 * whose name a field of it has
 */
#ifndef DATA_BY_FIELD_H
#define DATA_BY_FIELD_H

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>

struct by_field {
	const char *field;      /* of a record: "task" */
	char *const *name;      /* (n) of prompts, by number; borrowed */
	size_t n;
};

/* E_DATA: the record has no such text, or it names none. b NULL: number 0. */
int by_field_number(size_t *number, const struct by_field *b,
		    json_t *record) MUST_CHECK;

#endif
