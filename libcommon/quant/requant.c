#include "quant/requant.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/size.h"
#include "quant/quant_int.h"
#include "weight/storage.h"

enum { CHUNK = 1 << 15 };

static int can_nf4(const struct storage *s)
{
	int scale = s[0].scale;

	return s[0].shift < 0 && scale >= 0 &&
	       (s[scale].kind == STORE_RAW || s[scale].kind == STORE_DYN8) &&
	       quant_nf4_block_ok(s[0].block);
}

static int can_int(const struct storage *s)
{
	int scale = s[0].scale, zero = s[0].zero;

	return s[0].shift < 0 && scale >= 0 && zero >= 0 &&
	       quant_int_bits_ok((size_t)s[0].bits) &&
	       s[scale].kind == STORE_RAW &&
	       (s[zero].kind == STORE_RAW || s[zero].kind == STORE_CONST);
}

static int nf4_again(struct tensor *to, const struct tensor *base,
		     const struct tensor *merged, enum quant_rule rule,
		     struct pool *pool)
{
	const struct storage *s = base->node;
	struct quant_nf4 q = { s[0].block, s[s[0].scale].kind == STORE_DYN8,
			       rule };

	return quant_nf4(to, merged, &q, pool);
}

static int int_again(struct tensor *to, const struct tensor *base,
		     const struct tensor *merged, enum quant_rule rule,
		     struct pool *pool)
{
	const struct storage *s = base->node, *zero = s + s[0].zero;
	struct quant_int q = {
		.grid = { s[0].bits, zero->kind == STORE_CONST ? GRID_MIDDLE :
			  dtype_is_float(zero->dtype) ? GRID_REAL : GRID_WHOLE,
			  s[s[0].scale].dtype, NULL },
		.group = s[0].block,
	};

	(void)rule;
	return quant_int(to, merged, &q, pool);
}

static const struct way {
	enum storage_kind kind;
	int (*can)(const struct storage *s);
	int (*again)(struct tensor *to, const struct tensor *base,
		     const struct tensor *merged, enum quant_rule rule,
		     struct pool *pool);
} ways[] = {
	{ STORE_NF4, can_nf4, nf4_again },
	{ STORE_INT, can_int, int_again },
};

/* NULL: there is none. */
static const struct way *way_of(const struct tensor *base)
{
	for (size_t i = 0; i < NELEM(ways); i++)
		if (ways[i].kind == base->node[0].kind &&
		    ways[i].can(base->node))
			return &ways[i];
	return NULL;
}

int requant_can(const struct tensor *base)
{
	return way_of(base) ? 0 :
	       err_set(E_CONFIG, "%s: stored as %s of a form that cannot be "
		       "made again here; without --requantise it becomes dense",
		       base->name, storage_kind_name(base->node[0].kind));
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
	TRY(requant_can(base));
	TRY(way_of(base)->again(to, base, merged, rule, pool));
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
