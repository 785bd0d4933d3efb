/*
 * split - which samples are held out to measure on
 *
 * What a sample is decides: a hash of the seed and of its tokens. So the same
 * sample falls on the same side wherever it stands and whatever is beside it,
 * equal samples are never on both sides, and nothing need be counted first.
 * Of n samples about part * n are held out.
 */
#ifndef DATA_SPLIT_H
#define DATA_SPLIT_H

#include "data/samples.h"

/* 1: the sample of these n tokens is held out. 0 <= part <= 1. */
int split_holds(uint64_t seed, double part, const uint32_t *id, size_t n);

/* Moves those that are held out from s to held. E_NOMEM; E_DATA: one of the two
 * would be empty. */
int samples_split(struct samples *s, struct samples *held, uint64_t seed,
		  double part) MUST_CHECK;

/* Puts the samples in an order that follows from the seed alone. E_NOMEM. */
int samples_shuffle(struct samples *s, uint64_t seed) MUST_CHECK;

#endif
