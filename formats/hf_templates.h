/*
 * hf_templates - the chat templates beside a model's own, which transformers
 * keeps in a folder of the model's
 */
#ifndef FORMATS_HF_TEMPLATES_H
#define FORMATS_HF_TEMPLATES_H

#include "formats/foreign.h"

#define HF_TEMPLATES "additional_chat_templates"

/* Adds the folder's *.jinja files, by name, as side files of
 * "additional_chat_templates/<name>"; none is fine. E_DATA: more than 64, one
 * larger than a template may be (JINJA_SIZE), or no regular file. */
int hf_templates_add(struct foreign *f, const char *dir) MUST_CHECK;

/* What follows "additional_chat_templates/" in a side file's name, which may
 * still be no plain name; NULL: the name does not begin so. */
const char *hf_templates_name(const char *side);

#endif
