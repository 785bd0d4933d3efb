/*
 * export_card - the README.md of an adapter: what it is and how it was made
 */
#ifndef FORMATS_EXPORT_CARD_H
#define FORMATS_EXPORT_CARD_H

#include "base/err.h"
#include "base/json.h"

/* peft: adapter_config.json; provenance: array of the stream's prov records.
 * Free *text. E_NOMEM. */
int export_card(char **text, json_t *peft, json_t *provenance) MUST_CHECK;

#endif
