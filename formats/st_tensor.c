/* st_tensor - TENS headers, from tensors and back */
#include "formats/st_header.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "formats/st_storage.h"

enum {
	PATH = 128,             /* bytes of a part's name */
	DIM = 48, COUNT = 50,   /* powers of two: a dimension, a tensor */
};

/* ---- writing ---- */

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
		st_storage_put(o, t);
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
		    st_dtype_get(&d, msg_at(p, 1)) ||
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
	int rank = 0;

	if (st_dtype_get(&d, msg_find(v, "dtype")))
		return err_set(E_DATA, "unknown dtype");
	TRY(get_shape(shape, &rank, msg_find(v, "shape")));
	if (msg_find(v, "role") &&
	    msg_text(msg_find(v, "role"), role, sizeof(role)))
		return err_set(E_DATA, "role is no word");
	TRY(tensor_init(t, name, tensor_role_find(role), d, rank, shape));
	if (enc)
		TRY(st_storage_get(t, enc));
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
