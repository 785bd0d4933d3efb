#include "base/level.h"

#include <stdlib.h>
#include <string.h>

static const char *const name[LEVEL_COUNT] = {
	[LEVEL_C] = "c", [LEVEL_AVX2] = "avx2", [LEVEL_AVX512] = "avx512",
	[LEVEL_AVX512BF16] = "avx512bf16",
};

const char *level_name(enum level l)
{
	return name[l];
}

int level_asked(enum level *l)
{
	const char *asked = getenv("KERNELS");

	*l = LEVEL_COUNT - 1;
	if (!asked || !*asked)
		return 0;
	for (int i = 0; i < LEVEL_COUNT; i++) {
		*l = (enum level)i;
		if (!strcmp(asked, name[i]))
			return 0;
	}
	return err_set(E_USAGE, "KERNELS=%s: no such kernels; there are c, "
		       "avx2, avx512 and avx512bf16", asked);
}
