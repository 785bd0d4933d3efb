#include "weight/storage.h"

#include <string.h>

#include "base/size.h"
#include "kernel/books.h"
#include "kernel/table.h"
#include "weight/gguf_blocks.h"

enum { GROUPS = 16 };         /* whose scales are decoded at a time */

static const struct {
	const char *name;
	int bits;               /* of a code; 0: the node says */
	const float *book;
} row[] = {
	[STORE_RAW]   = { "raw", 0, NULL },
	[STORE_CONST] = { "const", 0, NULL },
	[STORE_NF4]   = { "nf4", 4, nf4_book },
	[STORE_FP4]   = { "fp4", 4, fp4_book },
	[STORE_DYN8]  = { "dyn8", 8, dyn8_book },
	[STORE_BOOK]  = { "book", 0, NULL },
	[STORE_INT]   = { "int", 0, NULL },
	[STORE_GGUF]  = { "gguf", 0, NULL },
};

const char *storage_kind_name(enum storage_kind kind)
{
	return kind < NELEM(row) ? row[kind].name : "unknown";
}

int storage_is_blocks(const struct tensor *t)
{
	return t->node[0].kind == STORE_GGUF;
}

static int bits_of(const struct storage *s)
{
	return row[s->kind].bits ? row[s->kind].bits : s->bits;
}

static int check_part(const struct tensor *t, const struct storage *s,
		      size_t bits)
{
	size_t bytes;

	if (s->part < 0 || s->part >= t->npart)
		return err_set(E_DATA, "a storage node has no part");
	if (size_mul(&bytes, s->count, bits) || size_add(&bytes, bytes, 7) ||
	    t->part[s->part].bytes < bytes / 8)
		return err_set(E_DATA, "a part is too short");
	if (s->count && !t->part[s->part].data)
		return err_set(E_BUG, "a part is not loaded");
	return 0;
}

static int check_child(const struct tensor *t, const struct storage *s,
		       int child)
{
	if (child < 0)
		return 0;
	if (child >= t->nnode || &t->node[child] <= s)
		return err_set(E_DATA, "the storage tree is not in order");
	if (t->node[child].count < size_ceil(s->count, s->block))
		return err_set(E_DATA, "too few scales");
	return 0;
}

static int check_blocks(const struct tensor *t, const struct storage *s)
{
	const struct gguf_block *b = gguf_block_named(s->format);

	if (!b || s->count % b->count)
		return err_set(E_DATA, "gguf storage \"%s\" of %zu elements",
			       s->format, s->count);
	if (s->part < 0 || s->part >= t->npart ||
	    t->part[s->part].bytes / b->bytes < s->count / b->count)
		return err_set(E_DATA, "a part is too short");
	if (s->count && !t->part[s->part].data)
		return err_set(E_BUG, "a part is not loaded");
	return 0;
}

static int check_node(const struct tensor *t, const struct storage *s)
{
	if (s->kind == STORE_CONST)
		return 0;
	if (s->kind == STORE_RAW) {
		if (s->part >= 0 && s->part < t->npart &&
		    dtype_bits(t->part[s->part].dtype) < 8)
			return err_set(E_DATA, "codes without a book");
		return check_part(t, s, s->part < 0 ? 0 :
				  dtype_bits(t->part[s->part].dtype));
	}
	if (s->kind == STORE_GGUF)
		return check_blocks(t, s);
	if (s->kind >= NELEM(row))
		return err_set(E_DATA, "storage %s cannot be computed with",
			       storage_kind_name(s->kind));
	if (bits_of(s) < 1 || bits_of(s) > 8 || !s->block || s->scale < 0 ||
	    (s->kind == STORE_BOOK && !s->book))
		return err_set(E_DATA, "storage %s is incomplete",
			       storage_kind_name(s->kind));
	TRY(check_part(t, s, (size_t)bits_of(s)));
	TRY(check_child(t, s, s->scale));
	TRY(check_child(t, s, s->zero));
	return check_child(t, s, s->shift);
}

int storage_check(const struct tensor *t)
{
	if (t->nnode < 1 || t->node[0].count != t->count)
		return err_set(E_DATA, "storage and shape disagree");
	for (int i = 0; i < t->nnode; i++)
		TRY(check_node(t, &t->node[i]));
	return 0;
}

#define FROM_INT(type)                                                    \
	do {                                                              \
		const type *from = p->data;                               \
		for (size_t i = 0; i < count; i++)                        \
			dst[i] = (float)from[first + i];                  \
	} while (0)

static void decode_raw(const struct tensor_part *p, float *dst, size_t first,
		       size_t count)
{
	const char *at = p->data;

	switch (p->dtype) {
	case DTYPE_I64:
		FROM_INT(int64_t);
		break;
	case DTYPE_I32:
		FROM_INT(int32_t);
		break;
	case DTYPE_I16:
		FROM_INT(int16_t);
		break;
	case DTYPE_I8:
		FROM_INT(int8_t);
		break;
	case DTYPE_U64:
		FROM_INT(uint64_t);
		break;
	case DTYPE_U32:
		FROM_INT(uint32_t);
		break;
	case DTYPE_U16:
		FROM_INT(uint16_t);
		break;
	case DTYPE_U8:
	case DTYPE_BOOL:
		FROM_INT(uint8_t);
		break;
	case DTYPE_BF16:
		kernels()->bf16_to_f32(dst, (const uint16_t *)p->data + first,
				       count);
		break;
	case DTYPE_F16:
		kernels()->f16_to_f32(dst, (const uint16_t *)p->data + first,
				      count);
		break;
	default:
		dtype_to_f32(dst, p->dtype,
			     at + first * (dtype_bits(p->dtype) / 8), count);
	}
}

struct groups {
	float scale[GROUPS], zero[GROUPS], shift[GROUPS];
	size_t n;
	int has_zero, has_shift;
};

static void load_groups(struct groups *g, const struct tensor *t,
			const struct storage *s, size_t first, size_t n)
{
	g->n = n;
	g->has_zero = s->zero >= 0;
	g->has_shift = s->shift >= 0;
	storage_decode(t, s->scale, g->scale, first, n);
	if (g->has_zero)
		storage_decode(t, s->zero, g->zero, first, n);
	if (g->has_shift)
		storage_decode(t, s->shift, g->shift, first, n);
}

/* n elements of group i of g, from element e on. */
static void decode_run(const struct tensor *t, const struct storage *s,
		       const struct groups *g, size_t i, float *dst, size_t e,
		       size_t n)
{
	struct packed_codes from = {
		t->part[s->part].data, bits_of(s), g->scale[i],
		g->has_zero ? g->zero[i] : 0,
		s->kind == STORE_BOOK ? s->book : row[s->kind].book,
	};

	if (from.book)
		kernels()->decode_book(dst, &from, e, n);
	else
		kernels()->decode_int(dst, &from, e, n);
	for (size_t j = 0; g->has_shift && j < n; j++)
		dst[j] += g->shift[i];
}

/* Whole groups of 4-bit codes, for which there is a kernel; returns their
 * elements, 0: cannot. */
static size_t decode_whole(const struct tensor *t, const struct storage *s,
			   const struct groups *g, float *dst, size_t e,
			   size_t n)
{
	const float *book = s->kind == STORE_BOOK ? s->book : row[s->kind].book;
	const unsigned char *code = t->part[s->part].data;
	size_t whole = size_min(n / s->block, g->n);

	if (bits_of(s) != 4 || !book || g->has_shift || s->block % 32 ||
	    e % s->block)
		return 0;
	kernels()->decode_code4(dst, code + e / 2, book, g->scale, whole,
				s->block);
	return whole * s->block;
}

static void decode_coded(const struct tensor *t, const struct storage *s,
			 float *dst, size_t first, size_t count)
{
	size_t last = first + count;
	struct groups g;

	for (size_t e = first; e < last;) {
		size_t group = e / s->block;

		load_groups(&g, t, s, group,
			    size_min(size_ceil(last, s->block) - group,
				     GROUPS));
		e += decode_whole(t, s, &g, dst + (e - first), e, last - e);
		for (; e < last && e / s->block < group + g.n;) {
			size_t i = e / s->block;
			size_t end = size_min((i + 1) * s->block, last);

			decode_run(t, s, &g, i - group, dst + (e - first), e,
				   end - e);
			e = end;
		}
	}
}

/* Whole units straight to dst, what is left at both ends by way of one. */
void storage_decode_blocks(const struct gguf_block *b, const void *src,
			   float *dst, size_t first, size_t count)
{
	float unit[GGUF_UNIT];

	for (size_t n; count; count -= n, first += n, dst += n) {
		size_t into = first % GGUF_UNIT;

		if (!into && count >= GGUF_UNIT) {
			n = count / GGUF_UNIT * GGUF_UNIT;
			b->decode(dst, src, first / GGUF_UNIT, n / GGUF_UNIT);
			continue;
		}
		n = size_min(count, GGUF_UNIT - into);
		b->decode(unit, src, first / GGUF_UNIT, 1);
		memcpy(dst, unit + into, n * sizeof(*dst));
	}
}

void storage_decode(const struct tensor *t, int node, float *dst, size_t first,
		    size_t count)
{
	const struct storage *s = &t->node[node];

	if (s->kind == STORE_RAW)
		decode_raw(&t->part[s->part], dst, first, count);
	else if (s->kind == STORE_GGUF)
		storage_decode_blocks(gguf_block_named(s->format),
				      t->part[s->part].data, dst, first,
				      count);
	else if (s->kind != STORE_CONST)
		decode_coded(t, s, dst, first, count);
	else
		for (size_t i = 0; i < count; i++)
			dst[i] = (float)s->value;
}
