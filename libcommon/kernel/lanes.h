/*
 * lanes - how a row is summed, the same on every processor
 *
 * Element i belongs to lane i mod 16; a lane adds its elements in order. Then
 * lane i takes lane i + 8 (i < 8), i + 4 (i < 4), i + 2 (i < 2), i + 1: two
 * registers of eight or one of sixteen do just that.
 */
#ifndef KERNEL_LANES_H
#define KERNEL_LANES_H

enum { LANES = 16 };

static inline float lanes_sum(float lane[LANES])
{
	for (int step = LANES / 2; step > 0; step /= 2)
		for (int i = 0; i < step; i++)
			lane[i] += lane[i + step];
	return lane[0];
}

static inline double lanes_sum64(double lane[LANES])
{
	for (int step = LANES / 2; step > 0; step /= 2)
		for (int i = 0; i < step; i++)
			lane[i] += lane[i + step];
	return lane[0];
}

#endif
