#include "quant/nf4_choice.h"

int nf4_choice_how(struct quant_nf4 *how, struct icq *icq,
		   const struct nf4_choice *c)
{
	if (!quant_nf4_block_ok(c->block))
		return err_set(E_USAGE, "--block %zu: want a power of two from "
			       "32 to 4096", c->block);
	if (c->calibrate && (c->steps < 1 || c->steps > 100000))
		return err_set(E_USAGE, "--icq-steps %zu: want 1 to 100000",
			       c->steps);
	*how = (struct quant_nf4){ c->block, c->nested,
				   (enum quant_rule)c->rule,
				   c->calibrate ? icq : NULL, NULL };
	icq->steps = c->steps;
	entropy_init(&icq->entropy);
	return 0;
}
