#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"

enum { JSON_DEPTH = 64 };

/* jansson's own limit on depth is 2048; ours is what a stack can be asked. */
static int too_deep(const char *text, size_t size)
{
	int depth = 0, quoted = 0;

	for (size_t i = 0; i < size; i++) {
		char c = text[i];

		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = 0;
		} else if (c == '"') {
			quoted = 1;
		} else if (c == '{' || c == '[') {
			if (++depth > JSON_DEPTH)
				return 1;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return 0;
}

/* Does a whole number of n bytes not fit into 64 bits? */
static int is_large(const char *at, size_t n)
{
	char number[32];

	if (n >= sizeof(number))
		return 1;
	memcpy(number, at, n);
	number[n] = 0;
	errno = 0;
	return (void)strtoll(number, NULL, 10), errno == ERANGE;
}

static json_t *load(const char *text, size_t size, json_error_t *e)
{
	return json_loadb(text, size, JSON_REJECT_DUPLICATES |
			  JSON_DECODE_ANY | JSON_ALLOW_NUL, e);
}

/* Bytes of the string, the number, or the one other byte at the head. */
static size_t token(const char *at, size_t size, int *number)
{
	size_t n = 1;

	*number = *at == '-' || (*at >= '0' && *at <= '9');
	while (*number && n < size && memchr("0123456789+-.eE", at[n], 15))
		n++;
	if (*at != '"')
		return n;
	while (n < size && at[n] != '"')
		n += at[n] == '\\' ? 2 : 1;
	return n < size ? n + 1 : size;
}

/* Once more with .0 behind whole numbers that are too large to be one, such as
 * the 1e30 that stands for "no limit" in many a tokenizer_config.json. */
static int load_large(json_t **root, const char *text, size_t size,
		      json_error_t *e)
{
	char *to = malloc(size + size / 8 + 1);
	size_t n = 0, m;
	int number;

	if (!to)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < size; i += m) {
		m = token(text + i, size - i, &number);
		memcpy(to + n, text + i, m);
		n += m;
		if (number && !memchr(text + i, '.', m) &&
		    !memchr(text + i, 'e', m) && !memchr(text + i, 'E', m) &&
		    is_large(text + i, m)) {
			memcpy(to + n, ".0", 2);
			n += 2;
		}
	}
	*root = load(to, n, e);
	free(to);
	return 0;
}

int json_parse(json_t **root, const char *text, size_t size)
{
	const char *zero = size ? memchr(text, 0, size) : NULL;
	json_error_t e;

	*root = NULL;
	/* jansson passes over one behind a number. */
	if (zero)
		return err_set(E_DATA, "byte %zu is 0", (size_t)(zero - text));
	if (too_deep(text, size))
		return err_set(E_DATA, "JSON nested more than %d deep",
			       JSON_DEPTH);
	*root = load(text, size, &e);
	if (!*root && json_error_code(&e) == json_error_numeric_overflow)
		TRY(load_large(root, text, size, &e));
	if (!*root)
		return err_set(E_DATA, "line %d, column %d: %s", e.line,
			       e.column, e.text);
	return 0;
}

int json_read_file(json_t **root, const char *path, size_t most)
{
	char *text;
	size_t size;
	int err;

	*root = NULL;
	TRY(io_read_file(&text, &size, path, most));
	err = json_parse(root, text, size);
	free(text);
	return err ? err_at(err, "%s", path) : 0;
}

json_t *json_path(json_t *root, const char *path)
{
	while (root && *path) {
		size_t n = strcspn(path, ".");

		root = json_object_getn(root, path, n);
		path += n + (path[n] == '.');
	}
	return root;
}

const char *json_text(json_t *root, const char *path, const char *none)
{
	json_t *v = json_path(root, path);

	return json_is_string(v) ? json_string_value(v) : none;
}

double json_number(json_t *root, const char *path, double none)
{
	json_t *v = json_path(root, path);

	return json_is_number(v) ? json_number_value(v) : none;
}

json_t *json_finite(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

int json_flag(json_t *root, const char *path, int none)
{
	json_t *v = json_path(root, path);

	return json_is_boolean(v) ? json_is_true(v) : none;
}
