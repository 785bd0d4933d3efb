/* Stochastic gradient descent with momentum, as PyTorch's, kernel/sgd.h. */
#include "kernel/sgd.h"
#include "kernel/table.h"
#include "train/optim.h"

static void step(const struct optim_move *m, float *p, void *const state[],
		 const float *g, size_t n)
{
	const struct sgd s = {
		.scale = m->scale,
		.lr = (float)m->lr,
		.weight_decay = (float)m->options->weight_decay,
		.momentum = (float)m->options->momentum,
		.first = m->t == 1,
	};

	kernels()->sgd(&s, p, state[0], g, n);
}

const struct optim_kind optim_sgd = {
	.name = "sgd",
	.nstate = 1,
	.state = { { "momentum", DTYPE_F32, 1 } },
	.step = step,
};
