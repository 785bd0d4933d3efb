#include "formats/foreign.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/half.h"
#include "base/size.h"
#include "tensor/transpose.h"

enum {
	SIDE_MOST = 256 << 20,
	JSON_MOST = 64 << 20,
	CHUNK = 256 << 10,      /* values converted at a time, at least a row */
};

static int no_memory(void)
{
	return err_set(E_NOMEM, "out of memory");
}

int foreign_new(struct foreign **f, enum stream_kind kind)
{
	*f = calloc(1, sizeof(**f));
	if (!*f)
		return no_memory();
	(*f)->kind = kind;
	(*f)->meta = json_object();
	if ((*f)->meta)
		return 0;
	free(*f);
	*f = NULL;
	return no_memory();
}

int foreign_take(struct foreign *f, struct file *file, size_t *index)
{
	struct file *at = realloc(f->file, (f->nfile + 1) * sizeof(*at));

	if (!at) {
		file_close(file);
		return no_memory();
	}
	f->file = at;
	*index = f->nfile;
	f->file[f->nfile++] = *file;
	*file = (struct file){ 0 };
	return 0;
}

int foreign_add(struct foreign *f, const char *name, enum tensor_role role,
		enum dtype d, int rank, const size_t *shape,
		struct foreign_item **item)
{
	struct foreign_item *it;

	if (f->n == f->room) {
		size_t room = f->room ? 2 * f->room : 64;

		it = realloc(f->item, room * sizeof(*it));
		if (!it)
			return no_memory();
		f->item = it;
		f->room = room;
	}
	it = &f->item[f->n];
	*it = (struct foreign_item){ .from = d, .number = f->n };
	TRY(tensor_init(&it->tensor, name, role, d, rank, shape));
	f->n++;
	*item = it;
	return 0;
}

static int add_blob(struct foreign *f, const char *name, size_t size,
		    struct foreign_item **item)
{
	char *whole = foreign_path("file", name);
	int err = whole ? 0 : no_memory();

	if (!err)
		err = foreign_add(f, whole, ROLE_BLOB, DTYPE_U8, 1, &size,
				  item);
	free(whole);
	return err;
}

int foreign_made(struct foreign *f, const char *name, char *bytes, size_t size)
{
	struct foreign_item *item;
	int err = add_blob(f, name, size, &item);

	if (err)
		free(bytes);
	else
		item->made = bytes;
	return err;
}

int foreign_side(struct foreign *f, const char *dir, const char *name)
{
	struct foreign_item *item;
	struct file file;
	size_t index, size;

	TRY(file_open(&file, dir, name));
	size = (size_t)file.size;
	if (file.size > SIDE_MOST) {
		file_close(&file);
		return err_set(E_DATA, "%s: larger than %d bytes", name,
			       SIDE_MOST);
	}
	TRY(foreign_take(f, &file, &index));
	TRY(add_blob(f, name, size, &item));
	item->file = index;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct foreign_item *x = *(struct foreign_item *const *)a;
	const struct foreign_item *y = *(struct foreign_item *const *)b;

	return strcmp(x->tensor.name, y->tensor.name);
}

static int by_order(const void *a, const void *b)
{
	const struct foreign_item *x = a, *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

int foreign_sort(struct foreign *f)
{
	struct foreign_item **name = calloc(f->n + 1, sizeof(*name));
	int err = 0;

	if (!name)
		return no_memory();
	for (size_t i = 0; i < f->n; i++)
		name[i] = &f->item[i];
	qsort(name, f->n, sizeof(*name), by_name);
	for (size_t i = 1; i < f->n && !err; i++)
		if (!by_name(&name[i - 1], &name[i]))
			err = err_set(E_DATA, "%s: there are two of it",
				      name[i]->tensor.name);
	free(name);
	if (f->n)
		qsort(f->item, f->n, sizeof(*f->item), by_order);
	return err;
}

static void unload(struct tensor *t)
{
	for (int i = 0; i < t->npart; i++) {
		free(t->part[i].data);
		t->part[i].data = NULL;
	}
}

int foreign_next(void *self, struct item *item)
{
	struct foreign *f = self;
	size_t at = f->at++;

	*item = (struct item){ .stream = f->kind };
	if (at && at <= f->n)
		unload(&f->item[at - 1].tensor);
	if (!at) {
		item->kind = ITEM_HEAD;
		f->iter = json_object_iter(f->meta);
	} else if (f->iter) {
		item->kind = ITEM_META;
		item->key = json_object_iter_key(f->iter);
		item->value = json_object_iter_value(f->iter);
		f->iter = json_object_iter_next(f->meta, f->iter);
		f->at--;
	} else if (at <= f->n) {
		item->kind = ITEM_TENSOR;
		item->tensor = &f->item[at - 1].tensor;
	} else {
		item->kind = at == f->n + 1 ? ITEM_END : ITEM_NONE;
	}
	return 0;
}

struct convert {
	const struct foreign_item *item;
	const struct file *file;
	unsigned char *raw;     /* of nrow rows */
	float *value;           /* of nrow rows */
	size_t rows, cols, raw_row, row_bytes;
};

static int convert_rows(const struct convert *c, unsigned char *dst,
			size_t row, size_t n)
{
	const struct foreign_item *it = c->item;

	TRY(file_read(c->file, c->raw, n * c->raw_row,
		      it->at + row * c->raw_row));
	if (it->block && it->block->decode)
		it->block->decode(c->value, c->raw, 0,
				  n * c->cols / GGUF_UNIT);
	else if (dtype_to_f32(c->value, it->from, c->raw, n * c->cols))
		return err_set(E_DATA, "%s: is stored as %s", it->tensor.name,
			       dtype_name(it->from));
	for (size_t i = 0; it->plus1 && i < n * c->cols; i++)
		c->value[i] -= 1;
	for (size_t i = 0; i < n; i++) {
		size_t to = gguf_row(&it->rows, row + i, c->rows);

		if (dtype_from_f32(dst + to * c->row_bytes, it->tensor.dtype,
				   c->value + i * c->cols, c->cols))
			return err_set(E_BUG, "%s: to %s", it->tensor.name,
				       dtype_name(it->tensor.dtype));
	}
	return 0;
}

static int convert(const struct foreign_item *it, const struct file *file,
		   const struct tensor *t)
{
	struct convert c = { .item = it, .file = file };
	int vector = t->rank < 2;
	size_t nrow;
	int err = 0;

	/* A bias is permuted like the rows it belongs to. */
	c.rows = vector ? t->count : tensor_rows(t);
	c.cols = vector ? 1 : tensor_cols(t);
	if (it->block && it->block->decode && vector)
		c.rows = 1, c.cols = t->count;
	c.row_bytes = c.cols * dtype_bits(t->dtype) / 8;
	c.raw_row = it->block ?
		    c.cols / it->block->count * it->block->bytes :
		    c.cols * dtype_bits(it->from) / 8;
	nrow = size_min(size_max(CHUNK / c.cols, 1), c.rows);
	c.raw = malloc(nrow * c.raw_row);
	c.value = malloc(nrow * c.cols * sizeof(*c.value));
	if (!c.raw || !c.value)
		err = no_memory();
	for (size_t row = 0; row < c.rows && !err; row += nrow)
		err = convert_rows(&c, t->part[0].data, row,
				   size_min(nrow, c.rows - row));
	free(c.raw);
	free(c.value);
	return err;
}

/* Rows of the file are columns of the tensor, which is of plain values: of the
 * file's type, or f32. */
static int load_transposed(const struct foreign_item *it,
			   const struct file *file, struct tensor *t)
{
	size_t rows = t->shape[0], cols = t->shape[1];
	size_t size = dtype_bits(t->dtype) / 8, from = dtype_bits(it->from) / 8;
	size_t some = size_min(size_max(CHUNK / rows, 1), cols), k;
	int same = it->from == t->dtype;
	unsigned char *raw = malloc(some * rows * from), *to = t->part[0].data;
	float *value = same ? NULL : malloc(some * rows * sizeof(*value));
	int err = raw && (same || value) ? 0 : no_memory();

	for (size_t j = 0; j < cols && !err; j += k) {
		k = size_min(some, cols - j);
		err = file_read(file, raw, k * rows * from,
				it->at + j * rows * from);
		if (!err && !same &&
		    dtype_to_f32(value, it->from, raw, k * rows))
			err = err_set(E_DATA, "%s: is stored as %s", t->name,
				      dtype_name(it->from));
		if (!err)
			transpose(to + j * size, cols,
				  same ? (void *)raw : value, k, rows, size);
	}
	free(value);
	free(raw);
	return err;
}

/* Part by part; what is over in the codes' last byte is 0 in a stream. */
static int load_parts(const struct foreign *f, const struct foreign_item *it,
		      struct tensor *t)
{
	for (int i = 0; i < t->npart; i++) {
		struct tensor_part *p = &t->part[i];

		TRY(file_read(&f->file[it->part[i].file], p->data, p->bytes,
			      it->part[i].at));
		if (p->dtype == DTYPE_U4 && p->count % 2)
			((unsigned char *)p->data)[p->bytes - 1] &= 0xf0;
	}
	return 0;
}

int foreign_load(void *self, struct tensor *t)
{
	struct foreign *f = self;
	const struct foreign_item *it = &f->item[f->at - 2];

	if (it->unsorted)
		return err_set(E_DATA, "%s: its rows are in the order of its "
			       "base's heads, and the file does not say how "
			       "many; st-import --base MODEL does", t->name);
	TRY(tensor_alloc(t));
	if (it->made) {
		memcpy(t->part[0].data, it->made, t->part[0].bytes);
		return 0;
	}
	if (!t->count)
		return 0;
	if (it->kept)
		return foreign_load_blocks(it, &f->file[it->file], t);
	if (it->part)
		return load_parts(f, it, t);
	if (it->transposed)
		return load_transposed(it, &f->file[it->file], t);
	if (!it->block && !gguf_rows_moved(&it->rows) && !it->plus1 &&
	    it->from == t->dtype)
		return file_read(&f->file[it->file], t->part[0].data,
				 t->part[0].bytes, it->at);
	return convert(it, &f->file[it->file], t);
}

void foreign_close(void *self)
{
	struct foreign *f = self;

	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++) {
		tensor_release(&f->item[i].tensor);
		free(f->item[i].made);
		free(f->item[i].part);
	}
	for (size_t i = 0; i < f->nfile; i++)
		file_close(&f->file[i]);
	json_decref(f->meta);
	free(f->item);
	free(f->file);
	free(f);
}

int foreign_has(const char *dir, const char *name)
{
	char *path = foreign_path(dir, name);
	int yes = path && !access(path, F_OK);

	free(path);
	return yes;
}

int foreign_json(json_t **root, const char *dir, const char *name)
{
	struct file file;
	char *text = NULL;
	size_t size;
	int err;

	*root = NULL;
	TRY(file_open(&file, dir, name));
	size = (size_t)file.size;
	if (file.size > JSON_MOST)
		err = err_set(E_DATA, "larger than %d bytes", JSON_MOST);
	else
		err = (text = malloc(size + 1)) ? 0 : no_memory();
	if (!err)
		err = file_read(&file, text, size, 0);
	if (!err)
		err = json_parse(root, text, size);
	if (!err && !json_is_object(*root)) {
		json_decref(*root);
		*root = NULL;
		err = err_set(E_DATA, "not an object");
	}
	free(text);
	file_close(&file);
	return err ? err_at(err, "%s", name) : 0;
}

char *foreign_path(const char *dir, const char *name)
{
	size_t n = strlen(dir) + strlen(name) + 2;
	char *path = malloc(n);

	if (!path)
		return NULL;
	strcpy(path, dir);
	strcat(path, "/");
	return strcat(path, name);
}
