#include "adapt/combine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/adapt_lora.h"
#include "adapt/combine_svd.h"
#include "base/size.h"

/* ---- where, and of which rank ---- */

static const struct adapter *part(const struct combine *c, size_t i,
				  const char *module)
{
	return adapter_set_find(&c->from[i], module);
}

static int check(const struct adapter *a)
{
	if (adapter_bias(a))
		return err_set(E_CONFIG, "%s: its bias is trained, and of two "
			       "such there is no sum; merge-adapter folds "
			       "several into a base", a->module);
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

/* Does the value of each of the keys agree? */
static int agree(json_t *a, json_t *b, const char *keys)
{
	for (const char *p = keys; *p;) {
		size_t n = strcspn(p, " ");
		json_t *x = json_object_getn(a, p, n);
		json_t *y = json_object_getn(b, p, n);

		if (!x || !y || !json_equal(x, y))
			return 0;
		p += n + (p[n] == ' ');
	}
	return 1;
}

/* The kind that all are of, with the same options, whose parameters add up as
 * they are stored; NULL: there is none, and their factors do. */
static const struct adapter_kind *common_kind(const struct combine *c,
					      json_t **options)
{
	const struct adapter_kind *kind = NULL;

	*options = NULL;
	for (size_t i = 0; !c->lora && i < c->n; i++)
		for (size_t k = 0; k < c->from[i].n; k++) {
			const struct adapter *a = &c->from[i].at[k];
			json_t *own = adapter_config_at(c->from[i].config,
							a->module);

			if (!kind) {
				kind = a->kind;
				*options = own;
			}
			if (!kind->adds || a->kind != kind ||
			    !agree(own, *options, kind->adds))
				return NULL;
		}
	return kind;
}

static int copy_keys(json_t *to, json_t *from, const char *keys)
{
	for (const char *p = keys; *p;) {
		size_t n = strcspn(p, " ");

		if (json_object_setn(to, p, n, json_object_getn(from, p, n)))
			return err_set(E_NOMEM, "out of memory");
		p += n + (p[n] == ' ');
	}
	return 0;
}

static int configure_kind(json_t *config, const struct combine *c)
{
	json_t *options;
	const struct adapter_kind *kind = common_kind(c, &options);

	if (json_object_set_new(config, "kind", json_string(
				kind ? kind->name : adapt_lora.name)))
		return err_set(E_NOMEM, "out of memory");
	return kind ? copy_keys(config, options, kind->adds) : 0;
}

/* The result's configuration; every module is named. */
static int configure(json_t *config, const struct combine *c,
		     const struct adapter_sites *sites)
{
	json_t *modules = json_array(), *ranks = json_object(),
	       *alphas = json_object();
	size_t most = 1;

	if (json_object_set_new(config, "target_modules", modules) ||
	    json_object_set_new(config, "rank_pattern", ranks) ||
	    json_object_set_new(config, "alpha_pattern", alphas))
		return err_set(E_NOMEM, "out of memory");
	TRY(configure_kind(config, c));
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

/* A site's factors: a (rank, in), b (out, rank), of one adapter; in is A's
 * columns where parameters are added up. */
struct factors {
	float *a, *b;
	size_t in;
};

static int get_factors(struct factors *f, const struct adapter *a,
		       const struct adapter *to)
{
	size_t in = to->param[LORA_A].cols;

	f->in = in;
	f->a = malloc((in + a->out) * a->rank * sizeof(float));
	if (!f->a)
		return err_set(E_NOMEM, "out of memory");
	f->b = f->a + in * a->rank;
	if (to->kind == a->kind && a->kind->adds) {
		memcpy(f->a, a->param[LORA_A].at,
		       in * a->rank * sizeof(float));
		memcpy(f->b, a->param[LORA_B].at,
		       a->out * a->rank * sizeof(float));
	} else {
		a->kind->factors(a, f->a, f->b);
	}
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
	       const struct adapter *x, const struct adapter *to,
	       double to_a, double to_b)
{
	struct factors f = { 0 };

	TRY(get_factors(&f, x, to));
	add_columns(a + first * f.in, f.in, f.a, x->rank, f.in, 0, to_a);
	add_columns(b, rank, f.b, x->out, x->rank, first, to_b);
	free(f.a);
	return 0;
}

static int add_all(float *a, float *b, size_t rank, const struct combine *c,
		   const struct adapter *to)
{
	size_t first = 0;

	for (size_t i = 0; i < c->n; i++) {
		const struct adapter *x = part(c, i, to->module);
		double w = x ? c->weight[i] * (double)x->scale : 0;

		if (!x)
			continue;
		if (c->how == COMBINE_LINEAR) {
			double root = sqrt(fabs(w));

			TRY(add(a, b, rank, 0, x, to, w < 0 ? -root : root,
				root));
			continue;
		}
		TRY(add(a, b, rank, first, x, to, w, 1));
		first += x->rank;
	}
	return 0;
}

/* ---- svd ---- */

static int fill_svd(struct adapter *to, const struct combine *c)
{
	size_t sum = 0, in = to->param[LORA_A].cols;
	float *a;
	int err;

	for (size_t i = 0; i < c->n; i++) {
		const struct adapter *x = part(c, i, to->module);

		sum += x ? x->rank : 0;
	}
	a = calloc((in + to->out) * sum, sizeof(*a));
	err = a ? add_all(a, a + in * sum, sum, c, to) :
		  err_set(E_NOMEM, "out of memory");
	if (!err)
		err = combine_svd(to, a, a + in * sum, sum);
	free(a);
	return err;
}

static int fill(struct adapter *to, const struct combine *c)
{
	if (c->how == COMBINE_SVD)
		return fill_svd(to, c);
	return add_all(to->param[LORA_A].at, to->param[LORA_B].at, to->rank, c,
		       to);
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
