#include "formats/inputs.h"

#include <stdlib.h>

#include "formats/base_pages.h"

int inputs_collect(struct collection *c, char *const *operands,
		   const char *extra, uint64_t budget, const char *agent)
{
	static char input[] = "-";
	size_t n = 0, at = 0;
	char **paths;
	int err;

	while (operands[n])
		n++;
	paths = calloc(n + 3, sizeof(*paths));
	if (!paths)
		return err_set(E_NOMEM, "out of memory");
	if (!n && extra)
		paths[at++] = input;
	for (size_t i = 0; i < n; i++)
		paths[at++] = operands[i];
	if (extra)
		paths[at++] = (char *)extra;
	err = budget || agent ? collect_paged(c, paths, budget) :
				collect(c, paths);
	if (!err && agent)
		err = base_pages_share(c->base.pages, agent);
	free(paths);
	return err;
}

int inputs_one_model(const struct collection *c,
		     const struct collected **adapter)
{
	if (!c->base.present)
		return err_set(E_DATA, "no base on the input");
	if (c->nadapter > 1)
		return err_set(E_DATA, "%zu adapters on the input, want one "
			       "at most", c->nadapter);
	*adapter = c->nadapter ? c->adapter : NULL;
	return 0;
}
