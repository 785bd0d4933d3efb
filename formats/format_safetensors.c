/* A single .safetensors file: its tensors, with roles guessed from names. */
#include "formats/source.h"

#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "formats/foreign.h"
#include "formats/hf_names.h"
#include "formats/safetensors.h"

static int probe(const char *path, const unsigned char *head, size_t n)
{
	size_t length = path ? strlen(path) : 0;

	if (!head)
		return 0;
	if (length > 12 && !strcmp(path + length - 12, ".safetensors"))
		return 1;
	return n >= 9 && head[8] == '{' &&
	       le64_get(head) <= SAFETENSORS_HEADER;
}

static int fill(struct foreign *f, const struct safetensors *s, size_t file)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct safetensors_entry *e = &s->entry[i];
		struct foreign_item *item;
		struct hf_name name;

		if (strstr(e->name, ".lora_A") || strstr(e->name, ".absmax"))
			return err_set(E_DATA, "%s: part of a model "
				       "directory; please name the directory",
				       e->name);
		TRY(hf_name_find(&name, NULL, e->name, e->rank));
		if (name.drop)
			continue;
		TRY(foreign_add(f, e->name, name.role, e->dtype, e->rank,
				e->shape, &item));
		item->file = file;
		item->at = e->at;
		item->order = name.order;
	}
	return foreign_sort(f);
}

static int open_file(void **self, const char *path, struct io_in *in)
{
	struct safetensors s = { 0 };
	struct foreign *f = NULL;
	struct file file;
	size_t index = 0;
	int err;

	(void)path;
	TRY(file_take(&file, in));
	err = safetensors_read(&s, &file);
	if (!err)
		err = foreign_new(&f, STREAM_BASE);
	if (!err)
		err = foreign_take(f, &file, &index);
	else
		file_close(&file);
	if (!err)
		err = fill(f, &s, index);
	safetensors_release(&s);
	if (err)
		foreign_close(f);
	else
		*self = f;
	return err;
}

const struct source_format format_safetensors = {
	.name = "safetensors", .probe = probe, .open = open_file,
	.next = foreign_next, .load = foreign_load, .close = foreign_close,
};
