/* transpose - a matrix turned, whatever its elements are */
#ifndef TENSOR_TRANSPOSE_H
#define TENSOR_TRANSPOSE_H

#include <stddef.h>

/*
 * to (cols, rows) = from (rows, cols)^T: elements of size bytes, 1 to 8, to is
 * to_stride elements from row to row, from has cols. They do not overlap.
 */
void transpose(void *to, size_t to_stride, const void *from, size_t rows,
	       size_t cols, size_t size);

#endif
