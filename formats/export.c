/* The targets of an export */
#include "formats/export.h"

#include <string.h>

#include "base/sig.h"
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

int export_each(struct source *from, export_item_fn *handle, void *self)
{
	struct item item;
	int err;

	do {
		TRY(source_next(from, &item));
		err = sig_stopped() ? err_set(E_IO, "stopped by a signal") :
				      handle(self, &item);
		if (err)
			return err_at(err, "%s", source_name(from));
	} while (item.kind != ITEM_NONE);
	return 0;
}
