/*
 * jinja - a chat template rendered as Python's jinja2 renders it
 *
 * An interpreter of the part of Jinja that chat templates use, with the
 * settings of transformers: trim_blocks, lstrip_blocks, loop controls,
 * {% generation %} accepted and without effect, and a tojson that is
 * json.dumps(ensure_ascii=False). Output is equal to jinja2's to the byte.
 *
 *   statements  for (if, else), if, set (block, namespace), macro, call,
 *               filter, with, break, continue, generation, raw
 *   operators   + - * / // % ** ~ == != < > <= >= in not and or, is, |,
 *               a if b else c, x.y, x[y], x[a:b:c], f(x, y=z)
 *   filters     jinja_filters.c, jinja_lists.c     one row each
 *   tests       jinja_tests.c
 *   methods     jinja_methods.c, of texts, dicts and lists
 *   globals     jinja_globals.c: range, dict, namespace, raise_exception,
 *               strftime_now
 *
 * Anything else that Jinja has is refused by its name when the template is
 * read. Values are Python's: what has no value is undefined, prints as nothing
 * and has no attributes; True, None, 1.0 and lists print as Python prints
 * them. Whole numbers are of 64 bits.
 *
 * strftime_now() tells the time of JINJA_NOW: what a record becomes must not
 * depend on the day.
 *
 * A template is a stranger's program. It can compute, but a render is bounded
 * in steps, memory, output and depth, each by a line that says so (E_DATA).
 */
#ifndef FORMATS_JINJA_H
#define FORMATS_JINJA_H

#include "base/err.h"
#include "base/json.h"
#include "formats/text.h"

#include <stddef.h>

#ifndef JINJA_STEPS     /* a fuzzer's are few, or it does nothing but loop */
#define JINJA_STEPS 20000000    /* and one for each byte of the variables */
#endif

enum {
	JINJA_SIZE = 1 << 20,   /* bytes of a template at most */
	JINJA_DEPTH = 200,      /* of nesting in it */
	JINJA_CALLS = 800,      /* of nesting while it runs */
	JINJA_MEMORY = 64 << 20, /* and 32 for each byte of the variables */
	JINJA_RANGE = 100000,   /* of range(), as jinja2's sandbox has it */
};

/* 2024-07-26 12:00:00, the day of "26 Jul 2024", which is the date that
 * Llama 3.1's template has where it is given none. */
#define JINJA_NOW 1721995200

struct jinja;

/* text may be released. E_DATA: "line 3: 'include' is not supported". */
int jinja_new(struct jinja **t, const char *text, size_t size) MUST_CHECK;
void jinja_free(struct jinja *t);       /* NULL is fine */

/* Appends what the template makes of the variables, an object, to out, which
 * is unchanged where it fails. E_DATA: what the template refuses
 * (raise_exception: its own words), or what it should not do. */
int jinja_render(struct jinja *t, json_t *variables,
		 struct text *out) MUST_CHECK;

#endif
