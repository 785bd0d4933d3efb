/* foreign_blocks - tensors that keep the blocks of a GGUF file */
#include "formats/foreign.h"

#include <ctype.h>

/* From now on this tensor's parts are the file's blocks. */
static void keep_blocks(struct foreign_item *it)
{
	struct tensor *t = &it->tensor;
	struct storage *s;

	t->nnode = t->npart = 0;
	s = &t->node[tensor_node(t, STORE_GGUF, t->count)];
	for (size_t i = 0; it->block->name[i]; i++)
		s->format[i] = (char)tolower((unsigned char)it->block->name[i]);
	s->part = tensor_part(t, DTYPE_U8, t->count / it->block->count *
					   it->block->bytes);
	it->kept = 1;
}

void foreign_keep_blocks(void *self)
{
	struct foreign *f = self;

	for (size_t i = 0; i < f->n && f->kind == STREAM_BASE; i++)
		if (f->item[i].block)
			keep_blocks(&f->item[i]);
}

int foreign_load_blocks(const struct foreign_item *it, const struct file *file,
			const struct tensor *t)
{
	size_t rows = gguf_rows_moved(&it->rows) ? tensor_rows(t) : 1;
	size_t bytes = t->part[0].bytes / rows;
	char *dst = t->part[0].data;

	for (size_t row = 0; row < rows; row++)
		TRY(file_read(file, dst + gguf_row(&it->rows, row, rows) *
					  bytes, bytes, it->at + row * bytes));
	return 0;
}
