/*
 * LoRA: y += s drop(x) A^T B^T, A (r, in), B (out, r), s = alpha / r (Hu et
 * al. 2021, arXiv:2106.09685, section 4.1), or alpha / sqrt(r) (rsLoRA,
 * Kalajdzievski 2023, arXiv:2312.03732).
 *
 * keep is h = s drop(x) A^T (n, r). Backward turns it, in place, into
 * dh = s dy B: then dA += dh^T drop(x), and dx += dh A through the mask.
 */
#include "adapt/adapt_kind.h"
#include "adapt/adapt_lora.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

int lora_shape(struct adapter *a, const struct adapter_options *o)
{
	if (!o->rank || o->rank > size_min(a->out, a->in))
		return err_set(E_CONFIG, "rank %zu, want 1 to %zu", o->rank,
			       size_min(a->out, a->in));
	if (!(o->dropout >= 0 && o->dropout < 1))
		return err_set(E_CONFIG, "dropout %g, want 0 up to 1",
			       o->dropout);
	if (a->role == ROLE_EMBED)
		return err_set(E_CONFIG, "%s cannot stand at an embedding; "
			       "lora can, or train it whole "
			       "(--modules-to-save)", a->kind->name);
	a->rank = o->rank;
	a->alpha = o->alpha;
	a->scale = (float)(o->alpha / (o->rslora ? sqrt((double)o->rank) :
						   (double)o->rank));
	a->dropout = (float)o->dropout;
	a->keep = o->rank;
	a->gaussian = !strcmp(json_text(o->extra, "init", ""), "gaussian");
	adapter_param_add(a, "lora_A", o->rank, a->in);
	adapter_param_add(a, "lora_B", a->out, o->rank);
	a->param[LORA_B].plus = 1;
	return 0;
}

/* A uniform in +-1/sqrt(in), as PEFT's kaiming_uniform(a = sqrt(5)), or, as
 * its "gaussian", normal of deviation 1/r; B zero. */
int lora_init(struct adapter *a, const struct weight *w, uint64_t seed)
{
	struct adapter_param *p = &a->param[LORA_A];
	float bound = (float)(1 / sqrt((double)a->in));
	char name[TENSOR_NAME];
	struct rng r = rng_of(seed, adapter_param_name(name, a, LORA_A));

	(void)w;
	memset(a->param[LORA_B].at, 0, a->out * a->rank * sizeof(float));
	if (a->gaussian) {
		adapter_init_normal(a, LORA_A, 1 / (float)a->rank, seed);
		return 0;
	}
	for (size_t i = 0; i < p->rows * p->cols; i++)
		p->at[i] = (2 * rng_uniform(r, i) - 1) * bound;
	return 0;
}

/* h = s x M, with M one of the factors: now, or, where x is another product's
 * too, as an early part of that. */
static void scaled_product(const struct adapter *a, const struct adapt_pass *p,
			   struct mat h, struct mat x, size_t factor,
			   enum gemm_use use)
{
	struct gemm_output o = {
		.y = h.at, .stride = h.stride, .n = h.cols, .nterm = 1,
		.early = 1, .scale = a->scale,
		.term = { { x.at, x.stride, x.cols, gemm_pack_dense,
			    &a->param[factor].dense, use, NULL } },
	};

	if (p->early)
		*p->early = o;
	else
		gemm(p->pool, p->space, x.rows, &o, 1);
}

void lora_term(const struct adapter *a, struct gemm_output *o, struct mat x,
	       size_t factor, enum gemm_use use)
{
	o->term[o->nterm++] = (struct gemm_term){
		x.at, x.stride, x.cols, gemm_pack_dense,
		&a->param[factor].dense, use, NULL,
	};
}

struct mat lora_kept(const struct adapter *a, const struct adapt_pass *p,
		     size_t n)
{
	return (struct mat){ p->keep.at, n, a->rank, p->keep.stride };
}

/* What is masked is not the other product's x. */
static struct adapt_pass alone(const struct adapt_pass *p)
{
	struct adapt_pass own = *p;

	own.early = NULL;
	return own;
}

void lora_forward(const struct adapter *a, const struct adapt_pass *p,
			 struct mat x, struct gemm_output *y)
{
	struct mat h = lora_kept(a, p, x.rows);
	struct adapt_pass own = adapter_drops(a, p) ? alone(p) : *p;

	scaled_product(a, &own, h, adapter_drop(a, p, x), LORA_A, GEMM_NT);
	lora_term(a, y, h, LORA_B, GEMM_NT);
}

static void gradient_a(const struct adapter *a, const struct adapt_pass *p,
		       struct mat x)
{
	struct mat h = lora_kept(a, p, x.rows), xd = adapter_drop(a, p, x);

	adapter_gradient(p, a->param[LORA_A].grad, a->in, h, xd);
}

void lora_backward_input(const struct adapter *a, const struct adapt_pass *p,
			 struct mat dy, struct mat x, struct gemm_output *dx)
{
	struct mat h = lora_kept(a, p, x.rows);
	struct adapt_pass own = dx && !adapter_drops(a, p) ? *p : alone(p);

	scaled_product(a, &own, h, dy, LORA_B, GEMM_NN);
	if (!own.early)
		gradient_a(a, p, x);
	if (dx && !adapter_drops(a, p))
		lora_term(a, dx, h, LORA_A, GEMM_NN);
}

void lora_backward(const struct adapter *a, const struct adapt_pass *p,
		   struct mat dy, struct mat x, struct gemm_output *dx)
{
	adapter_gradient(p, a->param[LORA_B].grad, a->rank, dy,
			 lora_kept(a, p, x.rows));
	lora_backward_input(a, p, dy, x, dx);
}

/* With dropout dh A goes through the mask and cannot be a plain term; without,
 * dh was not there before. */
void lora_finish(const struct adapter *a, const struct adapt_pass *p,
			struct mat dy, struct mat x, struct mat dx)
{
	struct mat h = lora_kept(a, p, dx.rows), s;
	struct gemm_output o = { .n = a->in };

	(void)dy;
	if (!adapter_drops(a, p)) {
		if (p->early)
			gradient_a(a, p, x);
		return;
	}
	s = (struct mat){ p->scratch.at, dx.rows, a->in, p->scratch.stride };
	o.y = s.at;
	o.stride = s.stride;
	lora_term(a, &o, h, LORA_A, GEMM_NN);
	gemm(p->pool, p->space, dx.rows, &o, 1);
	adapter_undrop(a, p, dx, s);
}

/* W += (s B) A, on the calling thread: who merges has cut the rows already. */
int lora_merge(const struct adapter *a, const struct weight *w,
		      float scale, float *dst, size_t row, size_t n)
{
	size_t count = n * a->rank;
	size_t bytes = size_align(count * sizeof(float), 64);
	const float *b = a->param[LORA_B].at + row * a->rank;
	char *room = aligned_alloc(64, size_align(bytes + gemm_space(NULL, n,
							a->rank, 1), 64));
	float *sb = (float *)room;
	struct gemm_output o = { .y = dst, .stride = a->in, .n = a->in,
				 .add = 1 };

	(void)w;
	if (!room)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		sb[i] = scale * a->scale * b[i];
	lora_term(a, &o, mat_of(sb, n, a->rank), LORA_A, GEMM_NN);
	gemm(NULL, room + bytes, n, &o, 1);
	free(room);
	return 0;
}

static void lora_factors(const struct adapter *a, float *to_a, float *to_b)
{
	memcpy(to_a, a->param[LORA_A].at, a->rank * a->in * sizeof(float));
	memcpy(to_b, a->param[LORA_B].at, a->out * a->rank * sizeof(float));
}

const char *lora_peft_name(const struct adapter *a, size_t i)
{
	(void)a;
	return i == LORA_A ? "lora_A.weight" : "lora_B.weight";
}

const struct adapter_kind adapt_lora = {
	.name = "lora",
	.mark = "lora_A",
	.shape = lora_shape,
	.init = lora_init,
	.forward = lora_forward,
	.backward = lora_backward,
	.finish = lora_finish,
	.merge = lora_merge,
	.by_sequence = 1,
	.merge_adds = 1,
	.scales = 1,
	.at_embed = &adapt_embed,
	.starts = 1,
	.factors = lora_factors,
	.peft_name = lora_peft_name,
};
