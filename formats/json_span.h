/*
 * json_span - places in a JSON text, for edits that leave every other byte
 *
 * The text is one that json_parse() takes. Keys are compared as they are
 * written: one that is spelled with escapes is not found.
 */
#ifndef FORMATS_JSON_SPAN_H
#define FORMATS_JSON_SPAN_H

#include "base/json.h"
#include "formats/text.h"

/* Bytes [start, end) of a text. */
struct json_span {
	size_t start, end;
};

/* The value at "a.b.c" through objects. 0: it is not there. */
int json_span_at(struct json_span *s, const struct text *t, const char *path);

/* Another value in its place. E_NOMEM. */
int json_span_replace(struct text *t, struct json_span s,
		      const char *value) MUST_CHECK;

/* One more entry at the end of the list (key NULL) or object that s is, with
 * lines where the first entry has a line of its own. E_NOMEM. */
int json_span_append(struct text *t, struct json_span s, const char *key,
		     json_t *value) MUST_CHECK;

#endif
