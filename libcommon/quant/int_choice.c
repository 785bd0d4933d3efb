#include "quant/int_choice.h"

int int_choice_how(struct quant_int *how, struct entropy *entropy,
		   const struct int_choice *c)
{
	static const enum dtype scale[] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16 };

	if (!quant_int_bits_ok(c->bits))
		return err_set(E_USAGE, "--bits %zu: want 2, 3, 4 or 8",
			       c->bits);
	if (c->icq && c->zero != GRID_WHOLE)
		return err_set(E_USAGE, "--icq goes with --zero whole");
	*how = (struct quant_int){
		.grid = { (int)c->bits, (enum int_grid_zero)c->zero,
			  scale[c->scales], c->icq ? entropy : NULL },
		.group = c->group,
	};
	entropy_init(entropy);
	return 0;
}
