#include "base/opt.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/level.h"
#include "base/opt_text.h"

int opt_bytes(uint64_t *bytes, const char *text)
{
	static const char unit[] = "KMGT";
	unsigned long long n;
	const char *u;
	char *end;
	int shift = 0;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || errno)
		return err_set(E_USAGE, "'%s' is no size", text);
	u = *end ? strchr(unit, toupper((unsigned char)*end)) : NULL;
	if (u) {
		shift = 10 * (int)(u - unit + 1);
		end++;
		if (*end == 'i' || *end == 'I')
			end++;
	}
	if (*end == 'B' || *end == 'b')
		end++;
	if (*end || n > UINT64_MAX >> shift)
		return err_set(E_USAGE, "'%s' is no size", text);
	*bytes = (uint64_t)n << shift;
	return 0;
}

static int set_integer(const struct opt *o, const char *text)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno)
		return err_set(E_USAGE, "--%s: '%s' is no whole number",
			       o->name, text);
	if (o->type == OPT_COUNT)
		*(size_t *)o->at = (size_t)n;
	else
		*(uint64_t *)o->at = n;
	return 0;
}

static int set_real(const struct opt *o, const char *text)
{
	double x;
	char *end;

	errno = 0;
	x = strtod(text, &end);
	if (end == text || *end || !isfinite(x))
		return err_set(E_USAGE, "--%s: '%s' is no number", o->name,
			       text);
	*(double *)o->at = x;
	return 0;
}

static int set_choice(const struct opt *o, const char *text)
{
	const char *c = o->choices;
	int i = 0;

	for (;; i += *c++ == '|') {
		size_t n = strcspn(c, "|,");

		if (strlen(text) == n && !strncmp(c, text, n)) {
			*(int *)o->at = i;
			return 0;
		}
		c += n;
		if (!*c)
			return err_set(E_USAGE, "--%s: '%s' is none of %s",
				       o->name, text, o->choices);
	}
}

static int set_list(const struct opt *o, const char *text)
{
	struct opt_list *l = o->at;
	const char **at;

	if (!o->given)
		l->n = 0; /* the default makes way */
	at = malloc((l->n + 1) * sizeof(*at));
	if (!at)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < l->n; i++)
		at[i] = l->at[i];
	at[l->n++] = text;
	if (o->given)
		free(l->at);
	l->at = at;
	return 0;
}

int opt_set(struct opt *o, const char *text)
{
	int err = 0;

	switch (o->type) {
	case OPT_FLAG:
		*(int *)o->at = strcmp(text, "false") != 0;
		break;
	case OPT_COUNT:
	case OPT_SEED:
		err = set_integer(o, text);
		break;
	case OPT_REAL:
		err = set_real(o, text);
		break;
	case OPT_BYTES:
		err = opt_bytes(o->at, text);
		if (err)
			err = err_at(err, "--%s", o->name);
		break;
	case OPT_TEXT:
		*(const char **)o->at = text;
		break;
	case OPT_CHOICE:
		err = set_choice(o, text);
		break;
	case OPT_LIST:
		err = set_list(o, text);
		break;
	}
	if (!err)
		o->given = 1;
	return err;
}

/* ---- finding a row ---- */

/* Dashes and underscores are the same in a name. */
static int same_name(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!a[i] || (a[i] != b[i] &&
			      !(a[i] == '-' && b[i] == '_')))
			return 0;
	return !a[n] || a[n] == ' ';
}

static int is_called(const struct opt *o, const char *name, size_t n)
{
	const char *a = o->alias;

	if (same_name(o->name, name, n))
		return 1;
	while (a && *a) {
		if (same_name(a, name, n))
			return 1;
		a += strcspn(a, " ");
		a += *a == ' ';
	}
	return 0;
}

/* Takes rows out of the shared table, for good. */
static void drop_unused(const struct opt_program *p)
{
	struct opt *to = p->shared;

	if (!p->without)
		return;
	for (struct opt *o = p->shared; o->name; o++) {
		const struct opt unused = { p->without, .alias = p->without };

		if (!is_called(&unused, o->name, strlen(o->name)))
			*to++ = *o;
	}
	*to = (struct opt){ 0 };
}

static struct opt *find_in(struct opt *table, const char *name, size_t n)
{
	for (; table && table->name; table++)
		if (is_called(table, name, n))
			return table;
	return NULL;
}

static struct opt *find(const struct opt_program *p, const char *name,
			size_t n)
{
	struct opt *o = find_in(p->own, name, n);

	return o ? o : find_in(p->shared, name, n);
}

struct opt *opt_find(const struct opt_program *p, const char *name)
{
	return find(p, name, strlen(name));
}

int opt_given(const struct opt_program *p, const char *name)
{
	const struct opt *o = opt_find(p, name);

	return o && o->given;
}

static struct opt *find_letter(const struct opt_program *p, char letter)
{
	struct opt *table[] = { p->own, p->shared };

	for (size_t i = 0; i < 2; i++)
		for (struct opt *o = table[i]; o && o->name; o++)
			if (o->letter == letter)
				return o;
	return NULL;
}

/* ---- the command line ---- */

/* Where the parser stands: argv[at], and in it, behind which letter. */
struct cursor {
	const struct opt_program *p;
	char **argv;
	int argc, at;
};

static int take_value(struct cursor *c, struct opt *o, const char *inline_value,
		      const char *said)
{
	const char *value = inline_value;

	if (!value) {
		if (c->at + 1 >= c->argc)
			return err_set(E_USAGE, "%s needs a value", said);
		value = c->argv[++c->at];
	}
	return opt_set(o, value);
}

static int take_long(struct cursor *c)
{
	const char *name = c->argv[c->at] + 2, *eq = strchr(name, '=');
	size_t n = eq ? (size_t)(eq - name) : strlen(name);
	struct opt *o = find(c->p, name, n);

	if (!o && !eq && !strncmp(name, "no-", 3)) {
		o = find(c->p, name + 3, n - 3);
		if (o && o->type == OPT_FLAG)
			return opt_set(o, "false");
		o = NULL;
	}
	if (!o)
		return err_set(E_USAGE, "unknown option --%.*s", (int)n, name);
	if (o->type == OPT_FLAG) {
		if (eq && strcmp(eq + 1, "true") && strcmp(eq + 1, "false"))
			return err_set(E_USAGE, "--%s takes no value", o->name);
		return opt_set(o, eq ? eq + 1 : "true");
	}
	return take_value(c, o, eq ? eq + 1 : NULL, c->argv[c->at]);
}

static int take_letters(struct cursor *c)
{
	const char *l = c->argv[c->at] + 1;

	for (; *l; l++) {
		struct opt *o = find_letter(c->p, *l);
		char said[] = { '-', *l, 0 };

		if (!o)
			return err_set(E_USAGE, "unknown option -%c", *l);
		if (o->type != OPT_FLAG)
			return take_value(c, o, l[1] ? l + 1 : NULL, said);
		TRY(opt_set(o, "true"));
	}
	return 0;
}

static int is_standing(const char *word, const char *letter, const char *name)
{
	return !strcmp(word, letter) || !strcmp(word, name);
}

/* --help and its like: prints and says so. */
static int take_standing(struct cursor *c, int *done)
{
	const char *word = c->argv[c->at];

	*done = 1;
	if (is_standing(word, "-h", "--help"))
		return opt_print_help(c->p);
	if (is_standing(word, "-V", "--version"))
		return opt_print_version(c->p);
	if (is_standing(word, "--man", "--man"))
		return opt_print_man(c->p);
	if (is_standing(word, "--completion", "--completion"))
		return opt_print_completion(c->p);
	*done = 0;
	return 0;
}

static int parse(struct cursor *c, char **operands, size_t *n, int *done)
{
	int only_operands = 0;

	for (; c->at < c->argc; c->at++) {
		char *word = c->argv[c->at];

		if (only_operands || word[0] != '-' || !word[1]) {
			operands[(*n)++] = word;
			continue;
		}
		if (!strcmp(word, "--")) {
			only_operands = 1;
			continue;
		}
		TRY(take_standing(c, done));
		if (*done)
			return 0;
		TRY(word[1] == '-' ? take_long(c) : take_letters(c));
	}
	return 0;
}

int opt_parse(const struct opt_program *p, int argc, char **argv,
	      char ***operands, size_t *noperand, int *done)
{
	static char **list; /* lives as long as the program */
	struct cursor c = { p, argv, argc, 1 };
	const struct opt *config;
	enum level level;
	const char *file;

	*done = 0;
	*noperand = 0;
	free(list);
	*operands = list = calloc((size_t)argc + 1, sizeof(**operands));
	if (!list)
		return err_set(E_NOMEM, "out of memory");
	drop_unused(p);
	TRY(parse(&c, *operands, noperand, done));
	config = opt_find(p, "config");
	if (!*done)
		TRY(level_asked(&level));
	file = config ? *(const char **)config->at : NULL;
	return *done || !file ? 0 : opt_read_config(p, file);
}
