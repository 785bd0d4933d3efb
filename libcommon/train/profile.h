/*
 * profile - where the time of a run went, as a table
 */
#ifndef TRAIN_PROFILE_H
#define TRAIN_PROFILE_H

#include "train/trainer.h"

enum { PROFILE_TEXT = 4096 };

/*
 * After trainer_run(), into buf of PROFILE_TEXT bytes: a line for each op and
 * for what is around them, in seconds a step (forward, forward again for what
 * is recomputed, backward, all) and its share of the step; evaluation's
 * forward counts too. The lines add up to the last, which is the time that
 * passed.
 */
const char *profile_text(char *buf, struct trainer *t);

#endif
