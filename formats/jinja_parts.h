/*
 * jinja_parts - what the interpreter is put together from
 *
 * jinja_lex.c makes tokens of a template; jinja_parse.c (statements),
 * jinja_expr.c (operators) and jinja_operand.c make nodes of them; a node
 * points to the function that runs it, in jinja_run.c and jinja_eval.c.
 * Everything lives in a heap that is freed at once: the template's in one, a
 * rendering's in another.
 */
#ifndef FORMATS_JINJA_PARTS_H
#define FORMATS_JINJA_PARTS_H

#include "formats/jinja.h"

#include <stdint.h>
#include <string.h>

/* ---- memory: jinja_heap.c ---- */

struct jblock;

struct jheap {
	struct jblock *first;
	size_t total, most;     /* bytes; more than most is refused */
};

/* Zeroed. E_DATA beyond most, E_NOMEM. */
int jheap_get(struct jheap *h, void *at, size_t size) MUST_CHECK;
/* Room for n more bytes (size each) in *at, which grows in place where it is
 * the last that was got. */
int jheap_grow(struct jheap *h, void *at, size_t n, size_t *room,
	       size_t size) MUST_CHECK;
/* Empties h but keeps its largest block. */
void jheap_reset(struct jheap *h);
void jheap_release(struct jheap *h);

/* Text that grows in a heap. */
struct jtext {
	char *at;
	size_t n, room;
};

int jtext_add(struct jheap *h, struct jtext *t, const char *from,
	      size_t n) MUST_CHECK;
int jtext_adds(struct jheap *h, struct jtext *t, const char *s) MUST_CHECK;

/* ---- values: jinja_value.c ---- */

enum jkind {
	J_UNDEFINED, J_NONE, J_BOOL, J_INT, J_REAL, J_TEXT, J_LIST, J_TUPLE,
	J_RANGE,        /* a list that remembers its bounds */
	J_VIEW,         /* dict.items() and the like */
	J_ITER,         /* a generator: can be gone through once */
	J_DICT, J_NAMESPACE, J_LOOP, J_MACRO, J_METHOD, J_FUNCTION,
};

struct jval {
	enum jkind kind;
	int safe;       /* J_TEXT: what the filter safe gave */
	size_t n;       /* bytes of text; of an undefined's name */
	union {
		int64_t i;      /* J_BOOL too */
		double x;
		const char *text;
		struct jlist *list;
		struct jdict *dict;
		struct jmacro *macro;
		struct jloop *loop;
		struct jbound *bound;
		const struct jrow *row;
	};
};

struct jlist {
	struct jval *at;
	size_t n, room;
	size_t taken;           /* J_ITER: gone through */
	const char *name;       /* J_VIEW: dict_items */
	int64_t start, stop, step; /* J_RANGE */
};

struct jdict {
	struct jpair {
		struct jval key, value;
	} *at;
	size_t n, room;
};

/* A method with what it is a method of. */
struct jbound {
	struct jval self;
	const struct jrow *row;
};

struct jrun;
struct jcall;

struct jval jinja_bool(int yes);
struct jval jinja_int(int64_t i);
struct jval jinja_real(double x);
struct jval jinja_text(const char *text, size_t n);
struct jval jinja_string(const char *text);
struct jval jinja_taken(const struct jtext *t);
struct jval jinja_undefined(const char *name, size_t n);
/* A new list of that kind with room for n. */
int jinja_list(struct jrun *r, enum jkind kind, size_t n,
	       struct jval *out) MUST_CHECK;
int jinja_append(struct jrun *r, struct jval *list,
		 const struct jval *v) MUST_CHECK;
int jinja_dict(struct jrun *r, struct jval *out) MUST_CHECK;
/* Fails of a list or a dict, and of a tuple that holds one. */
int jinja_hashable(struct jrun *r, const struct jval *v) MUST_CHECK;
int jinja_put(struct jrun *r, struct jdict *d, const struct jval *key,
	      const struct jval *v) MUST_CHECK;
/* NULL: not there. */
struct jval *jinja_find(struct jrun *r, const struct jdict *d,
			const struct jval *key);
int jinja_from_json(struct jrun *r, json_t *json, struct jval *out) MUST_CHECK;

int jinja_is(const struct jval *v, const char *text);
int jinja_is_sequence(const struct jval *v);    /* list, tuple, range, view */
int jinja_is_number(const struct jval *v);      /* bool too */
const char *jinja_kind(const struct jval *v);   /* Python's name of it */
int jinja_true(const struct jval *v);
/* What is nested too deeply is not equal, and uses up all steps. */
int jinja_equal(struct jrun *r, const struct jval *a, const struct jval *b);
/* -1, 0, 1. E_DATA: these are not ordered. */
int jinja_order(struct jrun *r, const struct jval *a, const struct jval *b,
		int *order) MUST_CHECK;
/* What a loop over v goes through. */
int jinja_items(struct jrun *r, const struct jval *v,
		struct jlist **items) MUST_CHECK;
int jinja_length(struct jrun *r, const struct jval *v, size_t *n) MUST_CHECK;

/* ---- texts of values: jinja_print.c, jinja_json.c ---- */

/* str(v) and repr(v). */
int jinja_print(struct jrun *r, struct jtext *t,
		const struct jval *v) MUST_CHECK;
int jinja_repr(struct jrun *r, struct jtext *t,
	       const struct jval *v) MUST_CHECK;
int jinja_print_real(struct jrun *r, struct jtext *t, double x) MUST_CHECK;
int jinja_quote(struct jrun *r, struct jtext *t, const struct jval *s,
		int ascii) MUST_CHECK;          /* as JSON has it */
int jinja_tojson(struct jcall *c, struct jval *out) MUST_CHECK;
/* str(v) as a value; v itself where it is a text. */
int jinja_str(struct jrun *r, const struct jval *v,
	      struct jval *out) MUST_CHECK;

/* ---- characters: jinja_case.c ---- */

size_t jinja_chars(const struct jval *text);
int jinja_is_space(uint32_t c);         /* as str.isspace() has it */
/* Without blanks (or characters of set) at the left, right. */
struct jval jinja_strip(struct jval s, const struct jval *set, int left,
			int right);
int jinja_upper(struct jheap *h, struct jtext *t, const char *s,
		size_t n) MUST_CHECK;
int jinja_lower(struct jheap *h, struct jtext *t, const char *s,
		size_t n) MUST_CHECK;
/* The first character as a title begins, the others lower. */
int jinja_title(struct jheap *h, struct jtext *t, const char *s,
		size_t n) MUST_CHECK;

/* Each word so, as str.title() has it. */
int jinja_titles(struct jheap *h, struct jtext *t, const char *s,
		 size_t n) MUST_CHECK;

/* ---- built in: a row and a function ---- */

enum { JINJA_ARGS = 6 };

struct jcall {
	struct jrun *r;
	struct jval self;       /* of a filter, test or method */
	struct jval arg[JINJA_ARGS];
	int has[JINJA_ARGS];
	/* As they were given, for rows with "*". */
	const struct jlist *args;
	const struct jdict *named;
};

typedef int jcall_fn(struct jcall *c, struct jval *out);

struct jrow {
	const char *name;
	jcall_fn *fn;
	const char *params;     /* "width first? blank?"; "*": any */
};

extern const struct jrow jinja_text_filters[], jinja_list_filters[],
	jinja_tests[], jinja_globals[], jinja_text_methods[],
	jinja_dict_methods[], jinja_list_methods[], jinja_loop_methods[];

/* NULL: none of that name. */
const struct jrow *jinja_row(const struct jrow *rows, const char *name,
			     size_t n);
const struct jrow *jinja_filter(const char *name, size_t n);
const struct jrow *jinja_method(const struct jval *v, const char *name,
				size_t n);
/* Binds args and named to the row's parameters and calls it. */
int jinja_call(struct jrun *r, const struct jrow *row, const struct jval *self,
	       const struct jlist *args, const struct jdict *named,
	       struct jval *out) MUST_CHECK;
/* What methods and filters share. */
jcall_fn jinja_do_upper, jinja_do_lower, jinja_do_capitalize, jinja_do_title,
	jinja_do_center, jinja_do_ljust, jinja_do_rjust, jinja_do_isalnum,
	jinja_do_isalpha, jinja_do_isdigit, jinja_do_islower, jinja_do_isspace,
	jinja_do_isupper, jinja_do_items, jinja_do_sort, jinja_do_dictsort,
	jinja_do_max, jinja_do_min, jinja_do_unique;
int jinja_replace(struct jrun *r, struct jval s, struct jval from,
		  struct jval to, int64_t most, struct jval *out) MUST_CHECK;
/* Lines; keep: with their ends. */
int jinja_lines(struct jrun *r, const struct jval *s, int keep,
		struct jval *out) MUST_CHECK;
/* The argument, or the default where it was not given; E_DATA: no number. */
int jinja_whole(struct jcall *c, int i, int64_t none, int64_t *out) MUST_CHECK;
/* x.a.b.0, as attribute= has it. */
int jinja_path(struct jrun *r, const struct jval *v, const struct jval *path,
	       struct jval *out) MUST_CHECK;
int jinja_format(struct jrun *r, const struct jval *format,
		 const struct jval *args, struct jval *out) MUST_CHECK;

/* ---- tokens: jinja_lex.c ---- */

enum jtoken_kind {
	JT_END, JT_DATA, JT_BLOCK, JT_BLOCK_END, JT_PRINT, JT_PRINT_END,
	JT_NAME, JT_TEXT, JT_INT, JT_REAL, JT_OP,
};

struct jtoken {
	enum jtoken_kind kind;
	unsigned line;
	const char *text;
	size_t n;
	int64_t i;
	double x;
};

struct jtokens {
	struct jtoken *at;
	size_t n, room;
};

/* Tokens point into text, which must stay (or into the heap). */
int jinja_lex(struct jheap *h, const char *text, size_t size,
	      struct jtokens *out) MUST_CHECK;
/* What the escapes in a string stand for. */
int jinja_unescape(struct jheap *h, struct jtoken *t) MUST_CHECK;

/* ---- nodes: jinja_tuple.c, jinja_operand.c, jinja_expr.c,
 * jinja_parse.c ---- */

struct jnode;
typedef int jeval(struct jrun *r, const struct jnode *n, struct jval *out);
typedef int jexec(struct jrun *r, const struct jnode *n);

struct jnode {
	jeval *eval;            /* an expression, */
	jexec *exec;            /* or a statement */
	unsigned line;
	struct jnode *a, *b, *c, *d, *e; /* as eval and exec say */
	struct jnode *next;     /* in a list */
	struct jval value;      /* a constant; a name */
	const void *row;        /* of a table */
	int flag;
};

enum { JUSES_CALLER = 1, JUSES_VARARGS = 2, JUSES_KWARGS = 4 };

struct jparse {
	struct jheap *h;
	struct jtoken *t;       /* the next token */
	int depth, loops;
	int uses;               /* what the macro that is read uses: */
};

int jinja_fail(unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int jparse_node(struct jparse *p, struct jnode **n) MUST_CHECK;
int jparse_new(struct jparse *p, jeval *eval, struct jnode **n) MUST_CHECK;
int jparse_is(const struct jparse *p, const char *op);
int jparse_is_name(const struct jparse *p, const char *name);
int jparse_want(struct jparse *p, const char *op) MUST_CHECK;
int jparse_deeper(struct jparse *p) MUST_CHECK;
int jparse_unexpected(const struct jparse *p, const char *wanted);

/* filters: those behind it too. */
int jparse_unary(struct jparse *p, int filters, struct jnode **n) MUST_CHECK;
/* plain: without "a if b else c". */
int jparse_expr(struct jparse *p, int plain, struct jnode **n) MUST_CHECK;
/* One, or a tuple without parentheses. */
int jparse_tuple(struct jparse *p, int plain, struct jnode **n) MUST_CHECK;
int jparse_args(struct jparse *p, struct jnode *call) MUST_CHECK;
int jparse_filter(struct jparse *p, struct jnode **n) MUST_CHECK;
int jparse_name(struct jparse *p, struct jnode **n) MUST_CHECK;
/* The statements up to one of the names in ends ("endif elif"), which is the
 * next token then. */
int jparse_body(struct jparse *p, const char *ends,
		struct jnode **n) MUST_CHECK;

jeval jeval_const, jeval_name, jeval_list, jeval_tuple, jeval_dict,
	jeval_attr, jeval_item, jeval_slice, jeval_call, jeval_filter,
	jeval_test, jeval_not, jeval_and, jeval_or, jeval_if, jeval_unary,
	jeval_binary, jeval_join, jeval_compare;
jexec jexec_data, jexec_print, jexec_if, jexec_for, jexec_set,
	jexec_set_block, jexec_macro, jexec_call, jexec_filter, jexec_with,
	jexec_scope, jexec_break, jexec_continue;

/* ---- running: jinja_run.c ---- */

struct jname {
	struct jname *next;
	const char *name;
	size_t n;
	struct jval value;
};

struct jscope {
	struct jscope *up;
	struct jname *first;
	struct jname *spare;    /* of a loop's earlier rounds */
};

struct jmacro {
	const struct jnode *node;       /* NULL: what a call block holds */
	struct jscope *scope;
};

struct jloop {
	struct jlist *items;
	size_t at, depth;
	struct jval last;               /* of changed() */
	int asked;
};

struct jrun {
	struct jheap *h;
	struct jscope *scope;
	struct jtext *out;
	struct jtext tail;      /* of jinja_join(): grows in place */
	unsigned line;          /* of what runs */
	int depth, loops;
	size_t steps, most;
	enum { GO, BREAK, CONTINUE } go;
};

int jrun_fail(struct jrun *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* n steps more. */
int jrun_step(struct jrun *r, size_t n) MUST_CHECK;
int jrun_eval(struct jrun *r, const struct jnode *n,
	      struct jval *out) MUST_CHECK;
int jrun_body(struct jrun *r, const struct jnode *n) MUST_CHECK;
int jrun_bind(struct jrun *r, struct jscope *s, const struct jval *name,
	      const struct jval *v) MUST_CHECK;
struct jval *jrun_find(struct jrun *r, const char *name, size_t n);
/* Calls any value that can be. */
int jrun_call(struct jrun *r, const struct jval *f, const struct jlist *args,
	      const struct jdict *named, struct jval *out) MUST_CHECK;
int jrun_macro(struct jrun *r, const struct jmacro *m,
	       const struct jlist *args, const struct jdict *named,
	       struct jval *out) MUST_CHECK;
/* The arguments of a call's, filter's or test's node. */
int jrun_args(struct jrun *r, const struct jnode *n, struct jlist *args,
	      struct jdict *named) MUST_CHECK;

/* ---- operators: jinja_ops.c, jinja_access.c ---- */

struct jop {
	const char *name;
	int (*apply)(struct jrun *r, const struct jval *a,
		     const struct jval *b, struct jval *out);
};

extern const struct jop jinja_sums[], jinja_products[], jinja_comparisons[],
	jinja_power;
/* NULL: none of these. */
const struct jop *jinja_op(const struct jop *ops, const struct jtoken *t);
int jinja_add(struct jrun *r, const struct jval *a, const struct jval *b,
	      struct jval *out) MUST_CHECK;
int jinja_join(struct jrun *r, struct jval a, struct jval b,
	       struct jval *out) MUST_CHECK;
/* HTML's characters escaped, and marked safe. */
int jinja_escape(struct jrun *r, const struct jval *v,
		 struct jval *out) MUST_CHECK;
int jinja_in(struct jrun *r, const struct jval *a, const struct jval *b,
	     struct jval *out) MUST_CHECK;
/* x[key] and x.name; out may be undefined. */
int jinja_item(struct jrun *r, const struct jval *v, const struct jval *key,
	       struct jval *out) MUST_CHECK;
int jinja_attr(struct jrun *r, const struct jval *v, const char *name,
	       size_t n, struct jval *out) MUST_CHECK;
int jinja_slice(struct jrun *r, const struct jval *v,
		const struct jval bound[3], struct jval *out) MUST_CHECK;

#endif
