#include "adapt/adapt_kind.h"
#include "adapt/lowrank.h"

#include <math.h>
#include <stdlib.h>

#include "base/size.h"

int lowrank_shape(struct adapter *a, const struct adapter_options *o,
		  const char *name)
{
	if (!o->rank || o->rank > size_min(a->out, a->in))
		return err_set(E_CONFIG, "rank %zu, want 1 to %zu", o->rank,
			       size_min(a->out, a->in));
	if (!(o->dropout >= 0 && o->dropout < 1))
		return err_set(E_CONFIG, "dropout %g, want 0 up to 1",
			       o->dropout);
	if (a->role == ROLE_EMBED)
		return err_set(E_CONFIG, "%s cannot stand at an embedding; "
			       "train it whole (--modules-to-save)", name);
	a->rank = o->rank;
	a->alpha = o->alpha;
	a->scale = (float)(o->alpha / (o->rslora ? sqrt((double)o->rank) :
						   (double)o->rank));
	a->dropout = (float)o->dropout;
	return 0;
}

void lowrank_uniform(struct adapter *a, size_t i, float bound, uint64_t seed)
{
	struct adapter_param *p = &a->param[i];
	char name[TENSOR_NAME];
	struct rng r = rng_of(seed, adapter_param_name(name, a, i));

	for (size_t k = 0; k < p->rows * p->cols; k++)
		p->at[k] = (2 * rng_uniform(r, k) - 1) * bound;
}

struct mat lowrank_kept(const struct adapter *a, const struct adapt_pass *p,
			size_t n)
{
	return (struct mat){ p->keep.at, n, a->rank, p->keep.stride };
}

void lowrank_scaled(const struct adapter *a, const struct adapt_pass *p,
		    struct mat h, struct mat x, struct lowrank_factor f,
		    enum gemm_use use, int early)
{
	struct gemm_output o = {
		.y = h.at, .stride = h.stride, .n = h.cols, .nterm = 1,
		.early = 1, .scale = a->scale,
		.term = { { x.at, x.stride, x.cols, f.pack, f.w, use, NULL } },
	};

	if (early && p->early)
		*p->early = o;
	else
		gemm(p->pool, p->space, x.rows, &o, 1);
}

void lowrank_term(struct gemm_output *o, struct mat x, struct lowrank_factor f,
		  enum gemm_use use)
{
	o->term[o->nterm++] = (struct gemm_term){ x.at, x.stride, x.cols,
						  f.pack, f.w, use, NULL };
}

void lowrank_forward(const struct adapter *a, const struct adapt_pass *p,
		     struct mat x, struct gemm_output *y,
		     const struct lowrank *f)
{
	struct mat h = lowrank_kept(a, p, x.rows);

	/* what is masked is not the other product's x */
	lowrank_scaled(a, p, h, adapter_drop(a, p, x), f->a, GEMM_NT,
		       !adapter_drops(a, p));
	lowrank_term(y, h, f->b, GEMM_NT);
}

int lowrank_backward(const struct adapter *a, const struct adapt_pass *p,
		     struct mat dy, struct mat x, struct gemm_output *dx,
		     const struct lowrank *f, float *db)
{
	struct mat h = lowrank_kept(a, p, x.rows);
	int plain = dx && !adapter_drops(a, p);

	adapter_gradient(p, db, a->rank, dy, h);
	lowrank_scaled(a, p, h, dy, f->b, GEMM_NN, plain);
	if (plain)
		lowrank_term(dx, h, f->a, GEMM_NN);
	return !(plain && p->early);
}

int lowrank_finish(const struct adapter *a, const struct adapt_pass *p,
		   struct mat dx, const struct lowrank *f)
{
	struct mat h = lowrank_kept(a, p, dx.rows), s;
	struct gemm_output o = { .n = a->in };

	if (!adapter_drops(a, p))
		return p->early != NULL;
	s = (struct mat){ p->scratch.at, dx.rows, a->in, p->scratch.stride };
	o.y = s.at;
	o.stride = s.stride;
	lowrank_term(&o, h, f->a, GEMM_NN);
	gemm(p->pool, p->space, dx.rows, &o, 1);
	adapter_undrop(a, p, dx, s);
	return 0;
}

int lowrank_merge(const struct adapter *a, const float *b, float scale,
		  float *dst, size_t n, struct lowrank_factor f)
{
	size_t count = n * a->rank;
	size_t bytes = size_align(count * sizeof(float), 64);
	char *room = aligned_alloc(64, size_align(bytes + gemm_space(NULL, n,
							a->rank, 1), 64));
	float *sb = (float *)room;
	struct gemm_output o = { .y = dst, .stride = a->in, .n = a->in,
				 .add = 1 };

	if (!room)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		sb[i] = scale * a->scale * b[i];
	lowrank_term(&o, mat_of(sb, n, a->rank), f, GEMM_NN);
	gemm(NULL, room + bytes, n, &o, 1);
	free(room);
	return 0;
}

const char *lowrank_peft_name(const struct adapter *a, size_t i)
{
	static const char *const name[] = { "lora_A.weight", "lora_B.weight" };

	return i < NELEM(name) ? name[i] : a->param[i].name;
}
