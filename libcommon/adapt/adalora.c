#include "adapt/adalora.h"

#include <stdlib.h>
#include <string.h>

#include "adapt/adapt_lora.h"
#include "base/size.h"

static int is_ada(const struct adapter *a)
{
	return a->kind == &adapt_adalora;
}

static const struct adalora *own_of(const struct adapter *a)
{
	return a->own;
}

/* The first of them, whose schedule is that of all; NULL: there is none. */
static const struct adalora *first_of(const struct adapter_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (is_ada(&s->at[i]))
			return own_of(&s->at[i]);
	return NULL;
}

/* tinit, tfinal, delta_t of a run of so many steps. */
static void schedule(uint64_t at[3], const struct adapter_set *s, uint64_t all)
{
	const struct adalora *own = first_of(s);
	const uint64_t otherwise[] = { all / 10, 3 * all / 10, all / 100 };

	for (size_t i = 0; i < 3; i++)
		at[i] = own && own->schedule[i] != UINT64_MAX ?
				own->schedule[i] : otherwise[i];
}

static int check_alike(const struct adapter_set *s)
{
	const struct adalora *first = first_of(s);

	for (size_t i = 0; i < s->n; i++)
		if (is_ada(&s->at[i]) &&
		    memcmp(own_of(&s->at[i])->schedule, first->schedule,
			   sizeof(first->schedule)))
			return err_set(E_CONFIG, "%s: another --tinit, "
				       "--tfinal or --delta-t than modules "
				       "before it; one budget falls for all, "
				       "so give all the same",
				       s->at[i].module);
	return 0;
}

static void count(struct adalora_place *p, const struct adapter_set *s)
{
	p->ranks = p->target = 0;
	for (size_t i = 0; i < s->n; i++)
		if (is_ada(&s->at[i])) {
			p->ranks += s->at[i].rank;
			p->target += own_of(&s->at[i])->target;
		}
}

void adalora_place(struct adalora_place *p, const struct adapter_set *s,
		   uint64_t t, uint64_t all)
{
	uint64_t at[3], first, last, every;

	schedule(at, s, all);
	first = at[0];
	last = all - at[1];
	every = at[2];
	count(p, s);
	p->budget = p->ranks;
	p->due = 0;
	p->final = t == last;
	p->frozen = t >= last;
	if (t <= first)
		return;
	if (t >= last) {
		p->budget = p->target;
		p->due = p->final;
		return;
	}
	double left = 1 - (double)(t - first) / (double)(last - first);

	p->budget = (size_t)((double)(p->ranks - p->target) *
			     (left * left * left) + (double)p->target);
	p->due = t % (every ? every : 1) == 0;
}

int adalora_check(const struct adapter_set *s, uint64_t all)
{
	uint64_t at[3], first, end;
	struct adalora_place p;

	TRY(check_alike(s));
	schedule(at, s, all);
	first = at[0];
	end = at[1];
	count(&p, s);
	if (p.target < 1 || p.target >= p.ranks)
		return err_set(E_CONFIG, "AdaLoRA's budget never falls: "
			       "--target-rank asks for %zu ranks of %zu; make "
			       "it smaller than --rank", p.target, p.ranks);
	if (end >= all || first >= all - end)
		return err_set(E_CONFIG, "AdaLoRA's budget never falls: of "
			       "%llu steps the first %llu (--tinit) and the "
			       "last %llu (--tfinal) leave it alone",
			       (unsigned long long)all,
			       (unsigned long long)first,
			       (unsigned long long)end);
	return 0;
}

/* ---- pruning ---- */

/* Adds a parameter's share to the scores (rank): the mean, along the ranks'
 * rows or columns, of I U. */
static void add_scores(const struct adapter *a, size_t param, double *score)
{
	const struct adapter_param *p = &a->param[param];
	const float *i = a->param[ADALORA_AVERAGES + 2 * param].at;
	const float *u = a->param[ADALORA_AVERAGES + 2 * param + 1].at;
	size_t n = p->rows * p->cols;
	double count = (double)(n / a->rank);

	for (size_t k = 0; k < n; k++) {
		size_t rank = param == LORA_B ? k % a->rank  :
						 k / p->cols;

		score[rank] += (double)(i[k] * u[k]) / count;
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void cut(struct adapter_set *s, const double *score, double most)
{
	for (size_t i = 0; i < s->n; i++) {
		struct adapter *a = &s->at[i];

		for (size_t k = 0; is_ada(a) && k < a->rank; k++) {
			int gone = *score++ <= most;

			a->param[ADALORA_PRUNED].at[k] = (float)gone;
			if (gone)
				a->param[ADALORA_E].at[k] = 0;
		}
	}
}

int adalora_prune(struct adapter_set *s, size_t budget)
{
	struct adalora_place p;
	double *score, *sorted, *to;

	count(&p, s);
	score = calloc(2 * p.ranks + 1, sizeof(*score));
	if (!score)
		return err_set(E_NOMEM, "out of memory");
	sorted = score + p.ranks;
	to = score;
	for (size_t i = 0; i < s->n; i++)
		if (is_ada(&s->at[i])) {
			for (size_t k = 0; k < 3; k++)
				add_scores(&s->at[i], k, to);
			to += s->at[i].rank;
		}
	for (size_t i = 0; i < p.ranks; i++)
		sorted[i] = score[i];
	qsort(sorted, p.ranks, sizeof(*sorted), by_value);
	cut(s, score, budget < p.ranks ? sorted[p.ranks - budget - 1] : -1);
	free(score);
	return 0;
}

void adalora_keep_pruned(struct adapter_set *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct adapter *a = &s->at[i];

		for (size_t k = 0; is_ada(a) && k < a->rank; k++)
			if (a->param[ADALORA_PRUNED].at[k] > 0)
				a->param[ADALORA_E].at[k] = 0;
	}
}

size_t adalora_kept(const struct adapter *a)
{
	size_t n = 0;

	if (!is_ada(a))
		return SIZE_MAX;
	for (size_t k = 0; k < a->rank; k++)
		n += !(a->param[ADALORA_PRUNED].at[k] > 0);
	return n;
}

static size_t not_zero(const struct adapter *a)
{
	size_t n = 0;

	for (size_t k = 0; k < a->rank; k++)
		n += a->param[ADALORA_E].at[k] != 0;
	return n;
}

size_t adalora_ranks(const struct adapter_set *s, const struct adapter *a)
{
	size_t left = 0, pruned = 0;

	if (!is_ada(a))
		return a->rank;
	for (size_t i = 0; i < s->n; i++)
		if (is_ada(&s->at[i])) {
			left += not_zero(&s->at[i]);
			pruned += s->at[i].rank - adalora_kept(&s->at[i]);
		}
	return pruned || !left ? adalora_kept(a) : not_zero(a);
}
