#include "formats/shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 64 };

int shards_begin(struct shards *s, const struct export_dir *dir, uint64_t most)
{
	*s = (struct shards){ .dir = dir, .most = most,
			      .where = json_object() };
	return s->where ? 0 : err_set(E_NOMEM, "out of memory");
}

/* While the number of files is not known. */
static void part_name(char *name, size_t i)
{
	snprintf(name, NAME, "part-%zu", i);
}

static void final_name(char *name, size_t i, size_t n)
{
	if (n == 1)
		strcpy(name, "model.safetensors");
	else
		snprintf(name, NAME, "model-%05zu-of-%05zu.safetensors", i,
			 n);
}

static int next_file(struct shards *s)
{
	char name[NAME], *path;
	int err;

	if (s->n)
		TRY(safetensors_finish(&s->out));
	part_name(name, ++s->n);
	path = export_dir_path(s->dir, name);
	err = path ? safetensors_create(&s->out, path) :
		     err_set(E_NOMEM, "out of memory");
	free(path);
	return err;
}

int shards_add(struct shards *s, const char *name, enum dtype d, int rank,
	       const size_t *shape, const void *data)
{
	size_t count = 1, bytes;

	for (int i = 0; i < rank; i++)
		count *= shape[i];
	if (dtype_bytes(&bytes, d, count))
		return err_set(E_DATA, "%s: too large", name);
	if (!s->n || !safetensors_fits(&s->out, name) ||
	    (s->out.bytes && s->out.bytes + bytes > s->most))
		TRY(next_file(s));
	TRY(safetensors_add(&s->out, name, d, rank, shape, data));
	s->total += bytes;
	if (json_object_set_new(s->where, name,
				json_integer((json_int_t)s->n)))
		return err_set(E_NOMEM, "out of memory");
	return 0;
}

static int write_index(struct shards *s)
{
	json_t *map = json_object(), *index, *number;
	const char *tensor;
	char name[NAME];
	int err;

	json_object_foreach(s->where, tensor, number) {
		final_name(name, (size_t)json_integer_value(number), s->n);
		json_object_set_new(map, tensor, json_string(name));
	}
	index = json_pack("{s{sI} so}", "metadata", "total_size",
			  (json_int_t)s->total, "weight_map", map);
	if (!index)
		return err_set(E_NOMEM, "out of memory");
	err = export_dir_json(s->dir, "model.safetensors.index.json", index);
	json_decref(index);
	return err;
}

int shards_finish(struct shards *s)
{
	char from[NAME], to[NAME];

	if (!s->n)
		return err_set(E_DATA, "the base has no weight");
	TRY(safetensors_finish(&s->out));
	for (size_t i = 1; i <= s->n; i++) {
		part_name(from, i);
		final_name(to, i, s->n);
		TRY(export_dir_rename(s->dir, from, to));
	}
	return s->n > 1 ? write_index(s) : 0;
}

void shards_release(struct shards *s)
{
	safetensors_abandon(&s->out);
	json_decref(s->where);
	*s = (struct shards){ 0 };
}
