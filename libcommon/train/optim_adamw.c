/* AdamW (Loshchilov & Hutter 2017, arXiv:1711.05101), kernel/adamw.h. */
#include "kernel/adamw.h"
#include "kernel/table.h"
#include "train/optim.h"

static void step(const struct optim_move *m, float *p, void *const state[],
		 const float *g, size_t n)
{
	const struct optim_options *o = m->options;
	struct adamw a = adamw_at(m->lr, o->beta1, o->beta2, o->eps,
				  o->weight_decay, m->t);

	a.scale = m->scale;
	kernels()->adamw(&a, p, state[0], state[1], g, n);
}

const struct optim_kind optim_adamw = {
	.name = "adamw",
	.nstate = 2,
	.state = { { "adam_m", DTYPE_F32, 1 }, { "adam_v", DTYPE_F32, 1 } },
	.step = step,
};
