#include "adapt/merge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/merge_parts.h"
#include "adapt/spec.h"
#include "base/size.h"

enum { STRIP = 1 << 15 }; /* elements of a task, about */

int merger_add(struct merger *m, struct tensor_set *tensors, json_t *config,
	       float scale)
{
	unsigned char *used = calloc(tensors->n + 1, 1);
	struct merge_adapter *at =
		realloc(m->at, (m->n + 1) * sizeof(*m->at));

	if (at)
		m->at = at;
	if (!at || !used) {
		free(used);
		return err_set(E_NOMEM, "out of memory");
	}
	at[m->n++] = (struct merge_adapter){ *tensors, config, scale, used };
	memset(tensors, 0, sizeof(*tensors));
	return 0;
}

void merger_release(struct merger *m)
{
	for (size_t i = 0; i < m->n; i++) {
		tensor_set_release(&m->at[i].tensors);
		json_decref(m->at[i].config);
		free(m->at[i].used);
	}
	free(m->at);
	memset(m, 0, sizeof(*m));
}

static size_t count_at(const struct merge_adapter *a, const char *weight)
{
	size_t n = 0;

	for (size_t i = 0; i < a->tensors.n; i++)
		n += (size_t)merge_stands_at(&a->tensors.at[i], weight);
	return n;
}

int merger_changes(const struct merger *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (count_at(&m->at[i], name))
			return 1;
	return 0;
}

int merger_changes_alone(const struct merger *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; k < m->at[i].tensors.n; k++) {
			const struct tensor *t = &m->at[i].tensors.at[k];
			const struct adapter_kind *kind;

			if (!merge_stands_at(t, name))
				continue;
			kind = adapter_kind_marked(strrchr(t->name, '.') + 1);
			if (!kind || !kind->follows)
				return 1;
		}
	return 0;
}

enum dtype merger_dtype(const struct merger *m, const struct tensor *t)
{
	enum dtype was = t->node[0].dtype;

	if (m->dtype != DTYPE_NONE && (m->all || !tensor_is_plain(t)))
		return m->dtype;
	return was == DTYPE_F64 || !dtype_is_float(was) ? DTYPE_F32 : was;
}

/* The parameters at t, borrowed, as a set with its adapter made. */
static int make_set(struct adapter_set *s, struct merge_adapter *a,
		    const struct tensor *t)
{
	struct adapter_sites sites = { 0 };
	struct tensor_set here = { 0 };
	int err;

	here.at = calloc(a->tensors.n + 1, sizeof(*here.at));
	if (!here.at)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < a->tensors.n; i++)
		if (merge_is_of(&a->tensors.at[i], t->name)) {
			here.at[here.n++] = a->tensors.at[i];
			a->used[i] |= (unsigned char)merge_stands_at(
						&a->tensors.at[i], t->name);
		}
	err = adapter_sites_add(&sites, t);
	if (!err)
		err = adapter_set_read(s, a->config, &here, &sites);
	if (!err)
		err = adapter_set_place(s, 0);
	if (!err)
		err = adapter_set_load(s, &here);
	adapter_sites_release(&sites);
	free(here.at); /* its tensors are a's */
	return err;
}

int merge_sets(struct adapter_set *set, struct merger *m,
	       const struct tensor *from)
{
	for (size_t i = 0; i < m->n; i++)
		if (count_at(&m->at[i], from->name))
			TRY(make_set(&set[i], &m->at[i], from));
	return 0;
}

struct job {
	const struct tensor *from;
	struct tensor *to;
	const struct merger *m;
	const struct adapter_set *set;  /* one for each of m's adapters */
	struct weight w;        /* from, where an adapter stands */
	enum dtype d;
	size_t unit, span;      /* elements of a row; rows of a task */
	float *scratch;         /* lanes of 2 span unit */
	size_t *bad;            /* a task's first bad element + 1 */
	int *err;               /* a task's */
};

/* dst += the update, rounded to d first. */
static int merge_safe(const struct job *j, const struct adapter *a,
		      float scale, float *dst, float *room, size_t row,
		      size_t n)
{
	size_t count = n * j->unit;

	memset(room, 0, count * sizeof(*room));
	TRY(a->kind->merge(a, &j->w, scale, room, row, n));
	for (size_t i = 0; i < count; i++) {
		char raw[8];

		dtype_from_f32(raw, j->d, &room[i], 1);
		dtype_to_f32(&room[i], j->d, raw, 1);
		dst[i] += room[i];
	}
	return 0;
}

static int merge_rows(const struct job *j, float *dst, float *room, size_t row,
		      size_t n)
{
	for (size_t i = 0; j->set && i < j->m->n; i++) {
		const struct adapter *a = j->set[i].at;
		float scale = j->m->at[i].scale;

		if (!j->set[i].n)
			continue;
		if (j->m->peft_safe && a->kind->merge_adds)
			TRY(merge_safe(j, a, scale, dst, room, row, n));
		else
			TRY(a->kind->merge(a, &j->w, scale, dst, row, n));
	}
	return 0;
}

/* The first of n values that is not finite when stored; n: none. */
static size_t find_bad(const struct job *j, const void *raw, float *room,
		       size_t n)
{
	size_t i = 0;

	dtype_to_f32(room, j->d, raw, n);
	while (i < n && isfinite(room[i]))
		i++;
	return i;
}

static void run(void *ctx, size_t task, size_t lane)
{
	const struct job *j = ctx;
	size_t rows = j->from->count / j->unit, row = task * j->span;
	size_t n = size_min(j->span, rows - row), count = n * j->unit;
	float *dst = j->scratch + lane * 2 * j->span * j->unit;
	float *room = dst + j->span * j->unit;
	char *out = (char *)j->to->part[0].data +
		    row * j->unit * dtype_bits(j->d) / 8;
	size_t bad;

	j->err[task] = weight_decode(j->from, dst, row * j->unit, count);
	if (!j->err[task])
		j->err[task] = merge_rows(j, dst, room, row, n);
	if (j->err[task])
		return;
	dtype_from_f32(out, j->d, dst, count);
	bad = find_bad(j, out, room, count);
	j->bad[task] = bad < count ? row * j->unit + bad + 1 : 0;
}

static int check(const struct job *j, size_t ntask)
{
	for (size_t i = 0; i < ntask; i++) {
		if (j->err[i])
			return err_set(j->err[i], "%s: cannot be merged",
				       j->from->name);
		if (j->bad[i])
			return err_set(E_DATA, "%s: element %zu is not finite "
				       "as %s after merging", j->from->name,
				       j->bad[i] - 1, dtype_name(j->d));
	}
	return 0;
}

static int run_all(struct job *j, struct pool *pool)
{
	size_t rows = j->from->count / j->unit, ntask;
	int err;

	j->span = size_max(1, STRIP / j->unit);
	ntask = size_ceil(rows, j->span);
	j->scratch = malloc(pool_lanes(pool) * 2 * j->span * j->unit *
			    sizeof(float));
	j->bad = calloc(ntask + 1, sizeof(*j->bad));
	j->err = calloc(ntask + 1, sizeof(*j->err));
	if (j->scratch && j->bad && j->err) {
		pool_run(pool, ntask, run, j);
		err = check(j, ntask);
	} else {
		err = err_set(E_NOMEM, "%s: out of memory", j->from->name);
	}
	free(j->scratch);
	free(j->bad);
	free(j->err);
	return err;
}

/* The adapters' own rows, around run_all(). */
static int run_adapted(struct job *j, struct merger *m, struct pool *pool)
{
	struct adapter_set *set = calloc(m->n, sizeof(*set));
	int err = weight_bind(&j->w, j->from);

	if (!err && !set)
		err = err_set(E_NOMEM, "out of memory");
	if (!err)
		err = merge_sets(set, m, j->from);
	j->set = set;
	j->unit = j->w.cols;
	if (!err)
		err = run_all(j, pool);
	for (size_t i = 0; set && i < m->n; i++)
		adapter_set_release(&set[i]);
	free(set);
	return err;
}

/* A vector is small: its values at once. */
static int run_bias(const struct job *j, struct merger *m)
{
	size_t n = j->from->count, bad;
	float *x = malloc((2 * n + 1) * sizeof(*x));
	int err = x ? weight_decode(j->from, x, 0, n) :
		      err_set(E_NOMEM, "out of memory");

	if (!err)
		err = merge_bias(x, n, m, j->from->name);
	if (!err) {
		dtype_from_f32(j->to->part[0].data, j->d, x, n);
		bad = find_bad(j, j->to->part[0].data, x + n, n);
		if (bad < n)
			err = err_set(E_DATA, "%s: element %zu is not finite "
				      "as %s after merging", j->from->name,
				      bad, dtype_name(j->d));
	}
	free(x);
	return err;
}

static int run_changed(struct job *j, struct merger *m, struct pool *pool)
{
	return j->from->role == ROLE_BIAS ? run_bias(j, m) :
					    run_adapted(j, m, pool);
}

int merge_tensor(struct tensor *to, const struct tensor *from,
		 struct merger *m, enum dtype d, struct pool *pool)
{
	struct job j = { .from = from, .to = to, .m = m, .d = d, .unit = 1 };
	int err = tensor_init(to, from->name, from->role, d, from->rank,
			      from->shape);

	if (!err)
		err = tensor_alloc(to);
	if (!err)
		err = merger_changes(m, from->name) ? run_changed(&j, m, pool)
					      : run_all(&j, pool);
	if (err)
		tensor_release(to);
	return err;
}

int merge_no_place(const char *name)
{
	const char *dot = strrchr(name, '.');

	if (dot && !strcmp(dot, ".lora_B_bias"))
		return err_set(E_DATA, "%s: the base has no bias there that it "
			       "could be merged into; keep the adapter beside "
			       "the base, or train --method lora", name);
	return err_set(E_DATA, "the adapter's %s has no place in the base",
		       name);
}

int merger_finish(const struct merger *m)
{
	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; k < m->at[i].tensors.n; k++)
			if (!m->at[i].used[k])
				return merge_no_place(
						m->at[i].tensors.at[k].name);
	return 0;
}
