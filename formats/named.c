#include "formats/named.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The file of an entry. */
static const char *file_of(const char *entry)
{
	size_t n = strcspn(entry, "=/");

	return entry[n] == '=' && n && access(entry, F_OK) ? entry + n + 1 :
							     entry;
}

/* "b" of "a/b.st", "a/b/" and "b=c". */
static char *name_of(const char *entry)
{
	const char *file = file_of(entry);
	size_t from = 0, end = strlen(file), n;

	if (file != entry)
		return strndup(entry, (size_t)(file - entry) - 1);
	while (end > 1 && file[end - 1] == '/')
		end--;
	for (size_t i = 0; i + 1 < end; i++)
		if (file[i] == '/')
			from = i + 1;
	n = strcspn(file + from, ".");
	return strndup(file + from, n < end - from ? n : end - from);
}

static int read_all(struct collection *c, char *const *operands,
		    const struct opt_list *adapters, uint64_t budget,
		    const char *agent)
{
	const char **file = calloc(adapters->n + 1, sizeof(*file));
	int err = file ? 0 : err_set(E_NOMEM, "out of memory");

	for (size_t i = 0; !err && i < adapters->n; i++)
		file[i] = file_of(adapters->at[i]);
	if (!err)
		err = inputs_collect_all(c, operands, file, adapters->n,
					 budget, agent);
	free(file);
	return err;
}

static int set_names(struct named *named, const struct opt_list *adapters)
{
	named->name = calloc(named->n + 1, sizeof(*named->name));
	if (!named->name)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < named->n; i++) {
		named->name[i] = adapters->n ? name_of(adapters->at[i]) :
					       strdup("");
		if (!named->name[i])
			return err_set(E_NOMEM, "out of memory");
		for (size_t k = 0; k < i; k++)
			if (!strcmp(named->name[i], named->name[k]))
				return err_set(E_USAGE, "two adapters are "
					       "called '%s'; -A NAME=FILE "
					       "gives another name",
					       named->name[i]);
	}
	return 0;
}

int named_collect(struct named *named, struct collection *c,
		  char *const *operands, const struct opt_list *adapters,
		  uint64_t budget, const char *agent)
{
	memset(named, 0, sizeof(*named));
	TRY(read_all(c, operands, adapters, budget, agent));
	if (!c->base.present)
		return err_set(E_DATA, "no base on the input");
	named->at = c->adapter;
	named->n = c->nadapter;
	if (named->n > 1 && named->n != adapters->n)
		return err_set(E_DATA, "%zu adapters on the input, of which "
			       "%zu have names; name each by -A NAME=FILE",
			       named->n, adapters->n);
	if (named->n < adapters->n)
		return err_set(E_DATA, "-A: %zu entries, and %zu adapters",
			       adapters->n, named->n);
	return set_names(named, adapters);
}

void named_release(struct named *named)
{
	for (size_t i = 0; named->name && i < named->n; i++)
		free(named->name[i]);
	free(named->name);
	memset(named, 0, sizeof(*named));
}
