#include "tensor/tensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "base/size.h"

enum { PART_ALIGN = 64 };

static const char *const role_name[ROLE_COUNT] = {
	[ROLE_NONE] = "",          [ROLE_LINEAR] = "linear",
	[ROLE_HEAD] = "head",      [ROLE_EMBED] = "embed",
	[ROLE_NORM] = "norm",      [ROLE_BIAS] = "bias",
	[ROLE_OTHER] = "other",    [ROLE_ADAPTER] = "adapter",
	[ROLE_STATE] = "state",    [ROLE_BLOB] = "blob",
};

const char *tensor_role_name(enum tensor_role r)
{
	return role_name[r];
}

enum tensor_role tensor_role_find(const char *name)
{
	for (int r = 1; r < ROLE_COUNT; r++)
		if (!strcmp(role_name[r], name))
			return (enum tensor_role)r;
	return ROLE_NONE;
}

static int set_shape(struct tensor *t, int rank, const size_t *shape)
{
	size_t bytes;

	if (rank < 0 || rank > TENSOR_RANK)
		return err_set(E_DATA, "%d dimensions, at most %d", rank,
			       TENSOR_RANK);
	t->rank = rank;
	t->count = 1;
	for (int i = 0; i < rank; i++) {
		t->shape[i] = shape[i];
		if (size_mul(&t->count, t->count, shape[i]))
			return err_set(E_DATA, "shape is too large");
	}
	if (dtype_bytes(&bytes, t->dtype, t->count))
		return err_set(E_DATA, "shape is too large");
	return 0;
}

int tensor_init(struct tensor *t, const char *name, enum tensor_role role,
		enum dtype d, int rank, const size_t *shape)
{
	size_t len = strlen(name);

	memset(t, 0, sizeof(*t));
	if (!len || len >= TENSOR_NAME)
		return err_set(E_DATA, "a tensor's name of %zu bytes", len);
	t->role = role;
	t->dtype = d;
	TRY(set_shape(t, rank, shape));
	t->name = strdup(name);
	if (!t->name)
		return err_set(E_NOMEM, "out of memory");
	t->node[tensor_node(t, STORE_RAW, t->count)].part =
		tensor_part(t, d, t->count);
	t->node[0].dtype = d;
	return 0;
}

int tensor_node(struct tensor *t, enum storage_kind kind, size_t count)
{
	if (t->nnode == TENSOR_NODES)
		return -1;
	t->node[t->nnode] = (struct storage){
		.kind = kind, .dtype = t->dtype, .count = count,
		.scale = -1, .zero = -1, .shift = -1, .part = -1,
	};
	return t->nnode++;
}

int tensor_part(struct tensor *t, enum dtype d, size_t count)
{
	struct tensor_part p = { .dtype = d, .count = count };

	if (t->npart == TENSOR_PARTS || dtype_bytes(&p.bytes, d, count))
		return -1;
	t->part[t->npart] = p;
	return t->npart++;
}

static int alloc_part(const struct tensor *t, struct tensor_part *p, int zero)
{
	size_t room;

	if (p->data)
		return 0;
	if (size_add(&room, p->bytes, PART_ALIGN))
		return err_set(E_NOMEM, "%s: too large", t->name);
	room = size_align(size_max(p->bytes, 1), PART_ALIGN);
	p->data = aligned_alloc(PART_ALIGN, room);
	if (!p->data)
		return err_set(E_NOMEM, "%s: no %zu bytes of memory", t->name,
			       room);
	os_pages_huge(p->data, room);
	if (zero)
		memset(p->data, 0, room);
	return 0;
}

int tensor_alloc(struct tensor *t)
{
	for (int i = 0; i < t->npart; i++)
		TRY(alloc_part(t, &t->part[i], 1));
	return 0;
}

int tensor_alloc_unset(struct tensor *t)
{
	for (int i = 0; i < t->npart; i++)
		TRY(alloc_part(t, &t->part[i], 0));
	return 0;
}

/* What of *t is owned, anew. */
static int copy_owned(struct tensor *to, const struct tensor *t)
{
	to->name = strdup(t->name);
	if (!to->name)
		return err_set(E_NOMEM, "out of memory");
	for (int i = 0; i < t->nnode; i++) {
		size_t bytes = sizeof(float) << t->node[i].bits;

		if (!t->node[i].book)
			continue;
		to->node[i].book = malloc(bytes);
		if (!to->node[i].book)
			return err_set(E_NOMEM, "out of memory");
		memcpy(to->node[i].book, t->node[i].book, bytes);
	}
	TRY(tensor_alloc(to));
	for (int i = 0; i < t->npart; i++)
		memcpy(to->part[i].data, t->part[i].data, t->part[i].bytes);
	return 0;
}

int tensor_copy(struct tensor *to, const struct tensor *t)
{
	int err;

	*to = *t;
	for (int i = 0; i < TENSOR_NODES; i++)
		to->node[i].book = NULL;
	for (int i = 0; i < TENSOR_PARTS; i++)
		to->part[i].data = NULL;
	err = copy_owned(to, t);
	if (err)
		tensor_release(to);
	return err;
}

size_t tensor_bytes(const struct tensor *t)
{
	size_t sum = 0;

	for (int i = 0; i < t->npart; i++)
		sum += t->part[i].bytes;
	return sum;
}

int tensor_is_plain(const struct tensor *t)
{
	return t->nnode == 1 && t->node[0].kind == STORE_RAW;
}

size_t tensor_rows(const struct tensor *t)
{
	return t->rank > 1 ? t->shape[0] : 1;
}

size_t tensor_cols(const struct tensor *t)
{
	size_t rows = tensor_rows(t);

	return rows ? t->count / rows : 0;
}

const char *tensor_shape_text(char *buf, int rank, const size_t *shape)
{
	size_t n = 0;

	buf[0] = 0;
	for (int i = 0; i < rank && n < 128; i++)
		n += (size_t)snprintf(buf + n, 128 - n, "%s%zu",
				      i ? "x" : "", shape[i]);
	return rank ? buf : "scalar";
}

void tensor_move(struct tensor *to, struct tensor *from)
{
	*to = *from;
	memset(from, 0, sizeof(*from));
}

void tensor_release(struct tensor *t)
{
	free(t->name);
	for (int i = 0; i < t->nnode; i++)
		free(t->node[i].book);
	for (int i = 0; i < t->npart; i++)
		free(t->part[i].data);
	memset(t, 0, sizeof(*t));
}

int tensor_set_take(struct tensor_set *s, struct tensor *t)
{
	if (tensor_set_find(s, t->name))
		return err_set(E_DATA, "%s: there are two of it", t->name);
	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		struct tensor *at = realloc(s->at, room * sizeof(*at));

		if (!at)
			return err_set(E_NOMEM, "out of memory");
		s->at = at;
		s->room = room;
	}
	tensor_move(&s->at[s->n++], t);
	return 0;
}

struct tensor *tensor_set_find(const struct tensor_set *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->at[i].name, name))
			return &s->at[i];
	return NULL;
}

void tensor_set_release(struct tensor_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		tensor_release(&s->at[i]);
	free(s->at);
	memset(s, 0, sizeof(*s));
}
