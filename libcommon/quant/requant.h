/*
 * requant - a merged weight stored again as its base was, and what that costs
 *
 * A LoRA update is often smaller than the distance between two codes, so part
 * of it is lost when the sum is quantised again.
 */
#ifndef QUANT_REQUANT_H
#define QUANT_REQUANT_H

#include "base/json.h"
#include "quant/quant_nf4.h"

/* With W the base's values, M = W + delta the merged ones and Q those that are
 * stored in the end, all as one vector: */
struct requant_report {
	double delta;           /* |M - W| */
	double survived;        /* <Q - W, M - W> / |M - W|^2: 1 is all of it;
				 * NaN where there is no delta */
	double error;           /* |Q - M| */
};

/* Can a weight be stored again as base, which need not be loaded? E_CONFIG: it
 * cannot be made here. */
int requant_can(const struct tensor *base) MUST_CHECK;

/*
 * to: new, merged's values in the storage of base. base: NF4 or int; merged:
 * plain f32 of its shape; both loaded. An int range that was stretched, or that
 * GPTQ found, becomes that of the values. E_CONFIG: as requant_can(); as
 * quant_nf4() and quant_int() else.
 */
int requant(struct tensor *to, const struct tensor *base,
	    const struct tensor *merged, enum quant_rule rule,
	    struct requant_report *report, struct pool *pool) MUST_CHECK;

/* Adds a tensor's report to that of all. */
void requant_add(struct requant_report *all, const struct requant_report *r);

/* "name  delta  survived  error" in columns, error in units of delta, into buf;
 * the head of the table for NULL. */
enum { REQUANT_TEXT = 1200 };
const char *requant_text(char buf[REQUANT_TEXT], const char *name,
			 const struct requant_report *r);

/* {"tensor", "delta", "survived", "error"}, the last two where there is a
 * delta, error in units of it; a new reference. E_NOMEM. */
int requant_json(json_t **line, const char *name,
		 const struct requant_report *r) MUST_CHECK;

#endif
