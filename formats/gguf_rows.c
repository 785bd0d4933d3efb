#include "formats/gguf_rows.h"

int gguf_rows_check(const struct gguf_rows *o, const char *name, size_t rows)
{
	if (o->heads && (rows % o->heads || rows / o->heads % 2))
		return err_set(E_DATA, "%s: its %zu rows are no whole pairs "
			       "for %zu heads", name, rows, o->heads);
	if (o->groups && (rows % o->groups || o->dim > rows ||
			  rows / o->groups <= 2 * o->dim))
		return err_set(E_DATA, "%s: its %zu rows are no %zu groups of "
			       "q, k and v", name, rows, o->groups);
	return 0;
}

int gguf_rows_of(struct gguf_rows *o, const struct family_tensor *t,
		 const struct family_config *c, size_t rows)
{
	*o = (struct gguf_rows){ 0 };
	if (t->gguf_permuted)
		TRY(family_size(&o->heads, c, t->permute_heads));
	if (*t->grouped) {
		TRY(family_size(&o->groups, c, t->grouped));
		TRY(family_size(&o->dim, c, "head_dim"));
	}
	return gguf_rows_check(o, t->hf, rows);
}

int gguf_rows_moved(const struct gguf_rows *o)
{
	return o->heads || o->groups;
}

static size_t ungroup(const struct gguf_rows *o, size_t row, size_t rows)
{
	size_t whole = rows / o->groups, q = whole - 2 * o->dim;
	size_t all_q = o->groups * q, all_k = o->groups * o->dim;

	if (row < all_q)
		return row / q * whole + row % q;
	row -= all_q;
	if (row < all_k)
		return row / o->dim * whole + q + row % o->dim;
	row -= all_k;
	return row / o->dim * whole + q + o->dim + row % o->dim;
}

size_t gguf_row(const struct gguf_rows *o, size_t row, size_t rows)
{
	size_t d;

	if (o->groups)
		return ungroup(o, row, rows);
	if (!o->heads)
		return row;
	d = rows / o->heads;
	return row / d * d + row % d % 2 * (d / 2) + row % d / 2;
}
