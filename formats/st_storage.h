/* st_storage - a tensor's storage tree in msgpack, and back */
#ifndef FORMATS_ST_STORAGE_H
#define FORMATS_ST_STORAGE_H

#include "formats/msg.h"
#include "tensor/tensor.h"

void st_storage_put(struct msg_out *o, const struct tensor *t);

/* t has its shape: nodes and parts are made anew, without data. E_DATA,
 * E_NOMEM. */
int st_storage_get(struct tensor *t, const struct msg_value *v) MUST_CHECK;

/* The type of that name; 1: none, or v is no text. */
int st_dtype_get(enum dtype *d, const struct msg_value *v);

#endif
