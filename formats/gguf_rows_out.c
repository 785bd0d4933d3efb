#include "formats/gguf_rows_out.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "weight/storage.h"
#include "weight/weight.h"

enum { CHUNK = 64 << 10 };      /* values encoded at a time, at least a row */

struct work {
	const struct tensor *t;
	const struct gguf_form *f;
	size_t rows, cols;
	size_t row_bytes;
	float *value;           /* (cols) */
	unsigned char *out;     /* some rows */
};

static int is_same(const struct tensor *t, const struct gguf_form *f)
{
	if (f->plus != 0 || f->times != 0)
		return 0;
	if (storage_is_blocks(t))
		return gguf_block_named(t->node[0].format) == f->block;
	return tensor_is_plain(t) && t->dtype == f->block->dtype;
}

static int encode(const struct work *w, unsigned char *dst)
{
	const struct gguf_form *f = w->f;
	float times = f->times != 0 ? f->times : 1;

	for (size_t i = 0; i < w->cols; i++) {
		w->value[i] = w->value[i] * times + f->plus;
		if (f->block->encode && !isfinite(w->value[i]))
			return err_set(E_DATA, "%s: has values that are not "
				       "finite", w->t->name);
	}
	if (f->block->encode)
		f->block->encode(dst, w->value, w->cols / f->block->count);
	else if (dtype_from_f32(dst, f->block->dtype, w->value, w->cols))
		return err_set(E_DATA, "%s: cannot be %s", w->t->name,
			       f->block->name);
	return 0;
}

/* Row of the file, from where the stream has it, to dst. */
static int make_row(const struct work *w, size_t row, unsigned char *dst)
{
	size_t at = gguf_row(&w->f->rows, row, w->rows);
	const char *data = w->t->part[0].data;

	if (is_same(w->t, w->f)) {
		memcpy(dst, data + at * w->row_bytes, w->row_bytes);
		return 0;
	}
	TRY(weight_decode(w->t, w->value, at * w->cols, w->cols));
	return encode(w, dst);
}

static int run(struct work *w, struct gguf_out *o)
{
	size_t some = size_min(size_max(CHUNK / w->cols, 1), w->rows);
	int err = 0;

	w->value = malloc(w->cols * sizeof(*w->value));
	w->out = malloc(some * w->row_bytes);
	if (!w->value || !w->out)
		err = err_set(E_NOMEM, "out of memory");
	for (size_t row = 0; row < w->rows && !err; row += some) {
		size_t n = size_min(some, w->rows - row);

		for (size_t i = 0; i < n && !err; i++)
			err = make_row(w, row + i, w->out + i * w->row_bytes);
		if (!err)
			err = gguf_out_data(o, w->out, n * w->row_bytes);
	}
	free(w->value);
	free(w->out);
	return err;
}

int gguf_out_rows(struct gguf_out *o, const char *name, const struct tensor *t,
		  const struct gguf_form *f)
{
	struct work w = { .t = t, .f = f };

	TRY(gguf_out_tensor(o, name, f->block, t->rank, t->shape));
	if (!gguf_rows_moved(&f->rows) && is_same(t, f))
		return gguf_out_data(o, t->part[0].data, t->part[0].bytes);
	/* A vector's elements move like the rows they belong to. */
	w.rows = t->rank < 2 ? t->count : tensor_rows(t);
	w.cols = t->rank < 2 ? 1 : tensor_cols(t);
	w.row_bytes = w.cols / f->block->count * f->block->bytes;
	return run(&w, o);
}
