/*
 * jansson writes 1e-05 as 1.0000000000000001e-5: right, and not what anybody
 * wrote. Here a number is as short as reads back the same, in the form that
 * Python's repr() has; all else is jansson's.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { NUMBER = 40 };

/* d.dddde+XX: the fewest digits that give x again. */
static void shortest(char *to, double x)
{
	int digits = 0;

	do
		snprintf(to, NUMBER, "%.*e", digits, x);
	while (strtod(to, NULL) != x && ++digits < 17);
}

/* With a point where Python has one: from 1e-4 up to 1e16. */
static void put_real(FILE *f, double x)
{
	char text[NUMBER];
	int exponent, digits;

	shortest(text, x);
	exponent = atoi(strchr(text, 'e') + 1);
	if (exponent < -4 || exponent >= 16) {
		fputs(text, f);
		return;
	}
	digits = (int)(strchr(text, 'e') - strpbrk(text, "0123456789"));
	digits -= digits > 1; /* the point */
	digits -= exponent + 1;
	fprintf(f, "%.*f", digits > 1 ? digits : 1, x);
}

static void put(FILE *f, json_t *v, int indent, int depth);

static void put_gap(FILE *f, int indent, int depth, int first)
{
	if (!first)
		fputs(indent ? "," : ", ", f);
	if (indent)
		fprintf(f, "\n%*s", indent * depth, "");
}

static void put_text(FILE *f, json_t *text)
{
	char *s = json_dumps(text, JSON_ENCODE_ANY);

	if (s)
		fputs(s, f);
	free(s);
}

static void put_object(FILE *f, json_t *v, int indent, int depth)
{
	int first = 1;
	const char *key;
	json_t *member;

	fputc('{', f);
	json_object_foreach(v, key, member) {
		json_t *text = json_string_nocheck(key);

		put_gap(f, indent, depth + 1, first);
		put_text(f, text);
		json_decref(text);
		fputs(": ", f);
		put(f, member, indent, depth + 1);
		first = 0;
	}
	if (!first && indent)
		fprintf(f, "\n%*s", indent * depth, "");
	fputc('}', f);
}

static void put_array(FILE *f, json_t *v, int indent, int depth)
{
	json_t *member;
	size_t i;

	fputc('[', f);
	json_array_foreach(v, i, member) {
		put_gap(f, indent, depth + 1, !i);
		put(f, member, indent, depth + 1);
	}
	if (i && indent)
		fprintf(f, "\n%*s", indent * depth, "");
	fputc(']', f);
}

static void put(FILE *f, json_t *v, int indent, int depth)
{
	if (json_is_object(v))
		put_object(f, v, indent, depth);
	else if (json_is_array(v))
		put_array(f, v, indent, depth);
	else if (json_is_real(v))
		put_real(f, json_real_value(v));
	else
		put_text(f, v);
}

int json_print(char **text, json_t *root, int pretty)
{
	size_t size;
	FILE *f = open_memstream(text, &size);
	int bad;

	if (!f)
		return err_set(E_NOMEM, "out of memory");
	put(f, root, pretty, 0);
	bad = ferror(f);
	if (!fclose(f) && !bad)
		return 0;
	free(*text);
	*text = NULL;
	return err_set(E_NOMEM, "out of memory");
}
