/* Filters: what of an answer is compared. Their names and their ways are
 * lm-evaluation-harness'. */
#include <stdlib.h>
#include <string.h>

#include "infer/task_file.h"

/* A step: replaces *text by what it makes of it. */
struct step_kind {
	const char *name;
	int (*run)(const struct task_run *r, json_t *step, struct regex *re,
		   char **text);
};

static int same(const struct task_run *r, json_t *step, struct regex *re,
		char **text)
{
	(void)r;
	(void)step;
	(void)re;
	(void)text;
	return 0;
}

static int strip_left(const struct task_run *r, json_t *step, struct regex *re,
		      char **text)
{
	size_t n = strspn(*text, " \t\r\n\v\f");

	(void)r;
	(void)step;
	(void)re;
	memmove(*text, *text + n, strlen(*text + n) + 1);
	return 0;
}

static int lower(const struct task_run *r, json_t *step, struct regex *re,
		 char **text)
{
	char *out;

	(void)step;
	(void)re;
	TRY(r->text->lower(r->text->ctx, *text, &out));
	free(*text);
	*text = out;
	return 0;
}

/* What Python's findall() gives for the match that was found last: the match,
 * or its group, or the first of its groups that took something. */
static void taken(const struct regex *re, size_t *start, size_t *end)
{
	size_t n = regex_groups(re), s, e;
	int took;

	if (!n)
		return;
	*start = *end = 0;
	for (size_t i = 1; i <= n; i++) {
		regex_group(re, i, &took, &s, &e);
		if (took && s < e) {
			*start = s;
			*end = e;
			return;
		}
	}
}

static void strip(const char *text, size_t *start, size_t *end)
{
	static const char space[] = " \t\r\n\v\f";

	while (*start < *end && strchr(space, text[*start]))
		++*start;
	while (*end > *start && strchr(space, text[*end - 1]))
		--*end;
}

/* Match number which (-1: the last) of all; *found 0: there is none. */
static int pick(struct regex *re, const char *text, long which, int *found,
		size_t *start, size_t *end)
{
	size_t size = strlen(text), from = 0, s, e;
	int more;

	*found = 0;
	for (long i = 0; from <= size; i++) {
		TRY(regex_search(re, text, size, from, &more, &s, &e));
		if (!more)
			break;
		from = e > s ? e : e + 1;
		while (from < size && (text[from] & 0xc0) == 0x80)
			from++;
		taken(re, &s, &e);
		*start = s;
		*end = e;
		*found = which < 0 || i == which;
		if (i == which)
			break;
	}
	return 0;
}

static int regex(const struct task_run *r, json_t *step, struct regex *re,
		 char **text)
{
	const char *none = json_text(step, "fallback", "[invalid]");
	size_t start = 0, end = 0;
	char *out;
	int found;

	(void)r;
	TRY(pick(re, *text, (long)json_number(step, "group_select", 0),
		 &found, &start, &end));
	if (found && regex_groups(re) > 1 && start == end)
		found = 0;
	strip(*text, &start, &end);
	out = found ? strndup(*text + start, end - start) : strdup(none);
	if (!out)
		return err_set(E_NOMEM, "out of memory");
	free(*text);
	*text = out;
	return 0;
}

/* clang-format off */
static const struct step_kind kinds[] = {
	{ "regex",             regex },
	{ "remove_whitespace", strip_left },
	{ "lowercase",         lower },
	{ "take_first",        same },  /* there is one answer */
	{ NULL, NULL }
};
/* clang-format on */

static const struct step_kind *kind_of(json_t *step)
{
	const char *name = json_text(step, "function", "");
	const struct step_kind *k = kinds;

	while (k->name && strcmp(k->name, name))
		k++;
	return k->name ? k : NULL;
}

int task_filter_read(struct task_filter *f, json_t *spec)
{
	json_t *step;
	size_t i;

	f->name = json_text(spec, "name", NULL);
	f->step = json_object_get(spec, "filter");
	if (!f->name || !json_is_array(f->step) ||
	    json_array_size(f->step) > TASK_PATTERNS)
		return err_set(E_DATA, "filter_list: want {\"name\", "
			       "\"filter\": [...]} of at most %d steps",
			       TASK_PATTERNS);
	json_array_foreach(f->step, i, step) {
		const char *pattern = json_text(step, "regex_pattern",
						"#### (\\-?[0-9\\.\\,]+)");

		if (!kind_of(step))
			return err_set(E_DATA, "filter %s: '%s' is not known",
				       f->name, json_text(step, "function",
							  ""));
		if (kind_of(step)->run == regex)
			TRY(regex_new(&f->re[i], pattern, strlen(pattern),
				      E_DATA));
	}
	return 0;
}

int task_filtered(const struct task_run *r, const struct task_filter *f,
		  const char *answer, char **out)
{
	json_t *step;
	size_t i;
	int err = 0;

	*out = strdup(answer);
	if (!*out)
		return err_set(E_NOMEM, "out of memory");
	json_array_foreach(f->step, i, step)
		if (!err)
			err = kind_of(step)->run(r, step, f->re[i], out);
	if (err) {
		free(*out);
		*out = NULL;
	}
	return err;
}
