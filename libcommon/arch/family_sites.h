/*
 * family_sites - the matrices that a model will have, told by its config.json,
 * which comes before them
 */
#ifndef ARCH_FAMILY_SITES_H
#define ARCH_FAMILY_SITES_H

#include "adapt/spec.h"

/* Adds the sites; s is the caller's to release also after a failure. E_DATA:
 * no family that is known, or a config that it cannot be. */
int family_sites(struct adapter_sites *s, json_t *config) MUST_CHECK;

#endif
