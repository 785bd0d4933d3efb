/* st_storage - a tensor's storage tree in msgpack, and back */
#include "formats/st_storage.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "weight/gguf_blocks.h"
#include "weight/storage.h"

/* What a node of a kind has. */
static const struct {
	int bits;               /* of a code; 0: "bits" says so; -1: none */
	int zero;
} kind[] = {
	[STORE_RAW] = { -1, 0 },  [STORE_CONST] = { -1, 0 },
	[STORE_NF4] = { 4, 0 },   [STORE_FP4] = { 4, 0 },
	[STORE_DYN8] = { 8, 0 },  [STORE_BOOK] = { 0, 0 },
	[STORE_INT] = { 0, 1 },   [STORE_GGUF] = { -1, 0 },
};

static int has_codes(enum storage_kind k)
{
	return kind[k].bits >= 0;
}

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
	msg_put_text(o, storage_kind_name(s->kind));
	put_child(o, t, "scale", s->scale);
	put_child(o, t, "shift", s->shift);
	if (s->kind == STORE_CONST) {
		msg_put_text(o, "v");
		msg_put_real(o, s->value);
	}
	put_child(o, t, "zero", s->zero);
}

void st_storage_put(struct msg_out *o, const struct tensor *t)
{
	put_node(o, t, 0);
}

/* ---- reading ---- */

int st_dtype_get(enum dtype *d, const struct msg_value *v)
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
	const struct gguf_block *b;

	if (msg_text(msg_find(v, "format"), s->format, sizeof(s->format)))
		return err_set(E_DATA, "gguf storage without format");
	b = gguf_block_named(s->format);
	if (!b || s->count % b->count)
		return err_set(E_DATA, "gguf storage \"%s\" of %zu elements",
			       s->format, s->count);
	s->part = tensor_part(t, DTYPE_U8, s->count / b->count * b->bytes);
	return 0;
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

	while (k < NELEM(kind) &&
	       !msg_is(msg_find(v, "q"),
		       storage_kind_name((enum storage_kind)k)))
		k++;
	if (k == NELEM(kind))
		return err_set(E_DATA, "storage of an unknown kind");
	*index = tensor_node(t, (enum storage_kind)k, count);
	if (*index < 0)
		return err_set(E_DATA, "storage of more than %d nodes",
			       TENSOR_NODES);
	s = &t->node[*index];
	if ((d && st_dtype_get(&s->dtype, d)) || (!d && s->kind == STORE_RAW))
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

int st_storage_get(struct tensor *t, const struct msg_value *v)
{
	int root;

	t->nnode = t->npart = 0;
	return get_node(t, &root, v, t->count);
}
