#include "formats/export_dir.h"
#include "formats/export_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/file.h"
#include "formats/foreign.h"
#include "formats/hf_templates.h"

static int no_memory(void)
{
	return err_set(E_NOMEM, "out of memory");
}

/* Calls fn with every name in the directory, but for "." and "..". */
static int each(const char *dir, int (*fn)(void *ctx, const char *name),
		void *ctx)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int err = 0;

	if (!d)
		return err_errno(E_CREATE, "%s", dir);
	while (!err && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			err = fn(ctx, e->d_name);
	closedir(d);
	return err;
}

static int refuse(void *ctx, const char *name)
{
	return err_set(E_CREATE, "%s: holds %s already; --force replaces "
		       "files", (const char *)ctx, name);
}

/* The target without slashes at its end. */
static char *trimmed(const char *target)
{
	size_t n = strlen(target);

	while (n > 1 && target[n - 1] == '/')
		n--;
	return strndup(target, n);
}

int export_dir_begin(struct export_dir *d, const char *target, int force)
{
	struct stat st;
	mode_t mask;

	*d = (struct export_dir){ .target = trimmed(target), .force = force };
	if (!d->target)
		return no_memory();
	if (!stat(d->target, &st)) {
		if (!S_ISDIR(st.st_mode))
			return err_set(E_CREATE, "%s: is no directory",
				       d->target);
		if (!force)
			TRY(each(d->target, refuse, d->target));
	} else if (errno != ENOENT) {
		return err_errno(E_CREATE, "%s", d->target);
	}
	d->temp = export_temp_name(d->target);
	if (!d->temp)
		return no_memory();
	if (!mkdtemp(d->temp)) {
		free(d->temp);
		d->temp = NULL;
		return err_errno(E_CREATE, "%s", d->target);
	}
	mask = umask(0);
	umask(mask);
	if (chmod(d->temp, 0777 & ~mask))
		return err_errno(E_CREATE, "%s", d->target);
	return 0;
}

static int is_plain(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/');
}

/* The one folder inside, which is made when something goes there. */
static int make_inner(const struct export_dir *d)
{
	char *path = foreign_path(d->temp, HF_TEMPLATES);
	int err = path ? 0 : no_memory();

	if (!err && mkdir(path, 0777) && errno != EEXIST)
		err = err_errno(E_CREATE, "%s", path);
	free(path);
	return err;
}

char *export_dir_path(const struct export_dir *d, const char *name)
{
	return foreign_path(d->temp, name);
}

int export_dir_write(const struct export_dir *d, const char *name,
		     const void *bytes, size_t n)
{
	struct file f;
	const char *inner = hf_templates_name(name);
	char *path;
	int err;

	if (!is_plain(inner ? inner : name))
		return err_set(E_DATA, "file/%s: is no plain name", name);
	if (inner)
		TRY(make_inner(d));
	path = export_dir_path(d, name);
	if (!path)
		return no_memory();
	err = file_create(&f, path);
	free(path);
	if (err)
		return err;
	err = file_write(&f, bytes, n, 0);
	if (!err)
		err = file_finish(&f);
	file_close(&f);
	return err;
}

int export_dir_json(const struct export_dir *d, const char *name, json_t *root)
{
	char *text, *line;
	int err;

	TRY(json_print(&text, root, 2));
	line = realloc(text, strlen(text) + 2);
	if (!line) {
		free(text);
		return no_memory();
	}
	err = export_dir_write(d, name, line, strlen(strcat(line, "\n")));
	free(line);
	return err;
}

int export_dir_rename(const struct export_dir *d, const char *from,
		      const char *to)
{
	char *a = export_dir_path(d, from), *b = export_dir_path(d, to);
	int err = a && b ? 0 : no_memory();

	if (!err && rename(a, b))
		err = err_errno(E_IO, "%s", to);
	free(a);
	free(b);
	return err;
}

static int is_weights(const char *name)
{
	size_t n = strlen(name);

	return (!strncmp(name, "model", 5) && n > 12 &&
		!strcmp(name + n - 12, ".safetensors")) ||
	       !strcmp(name, "model.safetensors.index.json");
}

static int remove_weights(void *ctx, const char *name)
{
	const struct export_dir *d = ctx;
	char *path = foreign_path(d->target, name);
	int err = path ? 0 : no_memory();

	if (!err && is_weights(name) && unlink(path))
		err = err_errno(E_IO, "%s", path);
	free(path);
	return err;
}

static int move(void *ctx, const char *name);

/* The folder inside: over one that is there, file by file. */
static int move_inner(const char *from, const char *to)
{
	struct export_dir inner = { .temp = (char *)from,
				    .target = (char *)to };

	if (mkdir(to, 0777) && errno != EEXIST)
		return err_errno(E_CREATE, "%s", to);
	TRY(each(from, move, &inner));
	TRY(export_sync(to));
	return rmdir(from) ? err_errno(E_IO, "%s", from) : 0;
}

static int move(void *ctx, const char *name)
{
	const struct export_dir *d = ctx;
	char *a = foreign_path(d->temp, name);
	char *b = foreign_path(d->target, name);
	int err = a && b ? 0 : no_memory();

	if (!err && !strcmp(name, HF_TEMPLATES))
		err = move_inner(a, b);
	else if (!err && rename(a, b))
		err = err_errno(E_IO, "%s", b);
	free(a);
	free(b);
	return err;
}

static int sync_inner(const struct export_dir *d)
{
	char *path = foreign_path(d->temp, HF_TEMPLATES);
	int err = path ? 0 : no_memory();

	if (!err && !access(path, F_OK))
		err = export_sync(path);
	free(path);
	return err;
}

int export_dir_commit(struct export_dir *d)
{
	TRY(sync_inner(d));
	TRY(export_sync(d->temp));
	/* Over nothing, or over an empty directory. */
	if (rename(d->temp, d->target)) {
		if (!d->force || (errno != EEXIST && errno != ENOTEMPTY))
			return err_errno(E_CREATE, "%s", d->target);
		TRY(each(d->target, remove_weights, d));
		TRY(each(d->temp, move, d));
		TRY(export_sync(d->target));
		if (rmdir(d->temp))
			return err_errno(E_IO, "%s", d->temp);
	}
	free(d->temp);
	d->temp = NULL;
	return export_sync_parent(d->target);
}

static int remove_file(void *ctx, const char *name)
{
	char *path = foreign_path(ctx, name);

	if (path && !strcmp(name, HF_TEMPLATES)) {
		(void)!each(path, remove_file, path);
		rmdir(path);
	} else if (path) {
		unlink(path);
	}
	free(path);
	return 0;
}

void export_dir_release(struct export_dir *d)
{
	if (d->temp) {
		char *what = strdup(err_text()); /* which is to be told */

		(void)!each(d->temp, remove_file, d->temp);
		rmdir(d->temp);
		if (what)
			err_set(0, "%s", what);
		free(what);
	}
	free(d->temp);
	free(d->target);
	*d = (struct export_dir){ 0 };
}
