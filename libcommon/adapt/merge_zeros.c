/*
 * A merge into the zeros of an affine tensor: scale (code - zero) + update is
 * scale (code - (zero - update / scale)) where the update is one number for
 * all of a group (QA-LoRA, arXiv:2309.14717, section 3.3).
 */
#include "adapt/merge_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/spec.h"
#include "base/size.h"
#include "weight/storage.h"

enum { ROWS = 16 };     /* of a task */

/* What the configuration makes of a weight's module. */
static const struct adapter_kind *kind_at(json_t *config, const char *weight)
{
	char module[TENSOR_NAME];
	char *dot;
	json_t *own, *rule;
	size_t i;

	snprintf(module, sizeof(module), "%s", weight);
	dot = strrchr(module, '.');
	if (dot)
		*dot = 0;
	own = adapter_config_at(config, module);
	/* Where no rule put an adapter, one that keeps codes is an example. */
	json_array_foreach(json_object_get(own, "rules"), i, rule) {
		const struct adapter_kind *k = adapter_kind_find(
					json_text(rule, "kind", "lora"));

		if (k && k->merge_groups)
			return k;
	}
	return adapter_kind_find(json_text(own, "kind", "lora"));
}

int merger_keeps_codes(const struct merger *m, const struct tensor *t)
{
	if (m->dtype != DTYPE_NONE || t->node[0].kind != STORE_INT)
		return 0;
	for (size_t i = 0; i < m->n; i++) {
		const struct merge_adapter *a = &m->at[i];
		const struct adapter_kind *kind = kind_at(a->config, t->name);

		if (!kind || !kind->merge_groups)
			return 0;
		for (size_t k = 0; k < a->tensors.n; k++) {
			const char *name = a->tensors.at[k].name;

			if (merge_stands_at(&a->tensors.at[k], t->name) &&
			    adapter_kind_marked(strrchr(name, '.') + 1))
				return 0;
		}
	}
	return 1;
}

/* ---- the new tensor ---- */

static int full(const struct tensor *t)
{
	return err_set(E_DATA, "%s: its storage has too many parts", t->name);
}

static int copy_node(struct tensor *to, const struct tensor *from, int i,
		     int *at);

static int copy_child(struct tensor *to, const struct tensor *from, int i,
		      int *at)
{
	*at = -1;
	return i < 0 ? 0 : copy_node(to, from, i, at);
}

/* A node and what is below it, with data; the zero of the root is new. */
static int copy_node(struct tensor *to, const struct tensor *from, int i,
		     int *at)
{
	const struct storage *s = &from->node[i];
	const struct tensor_part *p;
	struct storage *n;

	*at = tensor_node(to, s->kind, s->count);
	if (*at < 0)
		return full(from);
	n = &to->node[*at];
	*n = *s;
	n->book = NULL;
	n->scale = n->zero = n->shift = n->part = -1;
	TRY(copy_child(to, from, s->scale, &n->scale));
	if (!i)
		n->zero = tensor_node(to, STORE_RAW, size_ceil(s->count,
							       s->block));
	else
		TRY(copy_child(to, from, s->zero, &n->zero));
	if (!i && n->zero >= 0) {
		to->node[n->zero].dtype = DTYPE_F32;
		to->node[n->zero].part =
			tensor_part(to, DTYPE_F32, to->node[n->zero].count);
	}
	TRY(copy_child(to, from, s->shift, &n->shift));
	if (s->book) {
		n->book = malloc(sizeof(float) << s->bits);
		if (!n->book)
			return err_set(E_NOMEM, "out of memory");
		memcpy(n->book, s->book, sizeof(float) << s->bits);
	}
	if (s->part < 0)
		return 0;
	p = &from->part[s->part];
	n->part = tensor_part(to, p->dtype, p->count);
	if (n->part < 0 || (!i && to->node[n->zero].part < 0))
		return full(from);
	return 0;
}

/* Bytes of what was copied; both trees are walked in the same order. */
static void copy_parts(struct tensor *to, int n, const struct tensor *from,
		       int i)
{
	const struct storage *a = &to->node[n], *b = &from->node[i];

	if (b->part >= 0)
		memcpy(to->part[a->part].data, from->part[b->part].data,
		       to->part[a->part].bytes);
	if (b->scale >= 0)
		copy_parts(to, a->scale, from, b->scale);
	if (b->zero >= 0 && i)
		copy_parts(to, a->zero, from, b->zero);
	if (b->shift >= 0)
		copy_parts(to, a->shift, from, b->shift);
}

static int make(struct tensor *to, const struct tensor *from)
{
	int root;

	TRY(tensor_init(to, from->name, from->role, from->dtype, from->rank,
			from->shape));
	to->nnode = to->npart = 0;
	TRY(copy_node(to, from, 0, &root));
	TRY(tensor_alloc(to));
	copy_parts(to, 0, from, 0);
	return 0;
}

/* ---- the zeros ---- */

struct job {
	const struct tensor *from;
	const struct merger *m;
	const struct adapter_set *set;  /* one for each of m's adapters */
	float *zero;                    /* (rows, groups), to be filled */
	size_t rows, groups, block;
	float *scratch;                 /* lanes of 2 ROWS groups */
	int *bad;                       /* a task's */
};

static void run(void *ctx, size_t task, size_t lane)
{
	const struct job *j = ctx;
	size_t row = task * ROWS, n = size_min(j->rows - row, ROWS);
	size_t first = row * j->groups, count = n * j->groups;
	float *scale = j->scratch + lane * 2 * ROWS * j->groups;
	float *add = scale + ROWS * j->groups, *zero = j->zero + first;
	const struct storage *s = j->from->node;

	storage_decode(j->from, s[0].scale, scale, first, count);
	if (s[0].zero >= 0)
		storage_decode(j->from, s[0].zero, zero, first, count);
	for (size_t i = 0; i < j->m->n; i++) {
		const struct adapter *a = j->set[i].at;

		if (!j->set[i].n)
			continue;
		j->bad[task] |= a->kind->merge_groups(a, j->m->at[i].scale,
						      j->block, add, row, n);
		for (size_t k = 0; k < count; k++)
			if (add[k] < 0 || add[k] > 0)
				zero[k] = (float)((double)zero[k] -
						  (double)add[k] /
							  (double)scale[k]);
	}
	for (size_t k = 0; k < count; k++)
		j->bad[task] |= !isfinite(zero[k]);
}

int merge_zeros_fit(const struct tensor *from, const struct merger *m,
		    const struct adapter_set *set)
{
	size_t cols = tensor_cols(from), block = from->node[0].block;

	if (cols % block)
		return err_set(E_CONFIG, "%s: groups of %zu do not divide rows "
			       "of %zu; --dtype merges into dense weights",
			       from->name, block, cols);
	for (size_t i = 0; i < m->n; i++) {
		const struct adapter *a = set[i].at;

		if (set[i].n && a->kind->merge_groups(a, 1, block, NULL, 0, 0))
			return err_at(E_CONFIG, "%s", a->module);
	}
	return 0;
}

static int fill(struct job *j, struct pool *pool)
{
	size_t ntask = size_ceil(j->rows, ROWS), bad = 0;

	pool_run(pool, ntask, run, j);
	for (size_t i = 0; i < ntask; i++)
		bad += j->bad[i] != 0;
	return bad ? err_set(E_DATA, "%s: a zero is not finite after merging",
			     j->from->name) : 0;
}

static int merge(struct job *j, struct tensor *to, struct pool *pool)
{
	size_t cols = tensor_cols(j->from);
	int err;

	TRY(merge_zeros_fit(j->from, j->m, j->set));
	j->block = to->node[0].block;
	j->rows = j->from->count / cols;
	j->groups = cols / j->block;
	j->zero = to->part[to->node[to->node[0].zero].part].data;
	j->scratch = malloc(pool_lanes(pool) * 2 * ROWS * j->groups *
			    sizeof(*j->scratch));
	j->bad = calloc(size_ceil(j->rows, ROWS) + 1, sizeof(*j->bad));
	err = j->scratch && j->bad ? fill(j, pool) :
				     err_set(E_NOMEM, "out of memory");
	free(j->scratch);
	free(j->bad);
	return err;
}

int merge_zeros(struct tensor *to, const struct tensor *from,
		struct merger *m, struct pool *pool)
{
	struct adapter_set *set = calloc(m->n, sizeof(*set));
	struct job j = { .from = from, .m = m, .set = set };
	int err = set ? 0 : err_set(E_NOMEM, "out of memory");

	memset(to, 0, sizeof(*to));
	if (!err && storage_check(from))
		err = err_at(E_DATA, "%s", from->name);
	if (!err)
		err = make(to, from);
	if (!err)
		err = merge_sets(set, m, from);
	if (!err)
		err = merge(&j, to, pool);
	for (size_t i = 0; set && i < m->n; i++)
		adapter_set_release(&set[i]);
	free(set);
	if (err)
		tensor_release(to);
	return err;
}

int merge_best(struct tensor *to, const struct tensor *from,
	       struct merger *m, struct pool *pool)
{
	if (merger_keeps_codes(m, from))
		return merge_zeros(to, from, m, pool);
	return merge_tensor(to, from, m, merger_dtype(m, from), pool);
}
