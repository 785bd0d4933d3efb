#include "adapt/combine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/adapt_lora.h"
#include "base/size.h"
#include "base/lapack.h"

/* ---- where, and of which rank ---- */

static const struct adapter *part(const struct combine *c, size_t i,
				  const char *module)
{
	return adapter_set_find(&c->from[i], module);
}

static int check(const struct adapter *a)
{
	if (a->kind->factors)
		return 0;
	return err_set(E_CONFIG, "%s: an adapter of the kind %s is no product "
		       "that can be added up; merge-adapter folds several "
		       "into a base", a->module, a->kind->name);
}

/* The rank of the result at a site. */
static int rank_at(const struct combine *c, const struct adapter_site *site,
		   size_t *rank)
{
	size_t sum = 0, most = 0;

	for (size_t i = 0; i < c->n; i++) {
		const struct adapter *a = part(c, i, site->module);

		if (!a)
			continue;
		TRY(check(a));
		if (a->out != site->out || a->in != site->in)
			return err_set(E_CONFIG, "%s: the adapters are for "
				       "weights of different shapes",
				       site->module);
		if (c->how == COMBINE_LINEAR && most && a->rank != most)
			return err_set(E_CONFIG, "%s: ranks %zu and %zu: "
				       "linear wants the same; cat and svd "
				       "take any", site->module, most,
				       a->rank);
		sum += a->rank;
		most = size_max(most, a->rank);
	}
	*rank = most;
	if (c->how == COMBINE_CAT)
		*rank = sum;
	if (c->how == COMBINE_SVD && c->rank)
		*rank = size_min(c->rank, size_min(site->out, site->in));
	return 0;
}

static int add_sites(struct adapter_sites *to, const struct combine *c)
{
	for (size_t i = 0; i < c->n; i++)
		for (size_t k = 0; k < c->sites[i].n; k++) {
			const struct adapter_site *s = &c->sites[i].at[k];
			char name[TENSOR_NAME + 16];
			size_t n = 0;

			while (n < to->n &&
			       strcmp(to->at[n].module, s->module))
				n++;
			if (n < to->n || s->front)
				continue;
			snprintf(name, sizeof(name), "%s.weight", s->module);
			TRY(adapter_sites_add(to, &(struct tensor){
				.name = name, .role = s->role, .rank = 2,
				.shape = { s->out, s->in } }));
		}
	return 0;
}

/* The result's configuration; every module is named. */
static int configure(json_t *config, const struct combine *c,
		     const struct adapter_sites *sites)
{
	json_t *modules = json_array(), *ranks = json_object(),
	       *alphas = json_object();
	size_t most = 1;

	if (json_object_set_new(config, "kind", json_string("lora")) ||
	    json_object_set_new(config, "target_modules", modules) ||
	    json_object_set_new(config, "rank_pattern", ranks) ||
	    json_object_set_new(config, "alpha_pattern", alphas))
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < sites->n; i++) {
		const char *module = sites->at[i].module;
		size_t rank = 0;

		if (sites->at[i].front)
			continue;
		TRY(rank_at(c, &sites->at[i], &rank));
		most = size_max(most, rank);
		json_array_append_new(modules, json_string(module));
		json_object_set_new(ranks, module,
				    json_integer((json_int_t)rank));
		json_object_set_new(alphas, module,
				    json_integer((json_int_t)rank));
	}
	json_object_set_new(config, "r", json_integer((json_int_t)most));
	json_object_set_new(config, "alpha", json_integer((json_int_t)most));
	return 0;
}

/* ---- the sums ---- */

/* A site's factors: a (rank, in), b (out, rank), of one adapter. */
struct factors {
	float *a, *b;
};

static int get_factors(struct factors *f, const struct adapter *a)
{
	f->a = malloc((a->in + a->out) * a->rank * sizeof(float));
	if (!f->a)
		return err_set(E_NOMEM, "out of memory");
	f->b = f->a + a->in * a->rank;
	a->kind->factors(a, f->a, f->b);
	return 0;
}

/* to (rows, cols) with a part of it, from column first on. */
static void add_columns(float *to, size_t cols, const float *from,
			size_t rows, size_t n, size_t first, double scale)
{
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < n; j++)
			to[i * cols + first + j] +=
				(float)(scale * (double)from[i * n + j]);
}

/* Adapter x into A (rank, in) and B (out, rank), whose rows, and columns, from
 * first on are its own. */
static int add(float *a, float *b, size_t rank, size_t first,
	       const struct adapter *x, double to_a, double to_b)
{
	struct factors f = { 0 };

	TRY(get_factors(&f, x));
	add_columns(a + first * x->in, x->in, f.a, x->rank, x->in, 0, to_a);
	add_columns(b, rank, f.b, x->out, x->rank, first, to_b);
	free(f.a);
	return 0;
}

static int add_all(float *a, float *b, size_t rank, const struct combine *c,
		   const char *module)
{
	size_t first = 0;

	for (size_t i = 0; i < c->n; i++) {
		const struct adapter *x = part(c, i, module);
		double w = x ? c->weight[i] * (double)x->scale : 0;

		if (!x)
			continue;
		if (c->how == COMBINE_LINEAR) {
			double root = sqrt(fabs(w));

			TRY(add(a, b, rank, 0, x, w < 0 ? -root : root, root));
			continue;
		}
		TRY(add(a, b, rank, first, x, w, 1));
		first += x->rank;
	}
	return 0;
}

/* ---- svd ---- */

/* to (m, n) = x (m, k) y^T (n, k). */
static void product(float *to, const float *x, const float *y, size_t m,
		    size_t n, size_t k)
{
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < n; j++) {
			double sum = 0;

			for (size_t l = 0; l < k; l++)
				sum += (double)x[i * k + l] *
				       (double)y[j * k + l];
			to[i * n + j] = (float)sum;
		}
}

static void transpose(float *to, const float *from, size_t rows, size_t cols)
{
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < cols; j++)
			to[j * rows + i] = from[i * cols + j];
}

/* What svd works with, for B (out, sum) and A (sum, in). */
struct core {
	size_t kb, ka, k;       /* columns of Q_b, Q_a; the lesser */
	float *qb, *rb, *qa, *ra, *at, *core, *u, *s, *vt;
	float *room;
};

static int core_room(struct core *c, size_t out, size_t in, size_t sum)
{
	c->kb = size_min(out, sum);
	c->ka = size_min(in, sum);
	c->k = size_min(c->kb, c->ka);
	c->room = calloc(out * c->kb + c->kb * sum + in * c->ka +
			 c->ka * sum + in * sum + c->kb * c->ka +
			 c->kb * c->k + c->k + c->k * c->ka, sizeof(float));
	if (!c->room)
		return err_set(E_NOMEM, "out of memory");
	c->qb = c->room;
	c->rb = c->qb + out * c->kb;
	c->qa = c->rb + c->kb * sum;
	c->ra = c->qa + in * c->ka;
	c->at = c->ra + c->ka * sum;
	c->core = c->at + in * sum;
	c->u = c->core + c->kb * c->ka;
	c->s = c->u + c->kb * c->k;
	c->vt = c->s + c->k;
	return 0;
}

/* B A = Q_b (R_b R_a^T) Q_a^T, and the middle is small. */
static int decompose(struct core *c, float *b, const float *a, size_t out,
		     size_t in, size_t sum)
{
	transpose(c->at, a, sum, in);
	TRY(lapack_qr(c->qb, c->rb, b, out, sum));
	TRY(lapack_qr(c->qa, c->ra, c->at, in, sum));
	product(c->core, c->rb, c->ra, c->kb, c->ka, sum);
	return lapack_svd(c->u, c->s, c->vt, c->core, c->kb, c->ka);
}

/* The first values, each factor with the root. */
static void take_first(const struct core *c, struct adapter *to)
{
	float *a = to->param[LORA_A].at, *b = to->param[LORA_B].at;

	for (size_t r = 0; r < to->rank && r < c->k; r++) {
		double root = sqrt((double)c->s[r]);

		for (size_t j = 0; j < to->in; j++) {
			double x = 0;

			for (size_t l = 0; l < c->ka; l++)
				x += (double)c->vt[r * c->ka + l] *
				     (double)c->qa[j * c->ka + l];
			a[r * to->in + j] = (float)(root * x);
		}
		for (size_t i = 0; i < to->out; i++) {
			double x = 0;

			for (size_t l = 0; l < c->kb; l++)
				x += (double)c->qb[i * c->kb + l] *
				     (double)c->u[l * c->k + r];
			b[i * to->rank + r] = (float)(root * x);
		}
	}
}

static int fill_svd(struct adapter *to, const struct combine *c)
{
	struct core core = { 0 };
	size_t sum = 0;
	float *a;
	int err;

	for (size_t i = 0; i < c->n; i++) {
		const struct adapter *x = part(c, i, to->module);

		sum += x ? x->rank : 0;
	}
	a = calloc((to->in + to->out) * sum, sizeof(*a));
	err = a ? core_room(&core, to->out, to->in, sum) :
		  err_set(E_NOMEM, "out of memory");
	if (!err)
		err = add_all(a, a + to->in * sum, sum, c, to->module);
	if (!err)
		err = decompose(&core, a + to->in * sum, a, to->out, to->in,
				sum);
	if (!err)
		take_first(&core, to);
	free(core.room);
	free(a);
	return err;
}

static int fill(struct adapter *to, const struct combine *c)
{
	if (c->how == COMBINE_SVD)
		return fill_svd(to, c);
	return add_all(to->param[LORA_A].at, to->param[LORA_B].at, to->rank, c,
		       to->module);
}

int combine(struct adapter_set *to, const struct combine *c)
{
	struct adapter_sites sites = { 0 };
	json_t *config = json_object();
	int err = config ? add_sites(&sites, c) :
			   err_set(E_NOMEM, "out of memory");

	if (!err)
		err = configure(config, c, &sites);
	if (!err)
		err = adapter_set_make(to, config, &sites);
	if (!err)
		err = adapter_set_place(to, 0);
	for (size_t i = 0; !err && i < to->n; i++)
		err = fill(&to->at[i], c);
	adapter_sites_release(&sites);
	json_decref(config);
	return err;
}
