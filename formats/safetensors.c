/*
 * The header's JSON has one shape, so a scanner for that shape is all there
 * is: no tree, no recursion, memory in proportion to the header. Keys given
 * twice are found by sorting, where a JSON library would let the last win.
 */
#include "formats/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/size.h"
#include "formats/scan.h"

struct names {
	const char **at;
	size_t n, room;
};

static const struct {
	const char *name;
	enum dtype dtype;
} type[] = {
	/* clang-format off */
	{ "F64", DTYPE_F64 }, { "F32", DTYPE_F32 }, { "F16", DTYPE_F16 },
	{ "BF16", DTYPE_BF16 }, { "I64", DTYPE_I64 }, { "I32", DTYPE_I32 },
	{ "I16", DTYPE_I16 }, { "I8", DTYPE_I8 }, { "U64", DTYPE_U64 },
	{ "U32", DTYPE_U32 }, { "U16", DTYPE_U16 }, { "U8", DTYPE_U8 },
	{ "BOOL", DTYPE_BOOL },
	/* clang-format on */
};

static int scan_dtype(struct scan *s, enum dtype *d)
{
	const char *name;

	TRY(scan_string(s, &name));
	for (size_t i = 0; i < NELEM(type); i++)
		if (!strcmp(name, type[i].name)) {
			*d = type[i].dtype;
			return 0;
		}
	return err_set(E_DATA, "the type %.20s is not supported", name);
}

/* {"dtype":...,"shape":[...],"data_offsets":[from, to]} in any order. */
static int scan_entry(struct scan *s, struct safetensors_entry *e)
{
	enum { TYPE = 1, SHAPE = 2, PLACE = 4 };
	int seen = 0, n = 0, bit;
	size_t place[2] = { 0 };
	const char *key;

	TRY(scan_want(s, '{'));
	do {
		TRY(scan_string(s, &key));
		TRY(scan_want(s, ':'));
		bit = !strcmp(key, "dtype") ? TYPE :
		      !strcmp(key, "shape") ? SHAPE :
		      !strcmp(key, "data_offsets") ? PLACE : 0;
		if (!bit)
			return scan_bad(s, "a key that is not known");
		if (seen & bit)
			return scan_bad(s, "the key is given twice");
		seen |= bit;
		if (bit == TYPE)
			TRY(scan_dtype(s, &e->dtype));
		else if (bit == SHAPE)
			TRY(scan_numbers(s, e->shape, TENSOR_RANK, &e->rank));
		else
			TRY(scan_numbers(s, place, 2, &n));
	} while (scan_next(s) == ',' && s->at++);
	TRY(scan_want(s, '}'));
	if (seen != (TYPE | SHAPE | PLACE) || n != 2)
		return scan_bad(s, "dtype, shape or data_offsets is missing");
	if (place[1] < place[0])
		return scan_bad(s, "data_offsets run backwards");
	e->at = place[0];
	e->bytes = place[1] - place[0];
	return 0;
}

static int check_entry(const struct safetensors_entry *e)
{
	size_t count = 1, bytes;

	if (!*e->name || strlen(e->name) >= TENSOR_NAME)
		return err_set(E_DATA, "a name of %zu bytes, at most %d are "
			       "allowed", strlen(e->name), TENSOR_NAME - 1);
	for (int i = 0; i < e->rank; i++)
		if (size_mul(&count, count, e->shape[i]))
			return err_set(E_DATA, "%s: the shape is too large",
				       e->name);
	if (dtype_bytes(&bytes, e->dtype, count))
		return err_set(E_DATA, "%s: the shape is too large", e->name);
	if (bytes != e->bytes)
		return err_set(E_DATA, "%s: %zu bytes, but shape and type "
			       "say %zu", e->name, e->bytes, bytes);
	return 0;
}

/* Room for one more element of size bytes in an array of n. */
static int grow(void **at, size_t n, size_t *room, size_t size)
{
	size_t more, bytes;
	void *p;

	if (n < *room)
		return 0;
	more = *room ? *room * 2 : 64;
	if (size_mul(&bytes, more, size))
		return err_set(E_NOMEM, "out of memory");
	p = realloc(*at, bytes);
	if (!p)
		return err_set(E_NOMEM, "out of memory");
	*at = p;
	*room = more;
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_twice(struct names *names)
{
	if (names->n)
		qsort(names->at, names->n, sizeof(*names->at), by_text);
	for (size_t i = 1; i < names->n; i++)
		if (!strcmp(names->at[i - 1], names->at[i]))
			return err_set(E_DATA, "the name %.200s is given "
				       "twice", names->at[i]);
	return 0;
}

static int add_name(struct names *names, const char *name)
{
	TRY(grow((void **)&names->at, names->n, &names->room,
		 sizeof(*names->at)));
	names->at[names->n++] = name;
	return 0;
}

/* {"format":"pt"}: texts, which are checked and not kept. */
static int scan_metadata(struct scan *s, struct names *keys)
{
	const char *key, *value;

	TRY(scan_want(s, '{'));
	if (scan_next(s) == '}') {
		s->at++;
		return 0;
	}
	do {
		TRY(scan_string(s, &key));
		TRY(add_name(keys, key));
		TRY(scan_want(s, ':'));
		TRY(scan_string(s, &value));
	} while (scan_next(s) == ',' && s->at++);
	TRY(scan_want(s, '}'));
	return check_twice(keys);
}

static int scan_header(struct scan *s, struct safetensors *st,
		       struct names *names, struct names *keys)
{
	const char *name;
	size_t room = 0;

	if (s->at == s->end || *s->at != '{')
		return scan_bad(s, "expected '{'");
	s->at++;
	if (scan_next(s) == '}') {
		s->at++;
		return 0;
	}
	do {
		TRY(scan_string(s, &name));
		TRY(add_name(names, name));
		TRY(scan_want(s, ':'));
		if (!strcmp(name, "__metadata__")) {
			TRY(scan_metadata(s, keys));
			continue;
		}
		if (st->n == SAFETENSORS_COUNT)
			return scan_bad(s, "too many tensors");
		TRY(grow((void **)&st->entry, st->n, &room,
			 sizeof(*st->entry)));
		st->entry[st->n] = (struct safetensors_entry){ .name = name };
		if (scan_entry(s, &st->entry[st->n]))
			return err_at(E_DATA, "%.200s", name);
		TRY(check_entry(&st->entry[st->n++]));
	} while (scan_next(s) == ',' && s->at++);
	TRY(scan_want(s, '}'));
	scan_space(s);
	if (s->at != s->end)
		return scan_bad(s, "text after the header's end");
	return check_twice(names);
}

static int by_place(const void *a, const void *b)
{
	const struct safetensors_entry *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	if (x->bytes != y->bytes) /* empty ones first */
		return x->bytes < y->bytes ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Arrays lie one after the other and fill the file; makes places absolute. */
static int check_places(struct safetensors *s, size_t head, uint64_t file)
{
	uint64_t place = 0;

	if (s->n)
		qsort(s->entry, s->n, sizeof(*s->entry), by_place);
	for (size_t i = 0; i < s->n; i++) {
		struct safetensors_entry *e = &s->entry[i];

		if (e->at != place)
			return err_set(E_DATA, "%s: %s", e->name,
				       e->at < place ?
				       "overlaps the array before it" :
				       "bytes before it belong to nothing");
		if (e->bytes > file - head - place)
			return err_set(E_DATA, "%s: reaches past the end of "
				       "the file", e->name);
		place += e->bytes;
		e->at += head;
	}
	if (place != file - head)
		return err_set(E_DATA, "%llu bytes after the last array",
			       (unsigned long long)(file - head - place));
	return 0;
}

int safetensors_head(size_t *size, const void *first8, uint64_t file)
{
	uint64_t n = le64_get(first8);

	if (file < 8 || n > file - 8)
		return err_set(E_DATA, "the header's length, %llu, is more "
			       "than the file has", (unsigned long long)n);
	if (n < 2 || n > SAFETENSORS_HEADER)
		return err_set(E_DATA, "a header of %llu bytes, at most %d "
			       "are allowed", (unsigned long long)n,
			       SAFETENSORS_HEADER);
	*size = (size_t)n + 8;
	return 0;
}

int safetensors_parse(struct safetensors *s, const void *head, size_t size,
		      uint64_t file)
{
	struct names names = { 0 }, keys = { 0 };
	const unsigned char *p = head;
	struct scan scan;
	size_t need;
	int err;

	*s = (struct safetensors){ 0 };
	if (size < 8)
		return err_set(E_DATA, "too short");
	TRY(safetensors_head(&need, head, file));
	if (size < need)
		return err_set(E_DATA, "too short");
	s->text = malloc(need);
	if (!s->text)
		return err_set(E_NOMEM, "out of memory");
	scan = (struct scan){ p + 8, p + 8, p + need, s->text };
	err = scan_header(&scan, s, &names, &keys);
	if (!err)
		err = check_places(s, need, file);
	free(names.at);
	free(keys.at);
	if (err)
		safetensors_release(s);
	return err;
}

int safetensors_read(struct safetensors *s, const struct file *f)
{
	unsigned char first[8], *head;
	size_t size = 0;
	int err;

	*s = (struct safetensors){ 0 };
	TRY(file_read(f, first, sizeof(first), 0));
	err = safetensors_head(&size, first, f->size);
	if (err)
		return file_named(f, err);
	head = malloc(size);
	if (!head)
		return err_set(E_NOMEM, "out of memory");
	err = file_read(f, head, size, 0);
	if (!err)
		err = file_named(f, safetensors_parse(s, head, size, f->size));
	free(head);
	return err;
}

void safetensors_release(struct safetensors *s)
{
	free(s->entry);
	free(s->text);
	*s = (struct safetensors){ 0 };
}
