/* Any bytes as a header: what is accepted has one form only. */
#include <stdlib.h>
#include <string.h>

#include "formats/msg.h"
#include "tests/fuzz/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct msg_out o = { 0 };
	struct msg *m;
	json_t *j;

	if (size > 1 << 16 || msg_parse(&m, data, size))
		return 0;
	if (!msg_to_json(&j, msg_root(m))) {
		msg_put_json(&o, j);
		if (!msg_done(&o) && (o.n != size || memcmp(o.at, data, size)))
			abort();
		msg_release(&o);
		json_decref(j);
	}
	msg_free(m);
	return 0;
}
