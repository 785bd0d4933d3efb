/* weight_nf4 - codes of 4 bits into nf4's book, fp4's, or one of the tensor's
 * own, under f32 scales that are plain or quantised once more; with IR-QLoRA's
 * calibration (quant/icq.h), shifts of the same kind are added */
#include "base/size.h"
#include "kernel/books.h"
#include "kernel/table.h"
#include "weight/format.h"
#include "weight/storage.h"

enum {
	WIDE = GEMM_KC,         /* columns that are packed at once */
	DOT_K = 16 * GEMM_KC,   /* k whose scales are laid out for a dot */
	FEW = 32,               /* scales that do not repay a call */
	RUN = 1536,             /* scales of whole rows at once; a row's DOT_K
				 * have fewer */
	TURNED = 16,            /* rows are best turned by so many */
};

/*
 * Kernels want rows to begin with a unit: 64 or 32 codes, for which one scale
 * serves. Group g of scales is for the units from g << shift on.
 */
struct scales {
	const struct tensor *tensor;
	int node;
	size_t unit;            /* 0: rows do not go into units */
	unsigned shift;
	const float *f32;       /* plain; or: */
	const unsigned char *code;
	const float *nested;
	unsigned nested_shift;
	float offset;
};

static int is_power(size_t x)
{
	return x && !(x & (x - 1));
}

static const void *part_of(const struct tensor *t, const struct storage *s)
{
	return t->part[s->part].data;
}

static int is_f32(const struct tensor *t, int node)
{
	return node >= 0 && t->node[node].kind == STORE_RAW &&
	       t->part[t->node[node].part].dtype == DTYPE_F32;
}

/* QLoRA's double quantisation: its scales in f32, and at most one offset. */
static int is_double(const struct tensor *t, const struct storage *s)
{
	return s->kind == STORE_DYN8 && is_f32(t, s->scale) && s->zero < 0 &&
	       (s->shift < 0 || t->node[s->shift].kind == STORE_CONST) &&
	       is_power(s->block);
}

/* A node's numbers, a group of w each; none: no unit. */
static struct scales numbers_of(const struct weight *w, int node)
{
	const struct tensor *t = w->tensor;
	const struct storage *whole = &t->node[0];
	const struct storage *s = &t->node[node < 0 ? 0 : node];
	struct scales r = { .tensor = t, .node = node };

	if (node < 0 || whole->zero >= 0 || w->cols % 32 ||
	    !is_power(whole->block) || whole->block < 32)
		return r;
	r.unit = w->cols % 64 || whole->block < 64 ? 32 : 64;
	r.shift = (unsigned)__builtin_ctzl(whole->block / r.unit);
	if (is_f32(t, node)) {
		r.f32 = part_of(t, s);
	} else if (is_double(t, s)) {
		r.code = part_of(t, s);
		r.nested = part_of(t, &t->node[s->scale]);
		r.nested_shift = (unsigned)__builtin_ctzl(s->block);
		/* To add -0 changes nothing. */
		r.offset = s->shift < 0 ? -0.0f :
			   (float)t->node[s->shift].value;
	}
	return r;
}

static struct scales scales_of(const struct weight *w)
{
	return numbers_of(w, w->tensor->node[0].scale);
}

static struct scales shifts_of(const struct weight *w)
{
	return numbers_of(w, w->tensor->node[0].shift);
}

static inline float scale_at(const struct scales *s, size_t unit)
{
	size_t group = unit >> s->shift;
	float x;

	if (s->f32)
		return s->f32[group];
	if (s->code)
		return dyn8_book[s->code[group]] *
		       s->nested[group >> s->nested_shift] + s->offset;
	storage_decode(s->tensor, s->node, &x, group, 1);
	return x;
}

/* n scales that are quantised once more, from group first on: those of one
 * nested scale at a time. */
static void nested_scales(const struct scales *s, float *dst, size_t first,
			  size_t n)
{
	for (size_t some; n; n -= some, first += some, dst += some) {
		size_t nested = first >> s->nested_shift;
		const unsigned char *code = s->code + first;
		float by = s->nested[nested], offset = s->offset;

		some = size_min(n, ((nested + 1) << s->nested_shift) - first);
		if (some >= FEW)
			kernels()->decode_dyn8(dst, code, dyn8_book, by,
					       offset, some);
		for (size_t i = 0; some < FEW && i < some; i++)
			dst[i] = dyn8_book[code[i]] * by + offset;
	}
}

/* The scales of n units from first on. */
static void some_scales(const struct scales *s, float *dst, size_t first,
			size_t n)
{
	if (s->code && !s->shift)
		nested_scales(s, dst, first, n);
	else
		for (size_t u = 0; u < n; u++)
			dst[u] = scale_at(s, first + u);
}

/* dst[u * stride + j] = the scale of unit u of n of row j, for rows that
 * begin with unit first and units further on each. */
static void turned_scales(const struct scales *s, float *dst, size_t stride,
			  size_t first, size_t units, size_t n, size_t rows)
{
	size_t most = size_max(RUN / size_max(n, 1), 1), some;
	float run[RUN];

	if (most > TURNED)
		most -= most % TURNED;
	for (size_t j = 0; j < rows; j += some, first += some * units) {
		some = size_min(rows - j, most);
		for (size_t i = 0; n < units && i < some; i++)
			some_scales(s, run + i * n, first + i * units, n);
		if (n == units)
			some_scales(s, run, first, some * n);
		kernels()->transpose(dst + j, stride, run, some, n);
	}
}

/* The scales of nk k from (k0, n0) on, turned; zeros from column nn on. */
static void lay_out(const struct weight *w, const struct scales *s, float *to,
		    size_t stride, size_t k0, size_t nk, size_t n0, size_t nn)
{
	size_t units = w->cols / s->unit, n = nk / s->unit;

	turned_scales(s, to, stride, n0 * units + k0 / s->unit, units, n, nn);
	for (size_t u = 0; u < n; u++)
		for (size_t j = nn; j < stride; j++)
			to[u * stride + j] = 0;
}

/* Sets where the codes of (k0, n0) are and their scales, to scale. */
static void from_nt(const struct weight *w, struct pack_code4 *from,
		    const struct scales *s, float *scale, size_t stride,
		    size_t k0, size_t nk, size_t n0, size_t nn)
{
	lay_out(w, s, scale, stride, k0, nk, n0, nn);
	from->code += n0 * from->stride + k0 / 2;
	from->scale = scale;
	from->scale_stride = stride;
}

static void add(float *dst, float x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] += x;
}

/* The shifts, to panels that are packed. */
static void shift_nt(const struct weight *w, const struct scales *p,
		     float *dst, float *plus, size_t k0, size_t nk, size_t n0,
		     size_t nn)
{
	size_t stride = size_ceil(nn, GEMM_NR) * GEMM_NR;

	lay_out(w, p, plus, stride, k0, nk, n0, nn);
	for (size_t j = 0; j < stride; j += GEMM_NR)
		for (size_t k = 0; k < nk; k++, dst += GEMM_NR)
			for (size_t i = 0; i < GEMM_NR; i++)
				dst[i] += plus[k / p->unit * stride + j + i];
}

static void shift_nn(const struct weight *w, const struct scales *p,
		     float *dst, float *plus, size_t k0, size_t nk, size_t n0,
		     size_t nn)
{
	size_t units = w->cols / p->unit, some;
	size_t n = (n0 + nn - 1) / p->unit - n0 / p->unit + 1;

	for (size_t k = 0; k < nk; k++, dst += GEMM_NR) {
		some_scales(p, plus, (k0 + k) * units + n0 / p->unit, n);
		for (size_t j = 0; j < nn; j += some) {
			size_t unit = (n0 + j) / p->unit;

			some = size_min((unit + 1) * p->unit - n0, nn) - j;
			some = size_min(some, GEMM_NR - j % GEMM_NR);
			add(dst + j / GEMM_NR * GEMM_NR * nk + j % GEMM_NR,
			    plus[unit - n0 / p->unit], some);
		}
	}
}

/* At most WIDE columns, forward: k along the rows of w. */
static void pack_nt(const struct weight *w, struct pack_code4 *from,
		    const struct scales *s, float *dst, size_t k0, size_t nk,
		    size_t n0, size_t nn)
{
	float scale[GEMM_KC / 32 * WIDE];

	from_nt(w, from, s, scale, size_ceil(nn, GEMM_NR) * GEMM_NR, k0, nk,
		n0, nn);
	kernels()->pack_code4_nt(dst, from, nk, nn);
}

/* At most WIDE columns, backward: k along the columns of w. */
static void pack_nn(const struct weight *w, struct pack_code4 *from,
		    const struct scales *s, float *dst, size_t k0, size_t nk,
		    size_t n0, size_t nn)
{
	float scale[GEMM_KC * (WIDE / 32 + 1)];
	size_t units = w->cols / s->unit;
	size_t n = (n0 + nn - 1) / s->unit - n0 / s->unit + 1;

	for (size_t k = 0; k < nk; k++)
		some_scales(s, scale + k * n, (k0 + k) * units +
					      n0 / s->unit, n);
	from->code += k0 * from->stride + n0 / 2;
	from->scale = scale;
	from->scale_stride = n;
	from->phase = n0 % s->unit;
	kernels()->pack_code4_nn(dst, from, nk, nn);
}

static struct pack_code4 codes_of(const struct weight *w,
				  const struct scales *s)
{
	return (struct pack_code4){ part_of(w->tensor, &w->tensor->node[0]),
				    w->cols / 2, w->part[0], NULL, 0, s->unit,
				    0 };
}

static void pack(const void *weight, float *dst, size_t k0, size_t k1,
		 size_t n0, size_t n1, enum gemm_use use)
{
	const struct weight *w = weight;
	struct scales s = scales_of(w), p = shifts_of(w);
	struct pack_code4 from = codes_of(w, &s);
	float plus[GEMM_KC / 32 * WIDE];

	if (!s.unit) {
		weight_any_pack(w, dst, k0, k1, n0, n1, use);
		return;
	}
	for (; n0 < n1; n0 += WIDE, dst += WIDE * (k1 - k0)) {
		size_t nn = size_min(n1 - n0, WIDE);
		struct pack_code4 f = from;

		if (use == GEMM_NT)
			pack_nt(w, &f, &s, dst, k0, k1 - k0, n0, nn);
		else
			pack_nn(w, &f, &s, dst, k0, k1 - k0, n0, nn);
		if (p.unit)
			(use == GEMM_NT ? shift_nt : shift_nn)(
				w, &p, dst, plus, k0, k1 - k0, n0, nn);
	}
}

static void dot(const void *weight, float *y, const float *x, size_t n0,
		size_t n1, int first)
{
	const struct weight *w = weight;
	struct scales s = scales_of(w), p = shifts_of(w);
	float scale[DOT_K / 32 * DOT_COLUMNS], plus[NELEM(scale)];

	for (; n0 < n1; n0 += DOT_COLUMNS, y += DOT_COLUMNS) {
		size_t nn = size_min(n1 - n0, DOT_COLUMNS);

		for (size_t k = 0; k < w->cols; k += DOT_K) {
			struct dot_code4 d = { .from = codes_of(w, &s) };
			size_t nk = size_min(w->cols - k, DOT_K);

			from_nt(w, &d.from, &s, scale, DOT_COLUMNS, k, nk, n0,
				nn);
			if (p.unit) {
				lay_out(w, &p, plus, DOT_COLUMNS, k, nk, n0,
					nn);
				d.form = CODE4_PAIRS_PLUS;
				d.plus = plus;
			}
			kernels()->dot_code4(y, x + k, &d, nk, nn,
					     first && !k);
		}
	}
}

static void rows(const struct weight *w, float *dst, size_t row, size_t n)
{
	struct scales s = scales_of(w), p = shifts_of(w);
	const uint8_t *code = part_of(w->tensor, &w->tensor->node[0]);
	size_t first = s.unit ? row * w->cols / s.unit : 0;
	size_t count = s.unit ? n * w->cols / s.unit : 0;
	float scale[64];

	if (!s.unit)
		weight_any_rows(w, dst, row, n);
	for (size_t u = 0; u < count; u += NELEM(scale)) {
		size_t some = size_min(count - u, NELEM(scale));

		some_scales(&s, scale, first + u, some);
		kernels()->decode_code4(dst + u * s.unit,
					code + (first + u) * s.unit / 2,
					w->part[0], scale, some, s.unit);
		if (p.unit)
			some_scales(&p, scale, first + u, some);
		for (size_t i = 0; p.unit && i < some; i++)
			add(dst + (u + i) * s.unit, scale[i], s.unit);
	}
}

static int is_nf4(const struct tensor *t)
{
	return t->node[0].kind == STORE_NF4;
}

static int is_fp4(const struct tensor *t)
{
	return t->node[0].kind == STORE_FP4;
}

static int is_book4(const struct tensor *t)
{
	return t->node[0].kind == STORE_BOOK && t->node[0].bits == 4;
}

static int bind(struct weight *w)
{
	const struct storage *node = &w->tensor->node[0];

	w->group = node->block;
	w->part[0] = is_book4(w->tensor) ? node->book :
		     is_nf4(w->tensor) ? nf4_book : fp4_book;
	w->dot = scales_of(w).unit ? dot : NULL;
	return 0;
}

const struct weight_format weight_nf4 = { "nf4", is_nf4, bind, pack,
					  rows };
const struct weight_format weight_fp4 = { "fp4", is_fp4, bind, pack,
					  rows };
const struct weight_format weight_book4 = { "book4", is_book4, bind, pack,
					    rows };
