#include "data/by_field.h"

#include <string.h>

int by_field_number(size_t *number, const struct by_field *b, json_t *record)
{
	const char *name;

	*number = 0;
	if (!b)
		return 0;
	name = json_text(record, b->field, NULL);
	if (!name)
		return err_set(E_DATA, "no text \"%s\", which names the "
			       "adapter", b->field);
	while (*number < b->n && strcmp(b->name[*number], name))
		++*number;
	return *number < b->n ? 0 :
	       err_set(E_DATA, "\"%s\" is \"%.80s\", and no adapter has that "
		       "name", b->field, name);
}
