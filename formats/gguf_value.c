/* The metadata of a parsed GGUF, looked up and turned into numbers. */
#include "formats/gguf.h"

#include <string.h>

#include "base/bytes.h"
#include "base/half.h"

const struct gguf_value *gguf_find(const struct gguf *g, const char *key)
{
	size_t length = strlen(key), low = 0, high = g->nkey;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct gguf_key *k = &g->key[mid];
		size_t n = k->length < length ? k->length : length;
		int d = memcmp(key, k->name, n);

		if (!d && length == k->length)
			return &k->value;
		if (d < 0 || (!d && length < k->length))
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *g,
					   const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < g->ntensor; i++)
		if (g->tensor[i].length == length &&
		    !memcmp(g->tensor[i].name, name, length))
			return &g->tensor[i];
	return NULL;
}

static double f64_at(const unsigned char *p)
{
	uint64_t bits = le64_get(p);
	double x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

static int number(enum gguf_type type, const unsigned char *p, double *x)
{
	switch (type) {
	case GGUF_U8:
	case GGUF_BOOL:
		*x = *p;
		return 0;
	case GGUF_I8:
		*x = (signed char)*p;
		return 0;
	case GGUF_U16:
		*x = le16_get(p);
		return 0;
	case GGUF_I16:
		*x = (int16_t)le16_get(p);
		return 0;
	case GGUF_U32:
		*x = le32_get(p);
		return 0;
	case GGUF_I32:
		*x = (int32_t)le32_get(p);
		return 0;
	case GGUF_U64:
		*x = (double)le64_get(p);
		return 0;
	case GGUF_I64:
		*x = (double)(int64_t)le64_get(p);
		return 0;
	case GGUF_F32:
		*x = f32_from_bits(le32_get(p));
		return 0;
	case GGUF_F64:
		*x = f64_at(p);
		return 0;
	default:
		return 1;
	}
}

int gguf_number(const struct gguf_value *v, double *x)
{
	return number(v->type, v->at, x);
}

double gguf_element(const struct gguf_value *v, size_t i)
{
	static const unsigned char width[GGUF_TYPES] = {
		[GGUF_U8] = 1, [GGUF_I8] = 1, [GGUF_BOOL] = 1, [GGUF_U16] = 2,
		[GGUF_I16] = 2, [GGUF_U32] = 4, [GGUF_I32] = 4,
		[GGUF_F32] = 4, [GGUF_U64] = 8, [GGUF_I64] = 8,
		[GGUF_F64] = 8,
	};
	double x = 0;

	(void)number(v->element, v->at + i * width[v->element], &x);
	return x;
}

void gguf_next_text(const unsigned char **at, const char **text,
		    size_t *length)
{
	*length = (size_t)le64_get(*at);
	*text = (const char *)*at + 8;
	*at += 8 + *length;
}
