/* st_tensor - TENS headers: a tensor's storage tree in msgpack, and back */
#include "formats/st_header.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "formats/st_record.h"

enum {
	PATH = 128,             /* bytes of a part's name */
	DIM = 48, COUNT = 50,   /* powers of two: a dimension, a tensor */
};

/* What a node of a kind has. */
struct kind {
	const char *name;
	int bits;               /* of a code; 0: "bits" says so; -1: none */
	int zero;
};

static const struct kind kind[] = {
	[STORE_RAW] = { "raw", -1, 0 },     [STORE_CONST] = { "const", -1, 0 },
	[STORE_NF4] = { "nf4", 4, 0 },      [STORE_FP4] = { "fp4", 4, 0 },
	[STORE_DYN8] = { "dyn8", 8, 0 },    [STORE_BOOK] = { "book", 0, 0 },
	[STORE_INT] = { "int", 0, 1 },      [STORE_GGUF] = { "gguf", -1, 0 },
};

static int has_codes(enum storage_kind k)
{
	return kind[k].bits >= 0;
}

/* llama.cpp's block formats: elements and bytes of a block. */
static const struct {
	const char *name;
	size_t block, bytes;
} gguf[] = {
	/* clang-format off */
	{ "q4_0", 32, 18 },    { "q4_1", 32, 20 },    { "q5_0", 32, 22 },
	{ "q5_1", 32, 24 },    { "q8_0", 32, 34 },    { "iq4_nl", 32, 18 },
	{ "q2_k", 256, 84 },   { "q3_k", 256, 110 },  { "q4_k", 256, 144 },
	{ "q5_k", 256, 176 },  { "q6_k", 256, 210 },  { "iq4_xs", 256, 136 },
	/* clang-format on */
};

static enum dtype code_dtype(size_t bits)
{
	switch (bits) {
	case 2:
		return DTYPE_U2;
	case 3:
		return DTYPE_U3;
	case 4:
		return DTYPE_U4;
	case 8:
		return DTYPE_U8;
	default:
		return DTYPE_NONE;
	}
}

/* ---- writing ---- */

static int says_dtype(const struct tensor *t, const struct storage *s)
{
	return s->kind == STORE_RAW ||
	       (s->kind != STORE_CONST && s->dtype != t->dtype &&
		s->dtype != DTYPE_NONE);
}

static void put_node(struct msg_out *o, const struct tensor *t, int i);

static void put_child(struct msg_out *o, const struct tensor *t,
		      const char *key, int i)
{
	if (i < 0)
		return;
	msg_put_text(o, key);
	put_node(o, t, i);
}

static void put_codes(struct msg_out *o, const struct storage *s)
{
	if (!kind[s->kind].bits) {
		msg_put_text(o, "bits");
		msg_put_u64(o, (uint64_t)s->bits);
	}
	msg_put_text(o, "block");
	msg_put_u64(o, s->block);
	if (s->kind != STORE_BOOK)
		return;
	msg_put_text(o, "book");
	msg_put_array(o, (size_t)1 << s->bits);
	for (size_t k = 0; k < (size_t)1 << s->bits; k++)
		msg_put_real(o, s->book[k]);
}

/* Keys in ascending order: bits block book dtype format q scale shift v
 * zero. */
static void put_node(struct msg_out *o, const struct tensor *t, int i)
{
	const struct storage *s = &t->node[i];
	int codes = has_codes(s->kind);
	size_t n = 1;

	n += codes + (codes && !kind[s->kind].bits) + (s->kind == STORE_BOOK);
	n += says_dtype(t, s) + (s->kind == STORE_GGUF) +
	     (s->kind == STORE_CONST);
	n += (s->scale >= 0) + (s->zero >= 0) + (s->shift >= 0);
	msg_put_map(o, n);
	if (codes)
		put_codes(o, s);
	if (says_dtype(t, s)) {
		msg_put_text(o, "dtype");
		msg_put_text(o, dtype_name(s->dtype));
	}
	if (s->kind == STORE_GGUF) {
		msg_put_text(o, "format");
		msg_put_text(o, s->format);
	}
	msg_put_text(o, "q");
	msg_put_text(o, kind[s->kind].name);
	put_child(o, t, "scale", s->scale);
	put_child(o, t, "shift", s->shift);
	if (s->kind == STORE_CONST) {
		msg_put_text(o, "v");
		msg_put_real(o, s->value);
	}
	put_child(o, t, "zero", s->zero);
}

/* "scale.scale" for the scale of the scale; "codes" for the root's own. */
static void part_name(char path[PATH], const struct tensor *t, int part)
{
	char tail[PATH];
	int at = 0;

	while (t->node[at].part != part && at < t->nnode - 1)
		at++;
	path[0] = 0;
	for (int up = at - 1; up >= 0; up--) {
		const struct storage *s = &t->node[up];
		const char *word = s->scale == at ? "scale" :
				   s->zero == at  ? "zero" :
				   s->shift == at ? "shift" :
						    NULL;

		if (!word)
			continue;
		memcpy(tail, path, PATH);
		snprintf(path, PATH, "%s%s%.100s", word, tail[0] ? "." : "",
			 tail);
		at = up;
	}
	if (!path[0])
		strcpy(path, "codes");
}

static int is_plain(const struct tensor *t)
{
	return tensor_is_plain(t) && t->node[0].dtype == t->dtype;
}

static void put_parts(struct msg_out *o, const struct tensor *t,
		      const int *order, size_t n)
{
	char path[PATH];

	msg_put_text(o, "parts");
	msg_put_array(o, n);
	for (size_t k = 0; k < n; k++) {
		const struct tensor_part *p = &t->part[order[k]];

		part_name(path, t, order[k]);
		msg_put_array(o, 3);
		msg_put_text(o, path);
		msg_put_text(o, dtype_name(p->dtype));
		msg_put_u64(o, p->count);
	}
}

int st_tensor_put(struct msg_out *o, const struct tensor *t)
{
	int order[TENSOR_PARTS], plain = is_plain(t);
	size_t n = st_part_order(t, order);

	if (n != (size_t)t->npart)
		return err_set(E_BUG, "%s: parts that no storage has",
			       t->name);
	msg_begin(o);
	msg_put_map(o, 3 + 2 * (size_t)!plain + (t->role != ROLE_NONE));
	msg_put_text(o, "dtype");
	msg_put_text(o, dtype_name(t->dtype));
	if (!plain) {
		msg_put_text(o, "enc");
		put_node(o, t, 0);
	}
	msg_put_text(o, "name");
	msg_put_text(o, t->name);
	if (!plain)
		put_parts(o, t, order, n);
	if (t->role != ROLE_NONE) {
		msg_put_text(o, "role");
		msg_put_text(o, tensor_role_name(t->role));
	}
	msg_put_text(o, "shape");
	msg_put_array(o, (size_t)t->rank);
	for (int i = 0; i < t->rank; i++)
		msg_put_u64(o, t->shape[i]);
	if (msg_done(o))
		return err_at(o->err ? o->err : E_DATA, "%s", t->name);
	return 0;
}

/* ---- reading ---- */

static int get_dtype(enum dtype *d, const struct msg_value *v)
{
	char text[16];

	if (msg_text(v, text, sizeof(text)))
		return 1;
	*d = dtype_find(text);
	return *d == DTYPE_NONE;
}

static int get_node(struct tensor *t, int *index, const struct msg_value *v,
		    size_t count);

static int get_child(struct tensor *t, int *index, const struct msg_value *v,
		     size_t count)
{
	*index = -1;
	return v ? get_node(t, index, v, count) : 0;
}

static int get_book(struct storage *s, const struct msg_value *v)
{
	size_t n = (size_t)1 << s->bits;
	double x;

	if (msg_count(v) != n)
		return err_set(E_DATA, "book has not %zu values", n);
	s->book = calloc(n, sizeof(*s->book));
	if (!s->book)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		if (msg_real(msg_at(v, i), &x) || !(fabs(x) <= FLT_MAX))
			return err_set(E_DATA, "book value is no number");
		s->book[i] = (float)x;
	}
	return 0;
}

static int get_gguf(struct tensor *t, struct storage *s,
		    const struct msg_value *v)
{
	if (msg_text(msg_find(v, "format"), s->format, sizeof(s->format)))
		return err_set(E_DATA, "gguf storage without format");
	for (size_t i = 0; i < NELEM(gguf); i++) {
		if (strcmp(gguf[i].name, s->format))
			continue;
		if (s->count % gguf[i].block)
			break;
		s->part = tensor_part(t, DTYPE_U8, s->count / gguf[i].block *
							   gguf[i].bytes);
		return 0;
	}
	return err_set(E_DATA, "gguf storage \"%s\" of %zu elements",
		       s->format, s->count);
}

static int get_codes(struct tensor *t, int i, const struct msg_value *v)
{
	struct storage *s = &t->node[i];
	const struct msg_value *scale = msg_find(v, "scale");
	size_t bits = (size_t)kind[s->kind].bits, n;

	if (!bits && msg_size(msg_find(v, "bits"), &bits))
		return err_set(E_DATA, "storage without bits");
	if (code_dtype(bits) == DTYPE_NONE)
		return err_set(E_DATA, "codes of %zu bits", bits);
	s->bits = (int)bits;
	if (msg_size(msg_find(v, "block"), &s->block) || !s->block || !scale)
		return err_set(E_DATA, "storage without block or scale");
	if (s->kind == STORE_BOOK)
		TRY(get_book(s, msg_find(v, "book")));
	n = s->count / s->block + (s->count % s->block != 0);
	TRY(get_child(t, &s->scale, scale, n));
	if (kind[s->kind].zero)
		TRY(get_child(t, &s->zero, msg_find(v, "zero"), n));
	TRY(get_child(t, &s->shift, msg_find(v, "shift"), n));
	s->part = tensor_part(t, code_dtype(bits), s->count);
	return 0;
}

/* Recursion ends with the header's depth, or TENSOR_NODES. */
static int get_node(struct tensor *t, int *index, const struct msg_value *v,
		    size_t count)
{
	struct storage *s;
	const struct msg_value *d = msg_find(v, "dtype");
	size_t k = 0;

	while (k < NELEM(kind) && !msg_is(msg_find(v, "q"), kind[k].name))
		k++;
	if (k == NELEM(kind))
		return err_set(E_DATA, "storage of an unknown kind");
	*index = tensor_node(t, (enum storage_kind)k, count);
	if (*index < 0)
		return err_set(E_DATA, "storage of more than %d nodes",
			       TENSOR_NODES);
	s = &t->node[*index];
	if ((d && get_dtype(&s->dtype, d)) || (!d && s->kind == STORE_RAW))
		return err_set(E_DATA, "storage of an unknown type");
	if (s->kind == STORE_CONST)
		return msg_real(msg_find(v, "v"), &s->value) ||
				       !isfinite(s->value) ?
			       err_set(E_DATA, "constant without value") : 0;
	if (s->kind == STORE_RAW)
		s->part = tensor_part(t, s->dtype, count);
	else if (s->kind == STORE_GGUF)
		TRY(get_gguf(t, s, v));
	else
		TRY(get_codes(t, *index, v));
	if (s->part < 0)
		return err_set(E_DATA, "storage of too many parts");
	return 0;
}

static int check_parts(const struct tensor *t, const struct msg_value *v)
{
	char path[PATH];
	enum dtype d;
	size_t count;

	if (msg_count(v) != (size_t)t->npart)
		return err_set(E_DATA, "parts are not what storage says");
	for (int k = 0; k < t->npart; k++) {
		const struct msg_value *p = msg_at(v, (size_t)k);

		part_name(path, t, k);
		if (msg_count(p) != 3 || !msg_is(msg_at(p, 0), path) ||
		    get_dtype(&d, msg_at(p, 1)) ||
		    msg_size(msg_at(p, 2), &count) ||
		    d != t->part[k].dtype || count != t->part[k].count)
			return err_set(E_DATA, "part %d is not what storage "
				       "says", k);
	}
	return 0;
}

static int get_shape(size_t shape[TENSOR_RANK], int *rank,
		     const struct msg_value *v)
{
	size_t n = msg_count(v), product = 1;

	if (!v || n > TENSOR_RANK)
		return err_set(E_DATA, "no shape, or too many dimensions");
	for (size_t i = 0; i < n; i++) {
		if (msg_size(msg_at(v, i), &shape[i]) ||
		    shape[i] > (size_t)1 << DIM ||
		    size_mul(&product, product, shape[i]) ||
		    product > (size_t)1 << COUNT)
			return err_set(E_DATA, "shape is too large");
	}
	*rank = (int)n;
	return 0;
}

static int get_tensor(struct tensor *t, const struct msg_value *v,
		      const char *name)
{
	const struct msg_value *enc = msg_find(v, "enc");
	const struct msg_value *parts = msg_find(v, "parts");
	size_t shape[TENSOR_RANK];
	char role[16] = "";
	enum dtype d;
	int rank = 0, root;

	if (get_dtype(&d, msg_find(v, "dtype")))
		return err_set(E_DATA, "unknown dtype");
	TRY(get_shape(shape, &rank, msg_find(v, "shape")));
	if (msg_find(v, "role") &&
	    msg_text(msg_find(v, "role"), role, sizeof(role)))
		return err_set(E_DATA, "role is no word");
	TRY(tensor_init(t, name, tensor_role_find(role), d, rank, shape));
	if (enc) {
		t->nnode = t->npart = 0;
		TRY(get_node(t, &root, enc, t->count));
	}
	return enc || parts ? check_parts(t, parts) : 0;
}

int st_tensor_get(struct tensor *t, const struct msg_value *v)
{
	char name[TENSOR_NAME];
	int err;

	memset(t, 0, sizeof(*t));
	if (msg_text(msg_find(v, "name"), name, sizeof(name)))
		return err_set(E_DATA, "TENS without name, or with a long "
			       "one");
	err = get_tensor(t, v, name);
	return err ? err_at(err, "tensor \"%s\"", name) : 0;
}
