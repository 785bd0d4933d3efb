#include "formats/gguf.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/half.h"
#include "base/size.h"
#include "tensor/tensor.h"

/* The least bytes of a key (length, one byte, type, a value) and of a tensor
 * (length, one byte, rank, a dimension, type, offset). */
enum { KEY_LEAST = 8 + 1 + 4 + 1, TENSOR_LEAST = 8 + 1 + 4 + 8 + 4 + 8 };

static const unsigned char width[GGUF_TYPES] = {
	[GGUF_U8] = 1, [GGUF_I8] = 1, [GGUF_BOOL] = 1, [GGUF_U16] = 2,
	[GGUF_I16] = 2, [GGUF_U32] = 4, [GGUF_I32] = 4, [GGUF_F32] = 4,
	[GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
};

struct reader {
	const unsigned char *bytes;
	size_t have, at;
	uint64_t size;
};

/* n bytes that lie ahead; E_DATA: not in the file, E_AGAIN: not here yet. */
static int need(struct reader *r, size_t n, const unsigned char **p)
{
	*p = r->bytes + r->at;
	if (n > r->size - r->at)
		return err_set(E_DATA, "byte %zu: %zu bytes wanted, the file "
			       "has %llu more", r->at, n,
			       (unsigned long long)(r->size - r->at));
	if (n > r->have - r->at)
		return E_AGAIN;
	r->at += n;
	return 0;
}

static int read_u32(struct reader *r, uint32_t *v)
{
	const unsigned char *p;

	TRY(need(r, 4, &p));
	*v = le32_get(p);
	return 0;
}

static int read_u64(struct reader *r, uint64_t *v)
{
	const unsigned char *p;

	TRY(need(r, 8, &p));
	*v = le64_get(p);
	return 0;
}

static int read_text(struct reader *r, size_t most, const unsigned char **text,
		     size_t *length)
{
	size_t start = r->at;
	uint64_t n;

	TRY(read_u64(r, &n));
	if (n > most)
		return err_set(E_DATA, "byte %zu: a text of %llu bytes, at "
			       "most %zu are allowed", start,
			       (unsigned long long)n, most);
	*length = (size_t)n;
	return need(r, *length, text);
}

/* A key or a tensor's name: some bytes, no zero among them. */
static int read_name(struct reader *r, const char **name, size_t *length)
{
	const unsigned char *p;
	size_t start = r->at;

	TRY(read_text(r, GGUF_NAME, &p, length));
	if (!*length || memchr(p, 0, *length))
		return err_set(E_DATA, "byte %zu: an empty name, or one with "
			       "a zero byte", start);
	*name = (const char *)p;
	return 0;
}

static int read_array(struct reader *r, struct gguf_value *v)
{
	size_t start = r->at, length;
	const unsigned char *p;
	uint64_t count;
	uint32_t type;

	TRY(read_u32(r, &type));
	TRY(read_u64(r, &count));
	if (type >= GGUF_TYPES || type == GGUF_ARRAY)
		return err_set(E_DATA, "byte %zu: an array of elements of "
			       "type %u", start, type);
	v->element = (enum gguf_type)type;
	if (count > (r->size - r->at) / (width[type] ? width[type] : 8))
		return err_set(E_DATA, "byte %zu: an array of %llu elements, "
			       "more than the file has room for", start,
			       (unsigned long long)count);
	v->count = (size_t)count;
	v->at = r->bytes + r->at;
	if (width[type]) {
		TRY(need(r, v->count * width[type], &p));
		for (size_t i = 0; i < v->count && type == GGUF_BOOL; i++)
			if (p[i] > 1)
				return err_set(E_DATA, "byte %zu: a truth "
					       "value of %u", start, p[i]);
		return 0;
	}
	for (size_t i = 0; i < v->count; i++)
		TRY(read_text(r, GGUF_STRING, &p, &length));
	return 0;
}

static int read_value(struct reader *r, struct gguf_value *v)
{
	size_t start = r->at;
	uint32_t type;

	TRY(read_u32(r, &type));
	if (type >= GGUF_TYPES)
		return err_set(E_DATA, "byte %zu: a value of type %u", start,
			       type);
	*v = (struct gguf_value){ .type = (enum gguf_type)type };
	if (type == GGUF_ARRAY)
		return read_array(r, v);
	if (type == GGUF_TEXT)
		return read_text(r, GGUF_STRING, &v->at, &v->count);
	TRY(need(r, width[type], &v->at));
	if (type == GGUF_BOOL && *v->at > 1)
		return err_set(E_DATA, "byte %zu: a truth value of %u", start,
			       *v->at);
	return 0;
}

static int compare(const char *a, size_t na, const char *b, size_t nb)
{
	int d = memcmp(a, b, na < nb ? na : nb);

	return d ? d : na < nb ? -1 : na > nb;
}

static int by_key(const void *a, const void *b)
{
	const struct gguf_key *x = a, *y = b;

	return compare(x->name, x->length, y->name, y->length);
}

static int read_keys(struct gguf *g, struct reader *r)
{
	for (size_t i = 0; i < g->nkey; i++) {
		struct gguf_key *k = &g->key[i];

		TRY(read_name(r, &k->name, &k->length));
		TRY(read_value(r, &k->value));
	}
	if (g->nkey)
		qsort(g->key, g->nkey, sizeof(*g->key), by_key);
	for (size_t i = 1; i < g->nkey; i++)
		if (!by_key(&g->key[i - 1], &g->key[i]))
			return err_set(E_DATA, "the key %.*s is given twice",
				       (int)size_min(g->key[i].length, 200),
				       g->key[i].name);
	return 0;
}

/* "%.*s: " before what is wrong with a tensor. */
static int bad_tensor(const struct gguf_tensor *t, const char *what)
{
	return err_set(E_DATA, "%.*s: %s", (int)size_min(t->length, 200),
		       t->name, what);
}

static int read_shape(struct reader *r, struct gguf_tensor *t)
{
	uint32_t rank;
	uint64_t dim;

	TRY(read_u32(r, &rank));
	if (!rank || rank > GGUF_RANK)
		return bad_tensor(t, "has not 1 to 4 dimensions");
	t->rank = (int)rank;
	t->count = 1;
	for (uint32_t i = 0; i < rank; i++) {
		TRY(read_u64(r, &dim));
		if (!dim)
			return bad_tensor(t, "has a dimension of 0");
		t->dim[i] = (size_t)dim;
		if (size_mul(&t->count, t->count, t->dim[i]))
			return bad_tensor(t, "is too large");
	}
	return 0;
}

static int read_tensor(struct reader *r, struct gguf_tensor *t)
{
	uint32_t type;

	TRY(read_name(r, &t->name, &t->length));
	if (t->length >= TENSOR_NAME)
		return bad_tensor(t, "the name is too long");
	TRY(read_shape(r, t));
	TRY(read_u32(r, &type));
	t->block = gguf_block_find(type);
	if (!t->block)
		return bad_tensor(t, "is stored in a type that is not known");
	if (!t->block->bytes) {
		char what[80] = "";

		strcat(strcat(what, t->block->name), " is not supported");
		return bad_tensor(t, what);
	}
	if (t->dim[0] % t->block->count)
		return bad_tensor(t, "its rows are no whole number of blocks");
	if (size_mul(&t->bytes, t->count / t->block->count, t->block->bytes))
		return bad_tensor(t, "is too large");
	return read_u64(r, &t->at);
}

static int by_place(const void *a, const void *b)
{
	const struct gguf_tensor *x = *(struct gguf_tensor *const *)a;
	const struct gguf_tensor *y = *(struct gguf_tensor *const *)b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static int by_name(const void *a, const void *b)
{
	const struct gguf_tensor *x = *(struct gguf_tensor *const *)a;
	const struct gguf_tensor *y = *(struct gguf_tensor *const *)b;

	return compare(x->name, x->length, y->name, y->length);
}

static int check_tensors(struct gguf *g, uint64_t data, uint64_t align,
			 uint64_t size)
{
	struct gguf_tensor **order;
	int err = 0;

	if (!g->ntensor) /* a vocabulary, at most */
		return g->nkey ? 0 : err_set(E_DATA, "there is nothing in it");
	order = calloc(g->ntensor, sizeof(*order));
	if (!order)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < g->ntensor && !err; i++) {
		struct gguf_tensor *t = order[i] = &g->tensor[i];

		if (t->at % align)
			err = bad_tensor(t, "is not aligned");
		else if (data > size || t->at > size - data ||
			 t->bytes > size - data - t->at)
			err = bad_tensor(t, "reaches past the end of the file");
		t->at += data;
	}
	if (!err)
		qsort(order, g->ntensor, sizeof(*order), by_place);
	for (size_t i = 1; i < g->ntensor && !err; i++)
		if (order[i]->at < order[i - 1]->at + order[i - 1]->bytes)
			err = bad_tensor(order[i], "overlaps another");
	if (!err)
		qsort(order, g->ntensor, sizeof(*order), by_name);
	for (size_t i = 1; i < g->ntensor && !err; i++)
		if (!by_name(&order[i - 1], &order[i]))
			err = bad_tensor(order[i], "is given twice");
	free(order);
	return err;
}

static int read_alignment(const struct gguf *g, uint64_t *align)
{
	const struct gguf_value *v = gguf_find(g, "general.alignment");

	*align = 32;
	if (!v)
		return 0;
	if (v->type == GGUF_U32)
		*align = le32_get(v->at);
	if (v->type != GGUF_U32 || !*align || (*align & (*align - 1)) ||
	    *align > GGUF_ALIGN)
		return err_set(E_DATA, "general.alignment is no power of two "
			       "up to %d", GGUF_ALIGN);
	return 0;
}

static int read_head(struct gguf *g, struct reader *r)
{
	uint64_t ntensor, nkey;
	const unsigned char *p;
	uint32_t version;

	TRY(need(r, 4, &p));
	if (memcmp(p, "GGUF", 4))
		return err_set(E_DATA, "does not begin with GGUF");
	TRY(read_u32(r, &version));
	if (version && !(version & 0xffff))
		return err_set(E_DATA, "is big-endian");
	if (version != 2 && version != 3)
		return err_set(E_DATA, "GGUF version %u, want 2 or 3",
			       version);
	TRY(read_u64(r, &ntensor));
	TRY(read_u64(r, &nkey));
	if (nkey > (r->size - r->at) / KEY_LEAST ||
	    ntensor > (r->size - r->at) / TENSOR_LEAST)
		return err_set(E_DATA, "%llu keys and %llu tensors, more than "
			       "the file has room for",
			       (unsigned long long)nkey,
			       (unsigned long long)ntensor);
	g->nkey = (size_t)nkey;
	g->ntensor = (size_t)ntensor;
	return 0;
}

/* Memory for n things of size, each of which takes least bytes ahead. */
static int room(struct reader *r, void **at, size_t n, size_t least,
		size_t size)
{
	if (n > (r->have - r->at) / least) {
		if (r->have < r->size)
			return E_AGAIN;
		return err_set(E_DATA, "byte %zu: the file ends here", r->at);
	}
	*at = calloc(n ? n : 1, size);
	return *at ? 0 : err_set(E_NOMEM, "out of memory");
}

static int parse(struct gguf *g, struct reader *r)
{
	uint64_t align, data;

	TRY(read_head(g, r));
	TRY(room(r, (void **)&g->key, g->nkey, KEY_LEAST, sizeof(*g->key)));
	TRY(read_keys(g, r));
	TRY(read_alignment(g, &align));
	TRY(room(r, (void **)&g->tensor, g->ntensor, TENSOR_LEAST,
		 sizeof(*g->tensor)));
	for (size_t i = 0; i < g->ntensor; i++)
		TRY(read_tensor(r, &g->tensor[i]));
	data = size_align(r->at, align);
	return check_tensors(g, data, align, r->size);
}

int gguf_parse(struct gguf *g, const void *bytes, size_t have, uint64_t size)
{
	struct reader r = { bytes, have, 0, size };
	int err;

	*g = (struct gguf){ 0 };
	err = parse(g, &r);
	if (err)
		gguf_release(g);
	return err;
}

int gguf_read(struct gguf *g, const struct file *f)
{
	size_t have = 1 << 20;
	unsigned char *bytes;
	int err = E_AGAIN;

	*g = (struct gguf){ 0 };
	for (; err == E_AGAIN; have *= 4) {
		if (have > f->size)
			have = (size_t)f->size;
		bytes = malloc(have ? have : 1);
		if (!bytes)
			return err_set(E_NOMEM, "out of memory");
		err = file_read(f, bytes, have, 0);
		if (!err) {
			err = gguf_parse(g, bytes, have, f->size);
			if (err == E_AGAIN && have >= GGUF_HEADER)
				err = err_set(E_DATA, "the metadata takes "
					      "more than %d bytes",
					      GGUF_HEADER);
			if (err != E_AGAIN)
				err = file_named(f, err);
		}
		if (err)
			free(bytes);
		else
			g->bytes = bytes;
	}
	return err;
}

void gguf_release(struct gguf *g)
{
	free(g->key);
	free(g->tensor);
	free(g->bytes);
	*g = (struct gguf){ 0 };
}
