/* st_list - what is in a stream, as JSON */
#ifndef FORMATS_ST_LIST_H
#define FORMATS_ST_LIST_H

#include "base/json.h"
#include "formats/source.h"

/*
 * The streams of the inputs, an object each:
 *
 *     {"from": path, "kind": "base", "meta": {key: value ...},
 *      "tensors": [{"name", "role", "dtype", "storage", "shape", "values",
 *                   "bytes"} ...],
 *      "samples": n, "tokens": n, "labels": n,
 *      "other": {type: count ...}, "provenance": [record ...],
 *      "values": n, "bytes": n, "whole": true, "content": hex}
 *
 * "storage" is readable ("nf4/64 (dyn8/256)"); sizes are of decoded parts.
 * Tensors' bytes are skipped, not verified; "content" is missing where only
 * they would give it (directories), "whole" where the stream has no end.
 * Errors as source_next(); *list then holds the streams before it.
 */
int st_list(json_t **list, char *const *paths) MUST_CHECK;

#endif
