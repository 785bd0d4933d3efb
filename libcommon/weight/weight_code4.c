/* weight_code4 - one row times codes of 4 bits as they lie, whole numbers and
 * GGUF's blocks; else they go by weight_code8 */
#include <string.h>

#include "base/bytes.h"
#include "base/size.h"
#include "kernel/table.h"
#include "weight/format.h"
#include "weight/gguf_blocks.h"
#include "weight/storage.h"

enum {
	UNIT = GGUF_UNIT,
	DOT_K = 16 * GEMM_KC,   /* k whose scales are laid out for a dot */
	UNITS = DOT_K / UNIT,
};

static const float whole[16] = {
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
};

static const float less8[16] = {
	-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7,
};

/* iq4_nl_book less 128 */
static const float iq4_nl[16] = {
	-127, -104, -83, -65, -49, -35, -22, -10,
	1, 13, 25, 38, 53, 69, 89, 113,
};

/* A block: its d in f16, its m if the form has one, 32 codes. */
static const struct blocks4 {
	const char *name;
	enum code4_form form;
	const float *book;
} row[] = {
	{ "Q4_0", CODE4_HALVES, less8 },
	{ "Q4_1", CODE4_HALVES_PLUS, whole },
	{ "IQ4_NL", CODE4_HALVES, iq4_nl },
};

static const struct blocks4 *blocks4_of(const struct gguf_block *b)
{
	for (size_t i = 0; i < NELEM(row); i++)
		if (!strcmp(row[i].name, b->name))
			return &row[i];
	return NULL;
}

int weight_code4_fits(const struct weight *w)
{
	return w->part[PART_BLOCK] ? blocks4_of(w->part[PART_BLOCK]) != NULL :
				     w->tensor->node[0].bits == 4;
}

/* Laid out as struct dot_code4 has them. */
struct scales {
	float scale[UNITS * DOT_COLUMNS], plus[UNITS * DOT_COLUMNS];
};

/* The f16 that stand at the heads of the blocks of n units of nn rows. */
static void halves(float *dst, const struct dot_code4 *d, const uint8_t *head,
		   size_t n, size_t nn)
{
	uint16_t half[DOT_COLUMNS] = { 0 };

	for (size_t u = 0; u < n; u++) {
		const uint8_t *at = head + dot_code4_at(d, u * UNIT);

		for (size_t j = 0; j < nn; j++, at += d->from.stride)
			half[j] = le16_get(at);
		kernels()->f16_to_f32(dst + u * DOT_COLUMNS, half,
				      DOT_COLUMNS);
	}
}

static void dot_blocks(const struct weight *w, float *y, const float *x,
		       size_t n0, size_t n1, int first)
{
	const struct gguf_block *b = w->part[PART_BLOCK];
	const struct blocks4 *as = blocks4_of(b);
	size_t head = b->bytes - UNIT / 2, stride = w->cols / UNIT * b->bytes;
	struct scales s;

	for (; n0 < n1; n0 += DOT_COLUMNS, y += DOT_COLUMNS) {
		size_t nn = size_min(n1 - n0, DOT_COLUMNS);

		for (size_t k = 0; k < w->cols; k += DOT_K) {
			size_t nk = size_min(w->cols - k, DOT_K);
			const uint8_t *at = (const uint8_t *)
				w->part[PART_CODES] + n0 * stride +
				k / UNIT * b->bytes;
			struct dot_code4 d = {
				{ at + head, stride, as->book, s.scale,
				  DOT_COLUMNS, UNIT, 0 },
				as->form, head, s.plus,
			};

			halves(s.scale, &d, at, nk / UNIT, nn);
			if (has_plus(as->form))
				halves(s.plus, &d, at + 2, nk / UNIT, nn);
			kernels()->dot_code4(y, x + k, &d, nk, nn,
					     first && !k);
		}
	}
}

/* What a node gives for n groups from first on; none: zeros. */
static const float *groups(const struct weight *w, int part, int node,
			   float *room, size_t first, size_t n)
{
	if (w->part[part])
		return (const float *)w->part[part] + first;
	if (node >= 0)
		storage_decode(w->tensor, node, room, first, n);
	else
		memset(room, 0, n * sizeof(*room));
	return room;
}

/* A node's numbers for n units of nn rows, turned: rows of whole groups that
 * follow each other are decoded at once. */
static void turned(const struct weight *w, int part, int node, float *dst,
		   size_t n0, size_t nn, size_t k, size_t nk)
{
	float room[UNITS * DOT_COLUMNS + 2];
	size_t some = nk == w->cols ? nn : 1, each = w->group / UNIT;

	for (size_t j = 0; j < nn; j += some) {
		size_t unit = ((n0 + j) * w->cols + k) / UNIT;
		size_t first = unit / each, left = each - unit % each;
		size_t n = size_ceil(unit + some * nk / UNIT, each) - first;
		const float *s = groups(w, part, node, room, first, n);

		for (size_t i = j; i < j + some; i++)
			for (size_t u = 0; u < nk / UNIT; u++, left--) {
				if (!left) {
					s++;
					left = each;
				}
				dst[u * DOT_COLUMNS + i] = *s;
			}
	}
	for (size_t u = 0; u < nk / UNIT; u++)
		for (size_t j = nn; j < DOT_COLUMNS; j++)
			dst[u * DOT_COLUMNS + j] = 0;
}

static void dot_ints(const struct weight *w, float *y, const float *x,
		     size_t n0, size_t n1, int first)
{
	const struct storage *node = &w->tensor->node[0];
	struct scales s;

	for (; n0 < n1; n0 += DOT_COLUMNS, y += DOT_COLUMNS) {
		size_t nn = size_min(n1 - n0, DOT_COLUMNS);

		for (size_t k = 0; k < w->cols; k += DOT_K) {
			size_t nk = size_min(w->cols - k, DOT_K);
			const struct dot_code4 d = {
				{ (const uint8_t *)w->part[PART_CODES] +
				  (n0 * w->cols + k) / 2, w->cols / 2, whole,
				  s.scale, DOT_COLUMNS, UNIT, 0 },
				CODE4_PAIRS_LESS, 0, s.plus,
			};

			turned(w, PART_SCALE, node->scale, s.scale, n0, nn, k,
			       nk);
			turned(w, PART_ZERO, node->zero, s.plus, n0, nn, k,
			       nk);
			kernels()->dot_code4(y, x + k, &d, nk, nn,
					     first && !k);
		}
	}
}

void weight_code4_dot(const void *weight, float *y, const float *x, size_t n0,
		      size_t n1, int first)
{
	const struct weight *w = weight;

	if (w->part[PART_BLOCK])
		dot_blocks(w, y, x, n0, n1, first);
	else
		dot_ints(w, y, x, n0, n1, first);
}
