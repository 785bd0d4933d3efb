#include "formats/export_dense.h"

#include <stdlib.h>

#include "base/size.h"
#include "tensor/transpose.h"
#include "weight/weight.h"

enum { CHUNK = 64 << 10 };

int export_dense(void **data, const struct tensor *t, enum dtype d)
{
	float *chunk = malloc(CHUNK * sizeof(*chunk));
	size_t bytes;
	int err = 0;

	*data = dtype_bytes(&bytes, d, t->count) ? NULL :
						   malloc(bytes + 1);
	if (!chunk || !*data)
		err = err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < t->count && !err; i += CHUNK) {
		size_t n = size_min(CHUNK, t->count - i);
		char *dst = *data;

		err = weight_decode(t, chunk, i, n);
		if (!err && dtype_from_f32(dst + i * dtype_bits(d) / 8, d,
					   chunk, n))
			err = err_set(E_DATA, "%s: cannot be %s", t->name,
				      dtype_name(d));
	}
	free(chunk);
	if (err) {
		free(*data);
		*data = NULL;
	}
	return err;
}

int export_turned(void **turned, const struct tensor *t, enum dtype d,
		  const void *data)
{
	size_t bytes;

	*turned = dtype_bytes(&bytes, d, t->count) ? NULL : malloc(bytes + 1);
	if (!*turned)
		return err_set(E_NOMEM, "out of memory");
	transpose(*turned, t->shape[0], data, t->shape[0], t->shape[1],
		  dtype_bits(d) / 8);
	return 0;
}
