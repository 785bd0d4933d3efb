/* Methods of texts, dicts, lists and loops, as Python has them. */
#include "formats/jinja_parts.h"

#include "formats/unicode.h"

#include <stdlib.h>

int jinja_whole(struct jcall *c, int i, int64_t none, int64_t *out)
{
	*out = none;
	if (!c->has[i] || c->arg[i].kind == J_NONE)
		return 0;
	if (c->arg[i].kind != J_INT && c->arg[i].kind != J_BOOL)
		return jrun_fail(c->r, "a whole number is wanted, not '%s'",
				 jinja_kind(&c->arg[i]));
	*out = c->arg[i].i;
	return 0;
}

static int want_text(struct jcall *c, int i)
{
	if (c->arg[i].kind != J_TEXT)
		return jrun_fail(c->r, "a text is wanted, not '%s'",
				 jinja_kind(&c->arg[i]));
	return 0;
}

static int strip(struct jcall *c, struct jval *out, int left, int right)
{
	const struct jval *set = c->has[0] && c->arg[0].kind != J_NONE ?
				 &c->arg[0] : NULL;

	if (set)
		TRY(want_text(c, 0));
	*out = jinja_strip(c->self, set, left, right);
	return jrun_step(c->r, (c->self.n - out->n) * (set ? set->n + 1 : 1));
}

static int do_strip(struct jcall *c, struct jval *out)
{
	return strip(c, out, 1, 1);
}

static int do_lstrip(struct jcall *c, struct jval *out)
{
	return strip(c, out, 1, 0);
}

static int do_rstrip(struct jcall *c, struct jval *out)
{
	return strip(c, out, 0, 1);
}

/* Bytes from at to the next s, or NULL. */
static const char *search(const char *at, size_t n, const struct jval *s)
{
	while (n >= s->n && n) {
		const char *next = memchr(at, *s->text, n - s->n + 1);

		if (!next)
			return NULL;
		if (!memcmp(next, s->text, s->n))
			return next;
		n -= (size_t)(next - at) + 1;
		at = next + 1;
	}
	return NULL;
}

/* A part of s, as safe as s is. */
static int add_part(struct jrun *r, struct jval *list, const struct jval *s,
		    const char *from, const char *to)
{
	struct jval part = jinja_text(from, (size_t)(to - from));

	part.safe = s->safe;
	return jinja_append(r, list, &part);
}

/* At blanks, which are together where they are next to each other. */
static int split_blanks(struct jrun *r, const struct jval *self, int64_t most,
			struct jval *out)
{
	for (struct jval s = jinja_strip(*self, NULL, 1, 0); s.n;) {
		size_t i = 0, k;
		uint32_t c;

		while (i < s.n && (k = unicode_get(s.text + i, s.n - i, &c),
				   !jinja_is_space(c)))
			i += k;
		if (!most--)
			return add_part(r, out, self, s.text, s.text + s.n);
		TRY(add_part(r, out, self, s.text, s.text + i));
		s = jinja_strip(jinja_text(s.text + i, s.n - i), NULL, 1, 0);
	}
	return 0;
}

static int do_split(struct jcall *c, struct jval *out)
{
	const char *at = c->self.text, *end = at + c->self.n, *next;
	int64_t most;

	TRY(jrun_step(c->r, c->self.n / 16));
	TRY(jinja_whole(c, 1, -1, &most));
	TRY(jinja_list(c->r, J_LIST, 0, out));
	if (!c->has[0] || c->arg[0].kind == J_NONE)
		return split_blanks(c->r, &c->self, most, out);
	TRY(want_text(c, 0));
	if (!c->arg[0].n)
		return jrun_fail(c->r, "empty separator");
	while (most-- && (next = search(at, (size_t)(end - at), &c->arg[0]))) {
		TRY(add_part(c->r, out, &c->self, at, next));
		at = next + c->arg[0].n;
	}
	return add_part(c->r, out, &c->self, at, end);
}

/* Where s stands last in at, or NULL. */
static const char *search_last(const char *at, size_t n, const struct jval *s)
{
	for (size_t i = n < s->n ? 0 : n - s->n + 1; i-- > 0;)
		if (!memcmp(at + i, s->text, s->n))
			return at + i;
	return NULL;
}

static int do_rsplit(struct jcall *c, struct jval *out)
{
	const char *at = c->self.text, *end = at + c->self.n, *last;
	int64_t most;

	TRY(jrun_step(c->r, c->self.n));
	TRY(jinja_whole(c, 1, -1, &most));
	if (!c->has[0] || c->arg[0].kind == J_NONE)
		return most < 0 ? do_split(c, out) :
		       jrun_fail(c->r, "rsplit at blanks with a limit is not "
				 "supported");
	TRY(want_text(c, 0));
	if (!c->arg[0].n)
		return jrun_fail(c->r, "empty separator");
	TRY(jinja_list(c->r, J_LIST, 0, out));
	while (most-- && (last = search_last(at, (size_t)(end - at),
					     &c->arg[0]))) {
		TRY(add_part(c->r, out, &c->self, last + c->arg[0].n, end));
		end = last;
	}
	TRY(add_part(c->r, out, &c->self, at, end));
	for (size_t i = 0, n = out->list->n; i < n / 2; i++) {
		struct jval v = out->list->at[i];

		out->list->at[i] = out->list->at[n - 1 - i];
		out->list->at[n - 1 - i] = v;
	}
	return 0;
}

int jinja_lines(struct jrun *r, const struct jval *s, int keep,
		struct jval *out)
{
	size_t from = 0, k, end;
	uint32_t c;

	TRY(jrun_step(r, s->n / 16));
	TRY(jinja_list(r, J_LIST, 0, out));
	for (size_t i = 0; i < s->n;) {
		k = unicode_get(s->text + i, s->n - i, &c);
		end = i;
		i += k;
		if (!((c >= '\n' && c <= '\r') || (c >= 0x1c && c <= 0x1e) ||
		      c == 0x85 || c == 0x2028 || c == 0x2029))
			continue;
		i += c == '\r' && i < s->n && s->text[i] == '\n';
		TRY(add_part(r, out, s, s->text + from, s->text +
			     (keep ? i : end)));
		from = i;
	}
	return from == s->n ? 0 : add_part(r, out, s, s->text + from,
					   s->text + s->n);
}

static int do_splitlines(struct jcall *c, struct jval *out)
{
	return jinja_lines(c->r, &c->self, c->has[0] && jinja_true(&c->arg[0]),
			   out);
}

static int has_end(const struct jval *s, const struct jval *part, int end)
{
	return s->n >= part->n &&
	       !memcmp(s->text + (end ? s->n - part->n : 0), part->text,
		       part->n);
}

/* A text, or a tuple of which one will do. */
static int ends(struct jcall *c, int end, struct jval *out)
{
	*out = jinja_bool(0);
	if (c->arg[0].kind != J_TUPLE) {
		TRY(want_text(c, 0));
		*out = jinja_bool(has_end(&c->self, &c->arg[0], end));
		return 0;
	}
	for (size_t i = 0; i < c->arg[0].list->n; i++) {
		const struct jval *one = &c->arg[0].list->at[i];

		if (one->kind != J_TEXT)
			return jrun_fail(c->r, "a text is wanted");
		out->i |= has_end(&c->self, one, end);
	}
	return 0;
}

static int do_startswith(struct jcall *c, struct jval *out)
{
	return ends(c, 0, out);
}

static int do_endswith(struct jcall *c, struct jval *out)
{
	return ends(c, 1, out);
}

static int remove_end(struct jcall *c, int end, struct jval *out)
{
	TRY(want_text(c, 0));
	*out = c->self;
	if (!has_end(&c->self, &c->arg[0], end))
		return 0;
	out->n -= c->arg[0].n;
	out->text += end ? 0 : c->arg[0].n;
	return 0;
}

static int do_removeprefix(struct jcall *c, struct jval *out)
{
	return remove_end(c, 0, out);
}

static int do_removesuffix(struct jcall *c, struct jval *out)
{
	return remove_end(c, 1, out);
}

int jinja_replace(struct jrun *r, struct jval s, struct jval from,
		  struct jval to, int64_t most, struct jval *out)
{
	const char *at = s.text, *end = at + s.n, *next;
	struct jtext t = { 0 };
	uint32_t c;

	if (s.safe || from.safe || to.safe)
		return jrun_fail(r, "replace of what 'safe' gave is not "
				 "supported");
	TRY(jrun_step(r, s.n / 16));
	while (from.n && most-- &&
	       (next = search(at, (size_t)(end - at), &from))) {
		TRY(jtext_add(r->h, &t, at, (size_t)(next - at)));
		TRY(jtext_add(r->h, &t, to.text, to.n));
		TRY(jrun_step(r, 1));
		at = next + from.n;
	}
	/* Nothing is found before, between and behind all characters. */
	while (!from.n && most--) {
		size_t k = at < end ? unicode_get(at, (size_t)(end - at), &c) :
			   0;

		TRY(jtext_add(r->h, &t, to.text, to.n));
		TRY(jtext_add(r->h, &t, at, k));
		TRY(jrun_step(r, 1));
		at += k;
		if (!k)
			break;
	}
	TRY(jtext_add(r->h, &t, at, (size_t)(end - at)));
	*out = jinja_taken(&t);
	return 0;
}

static int do_replace(struct jcall *c, struct jval *out)
{
	int64_t most;

	TRY(want_text(c, 0));
	TRY(want_text(c, 1));
	TRY(jinja_whole(c, 2, -1, &most));
	return jinja_replace(c->r, c->self, c->arg[0], c->arg[1], most, out);
}

static int place(struct jcall *c, const char *found, struct jval *out)
{
	struct jval before = jinja_text(c->self.text, found ? (size_t)(
					found - c->self.text) : 0);

	*out = jinja_int(found ? (int64_t)jinja_chars(&before) : -1);
	return jrun_step(c->r, c->self.n);
}

static int do_find(struct jcall *c, struct jval *out)
{
	TRY(want_text(c, 0));
	return place(c, c->arg[0].n ? search(c->self.text, c->self.n,
					     &c->arg[0]) : c->self.text, out);
}

static int do_rfind(struct jcall *c, struct jval *out)
{
	TRY(want_text(c, 0));
	return place(c, search_last(c->self.text, c->self.n, &c->arg[0]), out);
}

static int do_index(struct jcall *c, struct jval *out)
{
	TRY(do_find(c, out));
	return out->i < 0 ? jrun_fail(c->r, "substring not found") : 0;
}

static int do_count(struct jcall *c, struct jval *out)
{
	const char *at = c->self.text, *end = at + c->self.n, *next;

	TRY(want_text(c, 0));
	*out = jinja_int(0);
	if (!c->arg[0].n)
		*out = jinja_int((int64_t)jinja_chars(&c->self) + 1);
	while (c->arg[0].n && (next = search(at, (size_t)(end - at),
					     &c->arg[0]))) {
		out->i++;
		at = next + c->arg[0].n;
	}
	return jrun_step(c->r, c->self.n / 16);
}

static int do_join(struct jcall *c, struct jval *out)
{
	struct jtext t = { 0 };
	struct jlist *items;

	TRY(jinja_items(c->r, &c->arg[0], &items));
	for (size_t i = 0; i < items->n; i++) {
		if (items->at[i].kind != J_TEXT)
			return jrun_fail(c->r, "sequence item %zu: expected "
					 "str instance, %s found", i,
					 jinja_kind(&items->at[i]));
		if (i)
			TRY(jinja_print(c->r, &t, &c->self));
		TRY(jinja_print(c->r, &t, &items->at[i]));
	}
	*out = jinja_taken(&t);
	return 0;
}

/* clang-format off */
const struct jrow jinja_text_methods[] = {
	{ "capitalize", jinja_do_capitalize, "" },
	{ "center", jinja_do_center, "width fill?" },
	{ "count", do_count, "sub" },
	{ "endswith", do_endswith, "suffix" },
	{ "find", do_find, "sub" },
	{ "index", do_index, "sub" },
	{ "isalnum", jinja_do_isalnum, "" },
	{ "isalpha", jinja_do_isalpha, "" },
	{ "isdigit", jinja_do_isdigit, "" },
	{ "islower", jinja_do_islower, "" },
	{ "isspace", jinja_do_isspace, "" },
	{ "isupper", jinja_do_isupper, "" },
	{ "join", do_join, "iterable" },
	{ "ljust", jinja_do_ljust, "width fill?" },
	{ "lower", jinja_do_lower, "" },
	{ "lstrip", do_lstrip, "chars?" },
	{ "removeprefix", do_removeprefix, "prefix" },
	{ "removesuffix", do_removesuffix, "suffix" },
	{ "replace", do_replace, "old new count?" },
	{ "rfind", do_rfind, "sub" },
	{ "rjust", jinja_do_rjust, "width fill?" },
	{ "rsplit", do_rsplit, "sep? maxsplit?" },
	{ "rstrip", do_rstrip, "chars?" },
	{ "split", do_split, "sep? maxsplit?" },
	{ "splitlines", do_splitlines, "keepends?" },
	{ "startswith", do_startswith, "prefix" },
	{ "strip", do_strip, "chars?" },
	{ "title", jinja_do_title, "" },
	{ "upper", jinja_do_upper, "" },
	{ NULL }
};
/* clang-format on */
