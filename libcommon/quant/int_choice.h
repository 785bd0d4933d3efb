/*
 * int_choice - how weights become small whole numbers, on a command line: rows
 * for an option table, and what they mean
 */
#ifndef QUANT_INT_CHOICE_H
#define QUANT_INT_CHOICE_H

#include "base/opt.h"
#include "quant/quant_int.h"

struct int_choice {
	size_t bits, group;
	int zero, scales, icq, gptq;
};

#define INT_CHOICE { .bits = 4, .group = 32, .zero = GRID_REAL }

/* The rows; c is the variable. */
#define INT_OPTIONS(c)                                                       \
	{ "bits", 0, OPT_COUNT, &(c).bits, "N",                              \
	  "bits of a weight: 2, 3, 4 or 8", .alias = "wbits w-bit",          \
	  .flags = OPT_RECORD },                                             \
	{ "group", 0, OPT_COUNT, &(c).group, "N",                            \
	  "weights of a row that share a scale and a zero; 0: the whole row", \
	  .alias = "group-size groupsize q-group-size",                      \
	  .flags = OPT_RECORD },                                             \
	{ "zero", 0, OPT_CHOICE, &(c).zero, "KIND",                          \
	  "what the zero of a group may be: any number, a code, or the code " \
	  "in the middle", .choices = "real|whole|middle",                   \
	  .flags = OPT_RECORD },                                             \
	{ "scales", 0, OPT_CHOICE, &(c).scales, "TYPE",                      \
	  "type that scales are stored as", .choices = "f32|f16|bf16",       \
	  .flags = OPT_RECORD },                                             \
	{ "icq", 0, OPT_FLAG, &(c).icq, NULL,                                \
	  "stretch each group's range so that its codes hold the most "      \
	  "information; with --zero whole", .flags = OPT_RECORD },           \
	{ "gptq", 0, OPT_FLAG, &(c).gptq, NULL,                              \
	  "let the weights of a row make up for each other's rounding, for " \
	  "the inputs that data gives", .flags = OPT_RECORD }

/* entropy: room for what how may point to. E_USAGE, naming the option. */
int int_choice_how(struct quant_int *how, struct entropy *entropy,
		   const struct int_choice *c) MUST_CHECK;

#endif
