/* Arithmetic and comparisons, as Python's. Whole numbers have 64 bits. */
#include "formats/jinja_parts.h"

#include <math.h>
#include <stdlib.h>

static int unfit(struct jrun *r, const char *op, const struct jval *a,
		 const struct jval *b)
{
	const struct jval *u = a->kind == J_UNDEFINED ? a : b;

	if (u->kind == J_UNDEFINED)
		return jrun_fail(r, "'%.*s' is undefined", (int)u->n,
				 u->text ? u->text : "");
	return jrun_fail(r, "unsupported operand types for %s: '%s' and '%s'",
			 op, jinja_kind(a), jinja_kind(b));
}

static double real(const struct jval *v)
{
	return v->kind == J_REAL ? v->x : (double)v->i;
}

static int are_numbers(const struct jval *a, const struct jval *b)
{
	return jinja_is_number(a) && jinja_is_number(b);
}

static int are_whole(const struct jval *a, const struct jval *b)
{
	return a->kind != J_REAL && b->kind != J_REAL;
}

static int whole(struct jrun *r, int overflow, int64_t i, struct jval *out)
{
	if (overflow)
		return jrun_fail(r, "a number is too large");
	*out = jinja_int(i);
	return 0;
}

int jinja_escape(struct jrun *r, const struct jval *v, struct jval *out)
{
	static const char from[] = "&<>'\"";
	static const char *const to[] = { "&amp;", "&lt;", "&gt;", "&#39;",
					  "&#34;" };
	struct jtext t = { 0 };
	struct jval s;

	TRY(jinja_str(r, v, &s));
	for (size_t i = 0; i < s.n && !s.safe; i++) {
		const char *known = s.text[i] ? strchr(from, s.text[i]) : NULL;

		if (known)
			TRY(jtext_adds(r->h, &t, to[known - from]));
		else
			TRY(jtext_add(r->h, &t, s.text + i, 1));
	}
	*out = s.safe ? s : jinja_taken(&t);
	out->safe = 1;
	return jrun_step(r, s.n);
}

/* Appends in place where a is what was joined last. */
int jinja_join(struct jrun *r, struct jval a, struct jval b, struct jval *out)
{
	TRY(jrun_step(r, b.n / 64));
	if (!a.n || !b.n) {
		*out = a.n ? a : b;
		return 0;
	}
	if (a.text != r->tail.at || a.n != r->tail.n) {
		TRY(jrun_step(r, a.n / 64));
		r->tail = (struct jtext){ 0 };
		TRY(jtext_add(r->h, &r->tail, a.text, a.n));
	}
	TRY(jtext_add(r->h, &r->tail, b.text, b.n));
	*out = jinja_taken(&r->tail);
	return 0;
}

static int add_lists(struct jrun *r, const struct jval *a,
		     const struct jval *b, struct jval *out)
{
	struct jval sum;

	TRY(jinja_list(r, a->kind, a->list->n + b->list->n, &sum));
	for (size_t i = 0; i < a->list->n; i++)
		TRY(jinja_append(r, &sum, &a->list->at[i]));
	for (size_t i = 0; i < b->list->n; i++)
		TRY(jinja_append(r, &sum, &b->list->at[i]));
	*out = sum;
	return 0;
}

int jinja_add(struct jrun *r, const struct jval *a, const struct jval *b,
	      struct jval *out)
{
	struct jval x, y;
	int64_t i = 0;

	if (a->kind == J_TEXT && b->kind == J_TEXT) {
		int safe = a->safe || b->safe;

		x = *a;
		y = *b;
		if (safe)
			TRY(jinja_escape(r, a, &x));
		if (safe)
			TRY(jinja_escape(r, b, &y));
		TRY(jinja_join(r, x, y, out));
		out->safe = safe;
		return 0;
	}
	if (a->kind == b->kind && (a->kind == J_LIST || a->kind == J_TUPLE))
		return add_lists(r, a, b, out);
	if (!are_numbers(a, b))
		return unfit(r, "+", a, b);
	if (are_whole(a, b)) {
		int over = __builtin_add_overflow(a->i, b->i, &i);

		return whole(r, over, i, out);
	}
	*out = jinja_real(real(a) + real(b));
	return 0;
}

static int subtract(struct jrun *r, const struct jval *a, const struct jval *b,
		    struct jval *out)
{
	int64_t i = 0;

	if (!are_numbers(a, b))
		return unfit(r, "-", a, b);
	if (are_whole(a, b)) {
		int over = __builtin_sub_overflow(a->i, b->i, &i);

		return whole(r, over, i, out);
	}
	*out = jinja_real(real(a) - real(b));
	return 0;
}

static int repeat(struct jrun *r, const struct jval *v, int64_t times,
		  struct jval *out)
{
	struct jtext t = { 0 };
	struct jval list = { 0 };

	if (v->kind != J_TEXT)
		TRY(jinja_list(r, v->kind, 0, &list));
	for (int64_t k = 0; k < times; k++) {
		if (v->kind == J_TEXT) {
			TRY(jrun_step(r, 1));
			TRY(jtext_add(r->h, &t, v->text, v->n));
			continue;
		}
		TRY(jrun_step(r, 1));
		for (size_t i = 0; i < v->list->n; i++)
			TRY(jinja_append(r, &list, &v->list->at[i]));
	}
	*out = v->kind == J_TEXT ? jinja_taken(&t) : list;
	return 0;
}

static int can_repeat(const struct jval *v)
{
	return (v->kind == J_TEXT && !v->safe) || v->kind == J_LIST ||
	       v->kind == J_TUPLE;
}

static int multiply(struct jrun *r, const struct jval *a, const struct jval *b,
		    struct jval *out)
{
	int64_t i = 0;

	if (can_repeat(a) && (b->kind == J_INT || b->kind == J_BOOL))
		return repeat(r, a, b->i, out);
	if (can_repeat(b) && (a->kind == J_INT || a->kind == J_BOOL))
		return repeat(r, b, a->i, out);
	if (!are_numbers(a, b))
		return unfit(r, "*", a, b);
	if (are_whole(a, b)) {
		int over = __builtin_mul_overflow(a->i, b->i, &i);

		return whole(r, over, i, out);
	}
	*out = jinja_real(real(a) * real(b));
	return 0;
}

static int can_divide(struct jrun *r, const char *op, const struct jval *a,
		      const struct jval *b)
{
	if (!are_numbers(a, b))
		return unfit(r, op, a, b);
	if (real(b) == 0)
		return jrun_fail(r, "division by zero");
	if (are_whole(a, b) && a->i == INT64_MIN && b->i == -1)
		return jrun_fail(r, "a number is too large");
	return 0;
}

static int divide(struct jrun *r, const struct jval *a, const struct jval *b,
		  struct jval *out)
{
	TRY(can_divide(r, "/", a, b));
	*out = jinja_real(real(a) / real(b));
	return 0;
}

/* Rounds down; the remainder has the divisor's sign. */
static double real_mod(double a, double b)
{
	double mod = fmod(a, b);

	if (mod == 0)
		return copysign(0, b);
	return (mod < 0) != (b < 0) ? mod + b : mod;
}

static int modulo(struct jrun *r, const struct jval *a, const struct jval *b,
		  struct jval *out)
{
	int64_t m;

	if (a->kind == J_TEXT)
		return jinja_format(r, a, b, out);
	TRY(can_divide(r, "%", a, b));
	if (!are_whole(a, b)) {
		*out = jinja_real(real_mod(real(a), real(b)));
		return 0;
	}
	m = a->i % b->i;
	*out = jinja_int(m && (m < 0) != (b->i < 0) ? m + b->i : m);
	return 0;
}

static int floor_divide(struct jrun *r, const struct jval *a,
			const struct jval *b, struct jval *out)
{
	int64_t q;
	double div;

	TRY(can_divide(r, "//", a, b));
	if (!are_whole(a, b)) {
		double x = real(a), y = real(b), mod = fmod(x, y);

		div = (x - mod) / y;
		if (mod != 0 && (mod < 0) != (y < 0))
			div -= 1;
		if (div == 0)
			div = copysign(0, x / y);
		else
			div = floor(div) + (div - floor(div) > 0.5);
		*out = jinja_real(div);
		return 0;
	}
	q = a->i / b->i;
	*out = jinja_int(q - (a->i % b->i && (a->i < 0) != (b->i < 0)));
	return 0;
}

static int power(struct jrun *r, const struct jval *a, const struct jval *b,
		 struct jval *out)
{
	int64_t i = 1;
	int over = 0;

	if (!are_numbers(a, b))
		return unfit(r, "**", a, b);
	if (!are_whole(a, b) || b->i < 0)
		return jrun_fail(r, "'**' is supported for whole numbers only");
	for (int64_t k = 0; k < b->i && !over && a->i != 1; k++) {
		over = __builtin_mul_overflow(i, a->i, &i);
		TRY(jrun_step(r, 1));
	}
	return whole(r, over, i, out);
}

#define ORDER(name, is)                                                   \
	static int name(struct jrun *r, const struct jval *a,             \
			const struct jval *b, struct jval *out)           \
	{                                                                 \
		int order = 0;                                            \
									  \
		TRY(jinja_order(r, a, b, &order));                        \
		*out = jinja_bool(order is 0);                            \
		return 0;                                                 \
	}

ORDER(less, <)
ORDER(less_equal, <=)
ORDER(more, >)
ORDER(more_equal, >=)

static int equal(struct jrun *r, const struct jval *a, const struct jval *b,
		 struct jval *out)
{
	*out = jinja_bool(jinja_equal(r, a, b));
	return jrun_step(r, a->kind == J_TEXT ? a->n / 64 : 1);
}

static int not_equal(struct jrun *r, const struct jval *a,
		     const struct jval *b, struct jval *out)
{
	TRY(equal(r, a, b, out));
	*out = jinja_bool(!out->i);
	return 0;
}

const struct jop jinja_sums[] = { { "+", jinja_add }, { "-", subtract },
				  { NULL } };
const struct jop jinja_products[] = {
	{ "*", multiply }, { "/", divide }, { "//", floor_divide },
	{ "%", modulo }, { NULL },
};
const struct jop jinja_comparisons[] = {
	{ "==", equal }, { "!=", not_equal }, { "<", less },
	{ "<=", less_equal }, { ">", more }, { ">=", more_equal }, { NULL },
};
const struct jop jinja_power = { "**", power };

const struct jop *jinja_op(const struct jop *ops, const struct jtoken *t)
{
	if (t->kind != JT_OP)
		return NULL;
	for (; ops->name; ops++)
		if (strlen(ops->name) == t->n &&
		    !memcmp(ops->name, t->text, t->n))
			return ops;
	return NULL;
}
