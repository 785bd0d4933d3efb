/* y = act(g) u, and y = act(g) alone: kernel/gate.h */
#include "kernel/gate.h"
#include "kernel/table.h"
#include "op/op.h"

static int gate_shape(struct op_node *n)
{
	if (n->nin == 2 && n->in_cols[0] != n->in_cols[1])
		return err_set(E_DATA, "%s: %zu and %zu columns", n->op->name,
			       n->in_cols[0], n->in_cols[1]);
	n->nout = 1;
	n->out_cols[0] = n->in_cols[0];
	return 0;
}

static unsigned gate_reads(const struct op_node *n)
{
	return OP_READS_IN << 0 | (n->nin == 2 ? OP_READS_IN << 1 : 0);
}

static float *row(struct mat m, size_t i)
{
	return m.at ? mat_row(m, i) : NULL;
}

static void run_forward(const struct op_call *c, size_t first, size_t count,
			gate_fn *act)
{
	for (size_t i = first; i < first + count; i++)
		act(mat_row(c->out[0], i), mat_row(c->in[0], i),
		    row(c->in[1], i), c->out[0].cols);
}

static void run_backward(const struct op_call *c, size_t first, size_t count,
			 gate_backward_fn *act)
{
	for (size_t i = first; i < first + count; i++)
		act(mat_row(c->din[0], i), row(c->din[1], i),
		    mat_row(c->dout[0], i), mat_row(c->in[0], i),
		    row(c->in[1], i), c->dout[0].cols);
}

#define GATE(id, inputs, act)                                              \
	static void id##_rows(const struct op_call *c, size_t first,       \
			      size_t count)                                \
	{                                                                  \
		run_forward(c, first, count, kernels()->act##_gate);       \
	}                                                                  \
                                                                           \
	static void id##_rows_back(const struct op_call *c, size_t first,  \
				   size_t count)                           \
	{                                                                  \
		run_backward(c, first, count,                              \
			     kernels()->act##_gate_backward);              \
	}                                                                  \
                                                                           \
	static void id##_forward(const struct op_call *c)                  \
	{                                                                  \
		op_rows(c, id##_rows);                                     \
	}                                                                  \
                                                                           \
	static void id##_backward(const struct op_call *c)                 \
	{                                                                  \
		op_rows(c, id##_rows_back);                                \
	}                                                                  \
                                                                           \
	const struct op op_##id = {                                        \
		.name = #id,                                               \
		.nin = inputs,                                             \
		.flags = OP_CHEAP | OP_INPLACE | OP_INPLACE_GRAD |         \
			 OP_OWNS,                                          \
		.shape = gate_shape,                                       \
		.reads = gate_reads,                                       \
		.forward = id##_forward,                                   \
		.backward = id##_backward,                                 \
	}

GATE(swiglu, 2, silu);
GATE(geglu, 2, gelu_erf);
GATE(geglu_tanh, 2, gelu_tanh);
GATE(silu, 1, silu);
GATE(gelu, 1, gelu_erf);
GATE(gelu_tanh, 1, gelu_tanh);
