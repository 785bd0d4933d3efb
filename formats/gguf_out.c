#include "formats/gguf_out.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/size.h"

enum { ALIGN = 32, PIECE = 1 << 20 };

static int no_memory(void)
{
	return err_set(E_NOMEM, "out of memory");
}

/* ---- keys ---- */

static int put_u32(struct text *t, uint32_t v)
{
	unsigned char b[4];

	le32_put(b, v);
	return text_add(t, b, sizeof(b));
}

static int put_u64(struct text *t, uint64_t v)
{
	unsigned char b[8];

	le64_put(b, v);
	return text_add(t, b, sizeof(b));
}

int gguf_out_element(struct text *elements, const char *v, size_t n)
{
	TRY(put_u64(elements, n));
	return text_add(elements, v, n);
}

/* A key's name and its value's type. */
static int begin_key(struct gguf_out *o, const char *key, enum gguf_type type)
{
	size_t before = *key == '.' ? strlen(o->arch) : 0;

	o->nkey++;
	TRY(put_u64(&o->key, before + strlen(key)));
	TRY(text_add(&o->key, o->arch, before));
	TRY(text_add_string(&o->key, key));
	return put_u32(&o->key, type);
}

int gguf_out_u32(struct gguf_out *o, const char *key, uint32_t v)
{
	TRY(begin_key(o, key, GGUF_U32));
	return put_u32(&o->key, v);
}

int gguf_out_f32(struct gguf_out *o, const char *key, float v)
{
	TRY(begin_key(o, key, GGUF_F32));
	return text_add(&o->key, &v, sizeof(v));
}

int gguf_out_bool(struct gguf_out *o, const char *key, int v)
{
	TRY(begin_key(o, key, GGUF_BOOL));
	return text_add(&o->key, v ? "\1" : "\0", 1);
}

int gguf_out_text(struct gguf_out *o, const char *key, const char *v)
{
	TRY(begin_key(o, key, GGUF_TEXT));
	return gguf_out_element(&o->key, v, strlen(v));
}

int gguf_out_value(struct gguf_out *o, const char *key, enum gguf_type type,
		   const struct text *value)
{
	TRY(begin_key(o, key, type));
	return text_add(&o->key, value->at, value->n);
}

int gguf_out_array(struct gguf_out *o, const char *key, enum gguf_type type,
		   size_t n, const struct text *elements)
{
	TRY(begin_key(o, key, GGUF_ARRAY));
	TRY(put_u32(&o->key, type));
	TRY(put_u64(&o->key, n));
	return text_add(&o->key, elements->at, elements->n);
}

/* ---- tensors ---- */

const struct gguf_out_tensor *gguf_out_find(const struct gguf_out *o,
					    const char *name)
{
	for (size_t i = 0; i < o->n; i++)
		if (!strcmp(o->tensor[i].name, name))
			return &o->tensor[i];
	return NULL;
}

/* Fills up with zeros to where the next one begins. */
static int pad(struct gguf_out *o)
{
	static const char zero[ALIGN];
	size_t n = (size_t)(size_align(o->at, ALIGN) - o->at);

	TRY(file_write(o->file, zero, n, GGUF_HEADER + o->at));
	o->at += n;
	return 0;
}

int gguf_out_tensor(struct gguf_out *o, const char *name,
		    const struct gguf_block *block, int rank,
		    const size_t *shape)
{
	struct gguf_out_tensor t = { .block = block, .rank = rank };
	uint64_t count = 1;

	if (rank < 1 || rank > GGUF_RANK)
		return err_set(E_DATA, "%s: has %d dimensions, and GGUF has 1 "
			       "to %d", name, rank, GGUF_RANK);
	if (gguf_out_find(o, name))
		return err_set(E_DATA, "%s: there are two of it", name);
	for (int i = 0; i < rank; i++)
		count *= t.dim[i] = shape[rank - 1 - i];
	if (!count || t.dim[0] % block->count)
		return err_set(E_DATA, "%s: its rows of %zu are no whole "
			       "blocks of %s", name, shape[rank - 1],
			       block->name);
	TRY(array_room(&o->tensor, o->n, &o->room, sizeof(*o->tensor)));
	t.bytes = count / block->count * block->bytes;
	TRY(pad(o));
	t.at = o->at;
	t.name = strdup(name);
	if (!t.name)
		return no_memory();
	o->tensor[o->n++] = t;
	return 0;
}

int gguf_out_data(struct gguf_out *o, const void *bytes, size_t n)
{
	TRY(file_write(o->file, bytes, n, GGUF_HEADER + o->at));
	o->at += n;
	return 0;
}

/* Bytes [from, from + n) of the file to its bytes from to on. */
static int move(struct gguf_out *o, uint64_t from, uint64_t to, uint64_t n)
{
	unsigned char *piece = malloc(PIECE);
	int err = piece ? 0 : no_memory();

	for (uint64_t i = 0; i < n && !err; i += PIECE) {
		size_t some = (size_t)(n - i < PIECE ? n - i : PIECE);

		err = file_read(o->file, piece, some, from + i);
		if (!err)
			err = file_write(o->file, piece, some, to + i);
	}
	free(piece);
	return err;
}

int gguf_out_copy(struct gguf_out *o, const char *from, const char *name)
{
	const struct gguf_out_tensor *t = gguf_out_find(o, from);
	size_t shape[GGUF_RANK];
	uint64_t at, bytes;

	if (!t)
		return err_set(E_DATA, "%s: is missing", from);
	for (int i = 0; i < t->rank; i++)
		shape[i] = (size_t)t->dim[t->rank - 1 - i];
	at = GGUF_HEADER + t->at;
	bytes = t->bytes;
	TRY(gguf_out_tensor(o, name, t->block, t->rank, shape));
	TRY(move(o, at, GGUF_HEADER + o->at, bytes));
	o->at += bytes;
	return 0;
}

/* ---- the header ---- */

static int put_tensor(struct text *head, const struct gguf_out_tensor *t)
{
	TRY(gguf_out_element(head, t->name, strlen(t->name)));
	TRY(put_u32(head, (uint32_t)t->rank));
	for (int i = 0; i < t->rank; i++)
		TRY(put_u64(head, t->dim[i]));
	TRY(put_u32(head, t->block->type));
	return put_u64(head, t->at);
}

static int put_header(struct text *head, const struct gguf_out *o)
{
	static const char zero[ALIGN];

	TRY(text_add(head, "GGUF", 4));
	TRY(put_u32(head, 3));
	TRY(put_u64(head, o->n));
	TRY(put_u64(head, o->nkey));
	TRY(text_add(head, o->key.at, o->key.n));
	for (size_t i = 0; i < o->n; i++)
		TRY(put_tensor(head, &o->tensor[i]));
	TRY(text_add(head, zero, size_align(head->n, ALIGN) - head->n));
	return head->n <= GGUF_HEADER ? 0 :
	       err_set(E_DATA, "the metadata takes more than %d bytes",
		       GGUF_HEADER);
}

int gguf_out_finish(struct gguf_out *o)
{
	struct text head = { 0 };
	int err = pad(o);

	if (!err)
		err = put_header(&head, o);
	if (!err)
		err = move(o, GGUF_HEADER, head.n, o->at);
	if (!err)
		err = file_write(o->file, head.at, head.n, 0);
	if (!err)
		err = file_cut(o->file, head.n + o->at);
	text_release(&head);
	return err;
}

void gguf_out_release(struct gguf_out *o)
{
	for (size_t i = 0; i < o->n; i++)
		free(o->tensor[i].name);
	free(o->tensor);
	text_release(&o->key);
	*o = (struct gguf_out){ 0 };
}
