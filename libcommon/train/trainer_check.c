/* trainer_check - options that no training can have */
#include "base/size.h"
#include "train/trainer.h"

int trainer_check(const struct trainer_options *o)
{
	const struct {
		const char *name;
		double is, least, most;
	} row[] = {
		{ "batch-size", (double)o->pack.rows, 1, 1e9 },
		{ "gradient-accumulation-steps", (double)o->accumulate, 1,
		  1e9 },
		{ "length", (double)o->pack.length, 1, 1e9 },
		{ "max-steps", (double)o->steps, 0, 1e9 },
		{ "epochs", o->epochs, 1e-6, 1e6 },
		{ "learning-rate", o->lr, 0, 1e38 },
		{ "min-lr-rate", o->min_lr_rate, 0, 1 },
		{ "warmup-ratio", o->warmup_ratio, 0, 1 },
		{ "adam-beta1", o->move.beta1, 0, 1 },
		{ "adam-beta2", o->move.beta2, 0, 1 },
		{ "adam-epsilon", o->move.eps, 0, 1 },
		{ "momentum", o->move.momentum, 0, 1 },
		{ "weight-decay", o->move.weight_decay, 0, 1e6 },
		{ "max-grad-norm", o->max_grad_norm, 0, 1e38 },
	};

	for (size_t i = 0; i < NELEM(row); i++)
		if (!(row[i].is >= row[i].least && row[i].is <= row[i].most))
			return err_set(E_USAGE, "--%s: %g is not from %g to "
				       "%g", row[i].name, row[i].is,
				       row[i].least, row[i].most);
	return 0;
}
