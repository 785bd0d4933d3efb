#include "formats/hf_templates.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "formats/jinja.h"

enum { TEMPLATES = 64 };

struct names {
	char *at[TEMPLATES];
	size_t n;
};

const char *hf_templates_name(const char *side)
{
	size_t n = strlen(HF_TEMPLATES "/");

	return strncmp(side, HF_TEMPLATES "/", n) ? NULL : side + n;
}

static int is_template(const char *name)
{
	size_t n = strlen(name);

	return *name != '.' && n > 6 && !strcmp(name + n - 6, ".jinja");
}

static int add_name(struct names *names, const char *name)
{
	if (names->n == TEMPLATES)
		return err_set(E_DATA, HF_TEMPLATES ": more than %d templates",
			       TEMPLATES);
	names->at[names->n] = foreign_path(HF_TEMPLATES, name);
	return names->at[names->n++] ? 0 : err_set(E_NOMEM, "out of memory");
}

static int list(struct names *names, const char *dir)
{
	char *path = foreign_path(dir, HF_TEMPLATES);
	struct dirent *e;
	int err = 0;
	DIR *d;

	if (!path)
		return err_set(E_NOMEM, "out of memory");
	d = opendir(path);
	free(path);
	if (!d)
		return errno == ENOENT ? 0 :
		       err_errno(E_NOINPUT, HF_TEMPLATES);
	while (!err && (errno = 0, e = readdir(d)))
		if (is_template(e->d_name))
			err = add_name(names, e->d_name);
	if (!err && errno)
		err = err_errno(E_IO, HF_TEMPLATES);
	closedir(d);
	return err;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add(struct foreign *f, const char *dir, const char *name)
{
	TRY(foreign_side(f, dir, name));
	return f->item[f->n - 1].tensor.count <= JINJA_SIZE ? 0 :
	       err_set(E_DATA, "%s: larger than %d bytes", name, JINJA_SIZE);
}

int hf_templates_add(struct foreign *f, const char *dir)
{
	struct names names = { .n = 0 };
	int err = list(&names, dir);

	if (!err && names.n)
		qsort(names.at, names.n, sizeof(*names.at), by_text);
	for (size_t i = 0; i < names.n && !err; i++)
		err = add(f, dir, names.at[i]);
	for (size_t i = 0; i < names.n; i++)
		free(names.at[i]);
	return err;
}
