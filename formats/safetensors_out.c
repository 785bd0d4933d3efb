/*
 * Arrays come from a pipe, so the header is known last and stands first.
 * Room is left for it, filled up with spaces, as the format allows; a file of
 * moderate size is closed up, so that it looks as everybody's.
 */
#include "formats/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/size.h"

enum {
	ROOM = 1 << 20,         /* for length field and header */
	CLOSE_UP = 64 << 20,    /* data that is worth moving */
	BLOCK = 1 << 20,
};

static const char opening[] = "{\"__metadata__\":{\"format\":\"pt\"}";

static const char *type_name(enum dtype d)
{
	static const char *const name[DTYPE_COUNT] = {
		[DTYPE_F64] = "F64", [DTYPE_F32] = "F32", [DTYPE_F16] = "F16",
		[DTYPE_BF16] = "BF16", [DTYPE_I64] = "I64",
		[DTYPE_I32] = "I32", [DTYPE_I16] = "I16", [DTYPE_I8] = "I8",
		[DTYPE_U64] = "U64", [DTYPE_U32] = "U32", [DTYPE_U16] = "U16",
		[DTYPE_U8] = "U8", [DTYPE_BOOL] = "BOOL",
	};

	return name[d];
}

/* The bytes of a name in JSON, at most; quotes and commas included. */
static size_t name_room(const char *name)
{
	size_t n = 3;

	for (; *name; name++)
		n += (unsigned char)*name < 0x20 ? 6 :
		     *name == '"' || *name == '\\' ? 2 : 1;
	return n;
}

/* What any line of the header takes besides its name, at most. */
enum { LINE = 96 + TENSOR_RANK * 21 };

/* What this line takes: numbers of offsets counted at their longest. */
static size_t entry_room(const struct safetensors_entry *e)
{
	size_t n = 96;

	for (int i = 0; i < e->rank; i++)
		n += (size_t)snprintf(NULL, 0, "%zu,", e->shape[i]);
	return n;
}

int safetensors_create(struct safetensors_out *o, const char *path)
{
	*o = (struct safetensors_out){ .header = sizeof(opening) + 16 };
	return file_create(&o->file, path);
}

int safetensors_fits(const struct safetensors_out *o, const char *name)
{
	return o->header + name_room(name) + LINE <= ROOM;
}

static int grow(struct safetensors_out *o)
{
	size_t room = o->room ? o->room * 2 : 64;
	void *p;

	if (o->n < o->room)
		return 0;
	p = realloc(o->entry, room * sizeof(*o->entry));
	if (!p)
		return err_set(E_NOMEM, "out of memory");
	o->entry = p;
	p = realloc(o->held, room * sizeof(*o->held));
	if (!p)
		return err_set(E_NOMEM, "out of memory");
	o->held = p;
	o->room = room;
	return 0;
}

/* Writes the data at the end, or keeps a copy for later. */
static int place(struct safetensors_out *o, struct safetensors_entry *e,
		 void **held, const void *data)
{
	*held = NULL;
	if (e->bytes % 8) {
		*held = malloc(e->bytes);
		if (!*held)
			return err_set(E_NOMEM, "out of memory");
		memcpy(*held, data, e->bytes);
		return 0;
	}
	e->at = o->bytes;
	o->bytes += e->bytes;
	return file_write(&o->file, data, e->bytes, ROOM + e->at);
}

int safetensors_add(struct safetensors_out *o, const char *name, enum dtype d,
		    int rank, const size_t *shape, const void *data)
{
	struct safetensors_entry e = { .dtype = d, .rank = rank };
	size_t count = 1;

	if (!type_name(d) || !safetensors_fits(o, name))
		return err_set(E_DATA, "%s: cannot be written as safetensors",
			       name);
	for (int i = 0; i < rank; i++)
		if (size_mul(&count, count, e.shape[i] = shape[i]))
			return err_set(E_DATA, "%s: too large", name);
	if (dtype_bytes(&e.bytes, d, count))
		return err_set(E_DATA, "%s: too large", name);
	TRY(grow(o));
	e.name = strdup(name);
	if (!e.name)
		return err_set(E_NOMEM, "out of memory");
	o->entry[o->n] = e;
	o->held[o->n] = NULL;
	o->n++;
	TRY(place(o, &o->entry[o->n - 1], &o->held[o->n - 1], data));
	o->header += name_room(name) + entry_room(&e);
	return 0;
}

/* What was held, the widest types first. */
static int write_held(struct safetensors_out *o)
{
	for (size_t bits = 64; bits >= 8; bits /= 2)
		for (size_t i = 0; i < o->n; i++) {
			struct safetensors_entry *e = &o->entry[i];

			if (!o->held[i] || dtype_bits(e->dtype) != bits)
				continue;
			e->at = o->bytes;
			o->bytes += e->bytes;
			TRY(file_write(&o->file, o->held[i], e->bytes,
				       ROOM + e->at));
		}
	return 0;
}

static char *put_name(char *to, const char *name)
{
	*to++ = '"';
	for (; *name; name++) {
		if ((unsigned char)*name < 0x20) {
			to += sprintf(to, "\\u%04x", (unsigned char)*name);
			continue;
		}
		if (*name == '"' || *name == '\\')
			*to++ = '\\';
		*to++ = *name;
	}
	*to++ = '"';
	return to;
}

static char *put_entry(char *to, const struct safetensors_entry *e)
{
	*to++ = ',';
	to = put_name(to, e->name);
	to += sprintf(to, ":{\"dtype\":\"%s\",\"shape\":[",
		      type_name(e->dtype));
	for (int i = 0; i < e->rank; i++)
		to += sprintf(to, "%s%zu", i ? "," : "", e->shape[i]);
	return to + sprintf(to, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64
			    "]}", e->at, e->at + e->bytes);
}

/* Moves the data down from ROOM to where the header ends. */
static int close_up(struct safetensors_out *o, size_t start)
{
	unsigned char *block = malloc(BLOCK);
	int err = block ? 0 : err_set(E_NOMEM, "out of memory");

	for (uint64_t at = 0; !err && at < o->bytes; at += BLOCK) {
		size_t n = o->bytes - at < BLOCK ? (size_t)(o->bytes - at) :
						   BLOCK;

		err = file_read(&o->file, block, n, ROOM + at);
		if (!err)
			err = file_write(&o->file, block, n, start + at);
	}
	free(block);
	return err ? err : file_cut(&o->file, start + o->bytes);
}

int safetensors_finish(struct safetensors_out *o)
{
	char *head = malloc(ROOM), *end;
	size_t start;
	int err = head ? write_held(o) :
			 err_set(E_NOMEM, "out of memory");

	if (err) {
		free(head);
		return err;
	}
	memcpy(head + 8, opening, sizeof(opening) - 1);
	end = head + 8 + sizeof(opening) - 1;
	for (size_t i = 0; i < o->n; i++)
		end = put_entry(end, &o->entry[i]);
	*end++ = '}';
	start = o->bytes > CLOSE_UP ? ROOM :
				      size_align((size_t)(end - head), 8);
	memset(end, ' ', start - (size_t)(end - head));
	le64_put(head, start - 8);
	err = start < ROOM ? close_up(o, start) : 0;
	if (!err)
		err = file_write(&o->file, head, start, 0);
	free(head);
	if (!err)
		err = file_finish(&o->file);
	safetensors_abandon(o);
	return err;
}

void safetensors_abandon(struct safetensors_out *o)
{
	for (size_t i = 0; i < o->n; i++) {
		free((void *)(uintptr_t)o->entry[i].name);
		free(o->held[i]);
	}
	free(o->held);
	free(o->entry);
	file_close(&o->file);
	*o = (struct safetensors_out){ 0 };
}
