/*
 * schedule - the learning rate's factor at each step, by Hugging Face's names
 * and formulas
 *
 * With w warm-up steps of t steps in all, step s = 0, 1, ...; while s < w the
 * factor is s / max(1, w), so that the first warm-up step has rate 0. Then,
 * with q = (s - w) / max(1, t - w):
 *
 *     constant                1, and no warm-up
 *     constant_with_warmup    1
 *     linear                  max(0, (t - s) / max(1, t - w))
 *     cosine                  max(0, (1 + cos(pi q)) / 2)
 *     cosine_with_min_lr      cosine (1 - m) + m
 *
 * The cosine is base/math.h's.
 */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

struct schedule {
	const struct schedule_kind *kind;
	uint64_t warmup, total;
	double least;           /* m: the least rate, as a part of the peak */
};

struct schedule_kind {
	const char *name;
	double (*factor)(const struct schedule *s, uint64_t step);
};

const struct schedule_kind *schedule_find(const char *name);    /* or NULL */
const struct schedule_kind *schedule_at(size_t i);              /* or NULL */

double schedule_factor(const struct schedule *s, uint64_t step);

/* ceil(total * ratio), Hugging Face's --warmup-ratio. */
uint64_t schedule_warmup(uint64_t total, double ratio);

#endif
