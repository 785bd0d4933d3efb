/*
 * nf4_choice - how weights become NF4, on a command line: rows for an option
 * table, and what they mean
 */
#ifndef QUANT_NF4_CHOICE_H
#define QUANT_NF4_CHOICE_H

#include "base/opt.h"
#include "quant/quant_nf4.h"

struct nf4_choice {
	size_t block, steps;
	int nested, rule, calibrate;
};

#define NF4_CHOICE { .block = 64, .nested = 1, .steps = 100 }

/* The rows; c is the variable. */
#define NF4_OPTIONS(c)                                                       \
	{ "block", 0, OPT_COUNT, &(c).block, "N",                            \
	  "weights that share a scale: 32, 64, 128 ... 4096",                \
	  .alias = "blocksize block-size", .flags = OPT_RECORD },            \
	{ "double-quant", 0, OPT_FLAG, &(c).nested, NULL,                    \
	  "store the scales in 8 bits; --no-double-quant keeps them in f32", \
	  .alias = "bnb-4bit-use-double-quant use-double-quant",             \
	  .flags = OPT_RECORD },                                             \
	{ "bnb", 0, OPT_CHOICE, &(c).rule, "RULE",                           \
	  "whose bytes: bitsandbytes' library on the CPU, or its CUDA "      \
	  "kernels", .choices = "cpu|cuda", .flags = OPT_RECORD },           \
	{ "icq", 0, OPT_FLAG, &(c).calibrate, NULL,                          \
	  "shift each block so that its codes hold the most information",    \
	  .flags = OPT_RECORD },                                             \
	{ "icq-steps", 0, OPT_COUNT, &(c).steps, "N",                        \
	  "shifts that --icq tries on either side of the block's median",    \
	  .flags = OPT_RECORD }

/* icq: room for what how may point to. E_USAGE, naming the option. */
int nf4_choice_how(struct quant_nf4 *how, struct icq *icq,
		   const struct nf4_choice *c) MUST_CHECK;

#endif
