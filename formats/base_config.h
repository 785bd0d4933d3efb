/* base_config - the config.json of a base, in whatever format it is */
#ifndef FORMATS_BASE_CONFIG_H
#define FORMATS_BASE_CONFIG_H

#include "base/err.h"
#include "base/json.h"

/* Reads no further than its side files. The caller's. E_DATA: path is no base,
 * or has none; E_NOINPUT, E_IO. */
int base_config(json_t **config, const char *path) MUST_CHECK;

#endif
