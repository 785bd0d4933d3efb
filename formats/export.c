/* The targets of an export */
#include "formats/export.h"

#include <string.h>

#include "base/size.h"

static const struct export_target target[] = {
	{ "hf", export_hf, EXPORT_DTYPE | EXPORT_CONFIG },
	{ "peft", export_peft, EXPORT_DTYPE },
	{ "bnb", export_bnb, EXPORT_CONFIG },
	{ "gguf", export_gguf, EXPORT_DTYPE | EXPORT_BLOCKS | EXPORT_FILE },
};

const struct export_target *export_at(size_t i)
{
	return i < NELEM(target) ? &target[i] : NULL;
}

const struct export_target *export_find(const char *name)
{
	for (size_t i = 0; i < NELEM(target); i++)
		if (!strcmp(target[i].name, name))
			return &target[i];
	return NULL;
}
