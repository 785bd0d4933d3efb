/*
 * calibrate - a model quantised by GPTQ, with the inputs that its own layers
 * give each other
 *
 * One forward pass over all tokens of calibration. Where it comes to linear
 * layers, their inputs have been through everything quantised before; their
 * products are added up, the weights are rounded (quant/gptq.h), and the pass
 * goes on with those. So the activations of one layer, for all tokens, are in
 * memory, beside the model.
 */
#ifndef INFER_CALIBRATE_H
#define INFER_CALIBRATE_H

#include "data/samples.h"
#include "quant/gptq.h"

struct calibrate {
	double damp;
	size_t tokens, length;  /* tokens at most; of a sequence at most, what
				 * a sample has more begins another */

	/* How the linear weight of this name is quantised; NULL: it is left
	 * alone. gptq 0: each weight is rounded by itself. */
	int (*find)(void *ctx, const char *name, const struct quant_int **how,
		    int *gptq) MUST_CHECK;

	/* Told of each: the mean square of the change of an output, and the
	 * damping that it took. May be NULL. */
	int (*done)(void *ctx, const char *name, double error,
		    double damp) MUST_CHECK;
	void *ctx;
};

/*
 * Puts quantised tensors in the place of base's, which has the model's side
 * files too. E_DATA: a sample's token is not in the vocabulary, there is no
 * sample, a weight is quantised already, what gptq() says; E_CONFIG; E_NOMEM.
 */
int calibrate(struct tensor_set *base, const struct samples *data,
	      const struct calibrate *c, struct pool *pool) MUST_CHECK;

#endif
