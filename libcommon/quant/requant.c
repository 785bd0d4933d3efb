#include "quant/requant.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/size.h"
#include "quant/quant_int.h"
#include "weight/storage.h"

enum { CHUNK = 1 << 15 };

static int cannot(const struct tensor *base)
{
	return err_set(E_CONFIG, "%s: stored as %s of a form that cannot be "
		       "made again here; without --requantise it becomes dense",
		       base->name,
		       storage_kind_name(base->node[0].kind));
}

/* As base was quantised. */
static int nf4_again(struct tensor *to, const struct tensor *base,
		     const struct tensor *merged, enum quant_rule rule,
		     struct pool *pool)
{
	const struct storage *s = base->node;
	int scale = s[0].scale;
	struct quant_nf4 q;

	if (s[0].shift >= 0 || scale < 0 ||
	    (s[scale].kind != STORE_RAW && s[scale].kind != STORE_DYN8) ||
	    !quant_nf4_block_ok(s[0].block))
		return cannot(base);
	q = (struct quant_nf4){ s[0].block, s[scale].kind == STORE_DYN8,
				rule };
	return quant_nf4(to, merged, &q, pool);
}

static int int_again(struct tensor *to, const struct tensor *base,
		     const struct tensor *merged, enum quant_rule rule,
		     struct pool *pool)
{
	const struct storage *s = base->node;
	int scale = s[0].scale, zero = s[0].zero;
	struct quant_int q;

	(void)rule;
	if (s[0].shift >= 0 || scale < 0 || zero < 0 ||
	    !quant_int_bits_ok((size_t)s[0].bits) ||
	    s[scale].kind != STORE_RAW ||
	    (s[zero].kind != STORE_RAW && s[zero].kind != STORE_CONST))
		return cannot(base);
	q = (struct quant_int){
		.grid = { s[0].bits, s[zero].kind == STORE_CONST ? GRID_MIDDLE :
			  dtype_is_float(s[zero].dtype) ? GRID_REAL :
							  GRID_WHOLE,
			  s[scale].dtype, NULL },
		.group = s[0].block,
	};
	return quant_int(to, merged, &q, pool);
}

static const struct {
	enum storage_kind kind;
	int (*again)(struct tensor *to, const struct tensor *base,
		     const struct tensor *merged, enum quant_rule rule,
		     struct pool *pool);
} storages[] = {
	{ STORE_NF4, nf4_again },
	{ STORE_INT, int_again },
};

static int quantise_again(struct tensor *to, const struct tensor *base,
			  const struct tensor *merged, enum quant_rule rule,
			  struct pool *pool)
{
	for (size_t i = 0; i < NELEM(storages); i++)
		if (storages[i].kind == base->node[0].kind)
			return storages[i].again(to, base, merged, rule, pool);
	return cannot(base);
}

struct sums {
	double delta, kept, error;
};

struct job {
	const struct tensor *base, *merged, *after;
	float *scratch;         /* lanes of 2 CHUNK */
	struct sums *sum;       /* a task's */
};

static void add_up(void *ctx, size_t task, size_t lane)
{
	const struct job *j = ctx;
	size_t first = task * CHUNK;
	size_t n = size_min(CHUNK, j->base->count - first);
	float *w = j->scratch + lane * 2 * CHUNK, *q = w + CHUNK;
	const float *m = (const float *)j->merged->part[0].data + first;
	struct sums s = { 0 };

	storage_decode(j->base, 0, w, first, n);
	storage_decode(j->after, 0, q, first, n);
	for (size_t i = 0; i < n; i++) {
		double delta = (double)m[i] - w[i];
		double error = (double)q[i] - m[i];

		s.delta += delta * delta;
		s.kept += ((double)q[i] - w[i]) * delta;
		s.error += error * error;
	}
	j->sum[task] = s;
}

static int compare(struct job *j, struct requant_report *r, struct pool *pool)
{
	size_t ntask = size_ceil(j->base->count, CHUNK);
	struct sums all = { 0 };
	int err = 0;

	j->scratch = malloc(pool_lanes(pool) * 2 * CHUNK * sizeof(float));
	j->sum = calloc(ntask + 1, sizeof(*j->sum));
	if (j->scratch && j->sum)
		pool_run(pool, ntask, add_up, j);
	else
		err = err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; !err && i < ntask; i++) {
		all.delta += j->sum[i].delta;
		all.kept += j->sum[i].kept;
		all.error += j->sum[i].error;
	}
	free(j->scratch);
	free(j->sum);
	*r = (struct requant_report){ sqrt(all.delta), all.kept / all.delta,
				      sqrt(all.error) };
	return err;
}

int requant(struct tensor *to, const struct tensor *base,
	    const struct tensor *merged, enum quant_rule rule,
	    struct requant_report *report, struct pool *pool)
{
	struct job j = { base, merged, to };
	int err;

	if (storage_check(base))
		return err_at(E_DATA, "%s", base->name);
	TRY(quantise_again(to, base, merged, rule, pool));
	to->dtype = base->dtype;
	to->node[0].dtype = base->node[0].dtype;
	err = compare(&j, report, pool);
	if (err)
		tensor_release(to);
	return err;
}

void requant_add(struct requant_report *all, const struct requant_report *r)
{
	double was = all->delta * all->delta, more = r->delta * r->delta;

	if (more > 0)
		all->survived = (was * (was > 0 ? all->survived : 0) +
				 more * r->survived) / (was + more);
	all->delta = sqrt(was + more);
	all->error = sqrt(all->error * all->error + r->error * r->error);
}

const char *requant_text(char buf[REQUANT_TEXT], const char *name,
			 const struct requant_report *r)
{
	if (!r)
		snprintf(buf, REQUANT_TEXT, "%-52s %10s %8s %8s", name,
			 "delta", "survived", "error");
	else if (r->delta > 0)
		snprintf(buf, REQUANT_TEXT, "%-52s %10.4g %8.4f %8.4f", name,
			 r->delta, r->survived, r->error / r->delta);
	else
		snprintf(buf, REQUANT_TEXT, "%-52s %10.4g %8s %8s", name, 0.0,
			 "-", "-");
	return buf;
}

int requant_json(json_t **line, const char *name,
		 const struct requant_report *r)
{
	*line = r->delta > 0 ?
			json_pack("{s:s, s:f, s:f, s:f}", "tensor", name,
				  "delta", r->delta, "survived", r->survived,
				  "error", r->error / r->delta) :
			json_pack("{s:s, s:f}", "tensor", name, "delta", 0.0);
	return *line ? 0 : err_set(E_NOMEM, "out of memory");
}
