/*
 * export_dense - a tensor in any storage as an array of numbers
 */
#ifndef FORMATS_EXPORT_DENSE_H
#define FORMATS_EXPORT_DENSE_H

#include "tensor/tensor.h"

/* t, loaded, as a dense array of type d; free *data. E_DATA, E_NOMEM. */
int export_dense(void **data, const struct tensor *t, enum dtype d) MUST_CHECK;

/* An array of the matrix t as one of (cols, rows), for checkpoints that have
 * it so; free *turned. E_NOMEM. */
int export_turned(void **turned, const struct tensor *t, enum dtype d,
		  const void *data) MUST_CHECK;

#endif
