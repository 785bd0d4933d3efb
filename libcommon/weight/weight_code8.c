/* weight_code8 - blocks and whole numbers under scales: what is unpacked to
 * codes of a byte on its way */
#include <stdint.h>

#include "base/size.h"
#include "kernel/table.h"
#include "weight/format.h"
#include "weight/gguf_blocks.h"
#include "weight/storage.h"

enum {
	UNIT = GGUF_UNIT,
	SCALES = GEMM_KC / 16,  /* of a row's GEMM_KC codes, at most */
	WIDE = GEMM_KC,         /* columns that are packed at once, backward */
	DEEP = 16,              /* of so many k */
};

static const struct gguf_codes ints = { NULL, CODE8_LESS, UNIT };

static const struct gguf_codes *codes_of(const struct weight *w)
{
	const struct gguf_block *b = w->part[PART_BLOCK];

	return b ? b->codes : &ints;
}

static int is_f32(const struct tensor *t, int node)
{
	return node >= 0 && t->node[node].kind == STORE_RAW &&
	       t->part[t->node[node].part].dtype == DTYPE_F32;
}

/*
 * A place in w, unit by unit: whole is the block or the group of scales that
 * it is in, rest its units before the place. A division takes as long as
 * twenty codes, so rows are counted on.
 */
struct place {
	size_t unit, whole, rest;
	size_t units;           /* of a whole one */
	size_t row_units, row_whole, row_rest;
	size_t row_bytes;
};

static struct place place_of(const struct weight *w, size_t row, size_t k)
{
	const struct gguf_block *b = w->part[PART_BLOCK];
	size_t units = (b ? b->count : w->group) / UNIT;
	struct place p = { .unit = (row * w->cols + k) / UNIT, .units = units,
			   .row_units = w->cols / UNIT };

	p.whole = p.unit / units;
	p.rest = p.unit % units;
	p.row_whole = p.row_units / units;
	p.row_rest = p.row_units % units;
	p.row_bytes = b ? p.row_units * b->bytes / units :
			  p.row_units * UNIT / 8 *
			  (size_t)w->tensor->node[0].bits;
	return p;
}

static void next_row(struct place *p)
{
	p->unit += p->row_units;
	p->whole += p->row_whole;
	p->rest += p->row_rest;
	if (p->rest >= p->units) {
		p->rest -= p->units;
		p->whole++;
	}
}

/* What a node gives for the groups of n units; none: zeros. */
static const float *groups(const struct weight *w, int part, int node,
			   float *room, const struct place *p, size_t n)
{
	if (w->part[part])
		return (const float *)w->part[part] + p->whole;
	n = size_ceil(p->rest + n, p->units);
	if (node >= 0)
		storage_decode(w->tensor, node, room, p->whole, n);
	else
		for (size_t i = 0; i < n; i++)
			room[i] = 0;
	return room;
}

/* n units of whole numbers. */
static void unpack_ints(const struct weight *w, const struct unpacked *to,
			const struct place *p, size_t n)
{
	const struct storage *s = &w->tensor->node[0];
	float room[2][SCALES + 1];
	const float *scale = groups(w, PART_SCALE, s->scale, room[0], p, n);
	const float *zero = groups(w, PART_ZERO, s->zero, room[1], p, n);
	size_t left = p->units - p->rest;

	kernels()->unpack_codes(to->code, (const uint8_t *)w->part[PART_CODES] +
				p->unit * (UNIT / 8) * (size_t)s->bits,
				s->bits, n);
	for (size_t u = 0; u < n; u++, left--) {
		if (!left) {
			scale++;
			zero++;
			left = p->units;
		}
		to->scale[u * to->stride] = *scale;
		to->plus[u * to->stride] = *zero;
	}
}

/* Asks for n units ahead rows further on, which may be past the last: nothing
 * but this foresees them. */
static void soon(const struct weight *w, const struct place *p, size_t n,
		 size_t ahead)
{
	const struct gguf_block *b = w->part[PART_BLOCK];
	size_t unit = UNIT / 8 * (size_t)w->tensor->node[0].bits;
	size_t at = b ? p->whole * b->bytes : p->unit * unit;
	size_t bytes = b ? n * b->bytes : n * unit;

	if (b && p->units > 1)
		bytes = (n + p->rest + 7) / 8 * b->bytes;
	at += (size_t)(uintptr_t)w->part[PART_CODES] + ahead * p->row_bytes;
	for (size_t i = 0; i < bytes + 63; i += 64)
		__builtin_prefetch((const void *)(uintptr_t)(at + i));
}

/* n units from a place on; ahead: so many rows, what is to come. */
static void unpack(const struct weight *w, const struct unpacked *to,
		   const struct place *p, size_t n, size_t ahead)
{
	const struct gguf_block *b = w->part[PART_BLOCK];

	soon(w, p, n, ahead);
	if (b)
		b->codes->unpack(to, w->part[PART_CODES], p->unit, n);
	else
		unpack_ints(w, to, p, n);
}

/* nk codes from k on of n rows, each after the other; columns of scales are
 * rows of w. */
static void unpack_rows(const struct weight *w, const struct unpacked *to,
			size_t row, size_t n, size_t k, size_t nk, size_t ahead)
{
	struct place p = place_of(w, row, k);
	struct unpacked at = *to;

	for (size_t r = 0; r < n; r++, at.code += nk, at.scale++, at.plus++) {
		unpack(w, &at, &p, nk / UNIT, ahead);
		next_row(&p);
	}
}

static struct pack_code8 packed(const struct weight *w,
				const struct unpacked *to, size_t stride)
{
	const struct gguf_codes *c = codes_of(w);

	return (struct pack_code8){ to->code, stride, c->form, to->scale,
				    to->plus, to->stride, c->unit, 0 };
}

/* A panel, forward: k along the rows of w. */
static void pack_nt(const struct weight *w, float *dst, size_t k0, size_t nk,
		    size_t n0, size_t nn)
{
	uint8_t code[GEMM_NR * GEMM_KC];
	float scale[SCALES * GEMM_NR] = { 0 }, plus[SCALES * GEMM_NR] = { 0 };
	const struct unpacked to = { code, scale, plus, GEMM_NR };
	const struct pack_code8 from = packed(w, &to, nk);

	unpack_rows(w, &to, n0, nn, k0, nk, GEMM_NR);
	kernels()->pack_code8_nt(dst, &from, nk, nn);
}

/* At most WIDE columns, backward: k along the columns of w, whose units may
 * begin before n0. */
static void pack_nn(const struct weight *w, float *dst, size_t k0, size_t nk,
		    size_t n0, size_t nn)
{
	enum { CODES_WIDE = WIDE + UNIT, SCALES_WIDE = CODES_WIDE / 16 };
	uint8_t code[DEEP * CODES_WIDE];
	float scale[DEEP * SCALES_WIDE], plus[DEEP * SCALES_WIDE];
	size_t phase = n0 % UNIT, whole = size_align(phase + nn, UNIT);
	const struct unpacked to = { code, scale, plus, 1 };
	struct pack_code8 from = packed(w, &to, whole);
	struct place p = place_of(w, k0, n0 - phase);

	from.code += phase;
	from.phase = phase;
	from.scale_stride = whole / from.unit;
	for (size_t k = 0; k < nk; k += DEEP) {
		size_t deep = size_min(nk - k, DEEP);
		struct unpacked at = to;

		for (size_t i = 0; i < deep; i++) {
			unpack(w, &at, &p, whole / UNIT, DEEP);
			next_row(&p);
			at.code += whole;
			at.scale += from.scale_stride;
			at.plus += from.scale_stride;
		}
		kernels()->pack_code8_nn(dst + k * GEMM_NR, nk * GEMM_NR,
					 &from, deep, nn);
	}
}

/* Do rows begin with a unit, and has all of a unit one scale? */
static int fits(const struct weight *w)
{
	const struct storage *s = &w->tensor->node[0];

	return w->cols % UNIT == 0 &&
	       (w->part[PART_BLOCK] || (s->block % UNIT == 0 && s->shift < 0));
}

static void pack(const void *weight, float *dst, size_t k0, size_t k1,
		 size_t n0, size_t n1, enum gemm_use use)
{
	const struct weight *w = weight;
	size_t nk = k1 - k0, most = use == GEMM_NT ? GEMM_NR : WIDE;

	if (!fits(w)) {
		weight_any_pack(w, dst, k0, k1, n0, n1, use);
		return;
	}
	for (; n0 < n1; n0 += most, dst += most * nk) {
		size_t nn = size_min(n1 - n0, most);

		if (use == GEMM_NT)
			pack_nt(w, dst, k0, nk, n0, nn);
		else
			pack_nn(w, dst, k0, nk, n0, nn);
	}
}

static void dot(const void *weight, float *y, const float *x, size_t n0,
		size_t n1, int first)
{
	const struct weight *w = weight;
	uint8_t code[DOT_COLUMNS * GEMM_KC];
	float scale[SCALES * DOT_COLUMNS] = { 0 };
	float plus[SCALES * DOT_COLUMNS] = { 0 };
	const struct unpacked to = { code, scale, plus, DOT_COLUMNS };

	for (; n0 < n1; n0 += DOT_COLUMNS, y += DOT_COLUMNS) {
		size_t nn = size_min(n1 - n0, DOT_COLUMNS);

		for (size_t k = 0; k < w->cols; k += GEMM_KC) {
			size_t nk = size_min(w->cols - k, GEMM_KC);
			const struct pack_code8 from = packed(w, &to, nk);

			unpack_rows(w, &to, n0, nn, k, nk, DOT_COLUMNS);
			kernels()->dot_code8(y, x + k, &from, nk, nn,
					     first && !k);
		}
	}
}

static int match(const struct tensor *t)
{
	return t->node[0].kind == STORE_GGUF || t->node[0].kind == STORE_INT;
}

static int bind(struct weight *w)
{
	const struct tensor *t = w->tensor;
	const struct storage *s = &t->node[0];

	w->group = s->block;
	w->part[PART_CODES] = t->part[s->part].data;
	if (s->kind == STORE_GGUF)
		w->part[PART_BLOCK] = gguf_block_named(s->format);
	if (is_f32(t, s->scale))
		w->part[PART_SCALE] = t->part[t->node[s->scale].part].data;
	if (is_f32(t, s->zero))
		w->part[PART_ZERO] = t->part[t->node[s->zero].part].data;
	w->dot = !fits(w) ? NULL : weight_code4_fits(w) ? weight_code4_dot :
							  dot;
	return 0;
}

const struct weight_format weight_code8 = { "code8", match, bind, pack,
					    weight_any_rows };
