/* msg_scan - is this what msg.h's profile says? */
#ifndef FORMATS_MSG_SCAN_H
#define FORMATS_MSG_SCAN_H

#include "base/err.h"

#include <stddef.h>

/* n bytes are one map and nothing after it, in the profile; allocates nothing
 * and does not recurse. E_DATA. */
int msg_scan(const void *at, size_t n) MUST_CHECK;

#endif
