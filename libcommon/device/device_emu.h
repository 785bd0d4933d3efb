/*
 * device_emu - a device of host memory that is as strict as a real one
 *
 * Every region has pages of its own, with a guard page on both sides, and they
 * cannot be touched but inside a pin or by a copy, nor written under a pin for
 * reading: who tries gets SIGSEGV. Fresh and freed memory is 0xa5.
 *
 * A copy is moved, and later ends, in two turns of a worker; which of the
 * turns that are possible comes next is drawn from a seeded generator. So the
 * two queues overtake each other in every way that a device may show, and
 * each stays in order. A copy that fails has moved half of its bytes.
 */
#ifndef DEVICE_EMU_H
#define DEVICE_EMU_H

#include "device/device.h"

struct device_emu_options {
	uint64_t seed;
	double latency;         /* seconds that a copy takes at least */
	double bandwidth;       /* bytes a second; 0: no limit */
	int stepped;            /* no worker: device_emu_turn() is one */

	/* What fails, counted from 1 at device_open(); 0: nothing. */
	uint64_t fail_alloc;    /* E_NOMEM, though the budget has room */
	uint64_t fail_pin;      /* E_UNAVAIL: the device is lost */
	uint64_t fail_copy;     /* E_IO: this one, and */
	uint64_t fail_more;     /* so many after it */
	uint64_t lose_copy;     /* the device is lost when this one is moved */
};

/* One turn of a stepped device, with calls of done from inside. 0: there is
 * nothing to do. */
int device_emu_turn(struct device *d);

#endif
