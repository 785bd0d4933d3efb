#include "formats/inputs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "formats/base_pages.h"
#include "formats/grow.h"

int inputs_grow(struct collection *c, const struct collected *adapter)
{
	return grow_base(&c->base,
			 json_path(adapter->meta, "adapter.added_tokens"));
}

/* Files, also one that is the standard input, that may take more than is free:
 * what is compressed takes twice its bytes. What comes from a pipe, nobody
 * knows. */
static int are_large(char *const *paths)
{
	uint64_t sum = 0, most = os_memory_free();
	struct stat st;

	for (; *paths; paths++)
		if (!(strcmp(*paths, "-") ? stat(*paths, &st) :
					    fstat(STDIN_FILENO, &st)) &&
		    S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
	return most && sum > most / 2;
}

int inputs_collect_all(struct collection *c, char *const *operands,
		       const char *const *extra, size_t nextra,
		       uint64_t budget, const char *agent)
{
	static char input[] = "-";
	size_t n = 0, at = 0;
	char **paths;
	int err;

	while (operands[n])
		n++;
	paths = calloc(n + nextra + 2, sizeof(*paths));
	if (!paths)
		return err_set(E_NOMEM, "out of memory");
	if (!n)
		paths[at++] = input;
	for (size_t i = 0; i < n; i++)
		paths[at++] = operands[i];
	for (size_t i = 0; i < nextra; i++)
		paths[at++] = (char *)extra[i];
	err = budget || agent || are_large(paths) ?
		      collect_paged(c, paths, budget) : collect(c, paths);
	if (!err && agent)
		err = base_pages_share(c->base.pages, agent);
	for (size_t i = 0; !err && i < c->nadapter; i++)
		err = inputs_grow(c, &c->adapter[i]);
	free(paths);
	return err;
}

int inputs_collect(struct collection *c, char *const *operands,
		   const char *extra, uint64_t budget, const char *agent)
{
	return inputs_collect_all(c, operands, &extra, extra != NULL, budget,
				  agent);
}

int inputs_alone(const struct collection *c)
{
	return base_pages_alone(c->base.pages);
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
