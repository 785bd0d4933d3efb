/* Texts as a whole: case, width, what kind of characters they are of. */
#include "formats/jinja_parts.h"

#include "formats/unicode.h"

typedef int case_fn(struct jheap *h, struct jtext *t, const char *s, size_t n);

static int changed(struct jcall *c, case_fn *change, struct jval *out)
{
	struct jtext t = { 0 };
	struct jval s;

	TRY(jinja_str(c->r, &c->self, &s));
	TRY(jrun_step(c->r, s.n / 8));
	TRY(change(c->r->h, &t, s.text, s.n));
	*out = jinja_taken(&t);
	out->safe = s.safe;
	return 0;
}

int jinja_do_upper(struct jcall *c, struct jval *out)
{
	return changed(c, jinja_upper, out);
}

int jinja_do_lower(struct jcall *c, struct jval *out)
{
	return changed(c, jinja_lower, out);
}

int jinja_do_capitalize(struct jcall *c, struct jval *out)
{
	return changed(c, jinja_title, out);
}

int jinja_do_title(struct jcall *c, struct jval *out)
{
	return changed(c, jinja_titles, out);
}

static int pad(struct jcall *c, int left, int right, struct jval *out)
{
	struct jval fill = jinja_string(" "), s;
	struct jtext t = { 0 };
	int64_t width, n, before;

	TRY(jinja_whole(c, 0, 80, &width));
	TRY(jinja_str(c->r, &c->self, &s));
	if (c->has[1])
		fill = c->arg[1];
	if (fill.kind != J_TEXT || jinja_chars(&fill) != 1)
		return jrun_fail(c->r, "a fill is one character");
	n = width - (int64_t)jinja_chars(&s);
	n = n < 0 ? 0 : n;
	before = !left ? 0 : !right ? n : n / 2 + (n & width & 1);
	for (int64_t i = 0; i < before; i++)
		TRY(jinja_print(c->r, &t, &fill));
	TRY(jinja_print(c->r, &t, &s));
	for (int64_t i = before; i < n; i++)
		TRY(jinja_print(c->r, &t, &fill));
	*out = jinja_taken(&t);
	return jrun_step(c->r, (size_t)n / 16);
}

int jinja_do_center(struct jcall *c, struct jval *out)
{
	return pad(c, 1, 1, out);
}

int jinja_do_ljust(struct jcall *c, struct jval *out)
{
	return pad(c, 0, 1, out);
}

int jinja_do_rjust(struct jcall *c, struct jval *out)
{
	return pad(c, 1, 0, out);
}

static int all(struct jcall *c, int (*is)(uint32_t c), struct jval *out)
{
	uint32_t one;

	*out = jinja_bool(c->self.n != 0);
	for (size_t i = 0; i < c->self.n && out->i;) {
		i += unicode_get(c->self.text + i, c->self.n - i, &one);
		*out = jinja_bool(is(one));
	}
	return jrun_step(c->r, c->self.n / 16);
}

/* Superscripts and circled digits are digits too. */
static int is_digit(uint32_t c)
{
	return unicode_is_digit(c) || c == 0xb2 || c == 0xb3 || c == 0xb9 ||
	       c == 0x2070 || (c >= 0x2074 && c <= 0x2079) ||
	       (c >= 0x2080 && c <= 0x2089) || (c >= 0x2460 && c <= 0x2468);
}

static int is_alnum(uint32_t c)
{
	return unicode_is_letter(c) || unicode_is_number(c);
}

int jinja_do_isalnum(struct jcall *c, struct jval *out)
{
	return all(c, is_alnum, out);
}

int jinja_do_isalpha(struct jcall *c, struct jval *out)
{
	return all(c, unicode_is_letter, out);
}

int jinja_do_isdigit(struct jcall *c, struct jval *out)
{
	return all(c, is_digit, out);
}

int jinja_do_isspace(struct jcall *c, struct jval *out)
{
	return all(c, jinja_is_space, out);
}

/* Something is cased, and nothing of the other case. */
static int cased(struct jcall *c, size_t (*other)(uint32_t c, uint32_t to[4]),
		 struct jval *out)
{
	uint32_t one, to[4];
	int any = 0, wrong = 0;

	for (size_t i = 0; i < c->self.n;) {
		i += unicode_get(c->self.text + i, c->self.n - i, &one);
		any |= unicode_is_cased(one);
		wrong |= unicode_is_cased(one) &&
			 (other(one, to) != 1 || to[0] != one);
	}
	*out = jinja_bool(any && !wrong);
	return jrun_step(c->r, c->self.n / 16);
}

int jinja_do_islower(struct jcall *c, struct jval *out)
{
	return cased(c, unicode_to_lower, out);
}

int jinja_do_isupper(struct jcall *c, struct jval *out)
{
	return cased(c, unicode_to_upper, out);
}
