#include "formats/tokenizer_file.h"

#include "base/io.h"
#include "formats/gguf_files.h"
#include "formats/grow.h"
#include "formats/source.h"
#include "formats/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST = 256 << 20 };

enum { JSON, CONFIG, TEMPLATE, SPECIAL, MODEL, NFILE };

static const char *const names[NFILE] = {
	"tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
	"special_tokens_map.json", "config.json",
};

/* The side files; NULL where there is none. */
struct files {
	char *at[NFILE];
	size_t size[NFILE];
};

/* tokenizer.json with more tokens. */
static int add_tokens(struct files *f, const struct opt_list *tokens)
{
	struct text json = { 0 };
	struct grow_choice c;
	int err = grow_choose(&c, tokens, f->at[JSON], f->size[JSON]);

	if (!err)
		err = text_add(&json, f->at[JSON], f->size[JSON]);
	if (!err)
		err = grow_tokenizer(&json, c.added);
	grow_choice_release(&c);
	if (err) {
		text_release(&json);
		return err;
	}
	free(f->at[JSON]);
	f->at[JSON] = json.at;
	f->size[JSON] = json.n;
	return 0;
}

static int make(struct tokenizer **t, struct files *f,
		const struct opt_list *more)
{
	int err;

	if (!f->at[JSON])
		return err_set(E_DATA, "there is no tokenizer.json");
	if (more && more->n)
		TRY(add_tokens(f, more));
	TRY(tokenizer_new(t, f->at[JSON], f->size[JSON], f->at[CONFIG],
			  f->size[CONFIG]));
	err = tokenizer_complete(*t, f->at[SPECIAL], f->size[SPECIAL],
				 f->at[MODEL], f->size[MODEL]);
	if (!err && f->at[TEMPLATE])
		err = tokenizer_set_template(*t, f->at[TEMPLATE],
					     f->size[TEMPLATE]);
	if (err) {
		tokenizer_free(*t);
		*t = NULL;
	}
	return err;
}

/* Those of a folder; the one of index first has a name of its own. */
static int read_folder(struct files *f, const char *folder, size_t n,
		       const char *first)
{
	struct text path = { 0 };
	struct stat st;
	int err = 0;

	for (size_t i = 0; i < NFILE && !err; i++) {
		path.n = 0;
		err = text_add(&path, folder, n);
		if (!err)
			err = text_add_string(&path, i || !first ? names[i] :
							 first);
		if (!err && !stat(path.at, &st))
			err = io_read_file(&f->at[i], &f->size[i], path.at,
					   MOST);
	}
	text_release(&path);
	return err;
}

/* A tensor that is a side file of ours is taken; *past: the files are all
 * behind us. */
static int look(struct files *f, struct source *s, struct tensor *t, int *past)
{
	const char *name = strncmp(t->name, "file/", 5) ? "" : t->name + 5;

	if (t->role != ROLE_BLOB) {
		*past = f->at[JSON] != NULL;
		return 0;
	}
	for (size_t i = 0; i < NFILE; i++) {
		if (strcmp(name, names[i]) || f->at[i])
			continue;
		TRY(source_load(s));
		f->size[i] = t->part[0].bytes;
		f->at[i] = malloc(f->size[i] + 1);
		if (!f->at[i])
			return err_set(E_NOMEM, "no memory for %s", name);
		memcpy(f->at[i], t->part[0].data, f->size[i]);
		f->at[i][f->size[i]] = 0;
	}
	return 0;
}

static int read_base(struct files *f, const char *path)
{
	char *const paths[] = { (char *)path, NULL };
	struct source *s;
	struct item item;
	int err, past = 0;

	TRY(source_open(&s, paths));
	do {
		err = source_next(s, &item);
		if (!err && item.kind == ITEM_TENSOR)
			err = look(f, s, item.tensor, &past);
	} while (!err && item.kind != ITEM_NONE && !past);
	source_close(s);
	return err;
}

/* Prints and releases what a GGUF's metadata make; NULL is fine. */
static int print(struct files *f, int i, int err, json_t *json)
{
	if (!err && json)
		err = json_print(&f->at[i], json, 0);
	if (!err && json)
		f->size[i] = strlen(f->at[i]);
	json_decref(json);
	return err;
}

/* A GGUF, which may be a vocabulary alone. */
static int read_gguf(struct files *f, const char *path)
{
	struct gguf g = { 0 };
	struct file file;
	json_t *json = NULL;
	int err;

	TRY(file_open(&file, ".", path));
	err = gguf_read(&g, &file);
	if (!err)
		err = gguf_tokenizer(&json, &g);
	err = print(f, JSON, err, json);
	json = NULL;
	if (!err)
		err = gguf_tokenizer_config(&json, &g);
	err = print(f, CONFIG, err, json);
	gguf_release(&g);
	file_close(&file);
	return err;
}

static int probe(const char *path, int *json, int *gguf)
{
	const unsigned char *head;
	struct io_in in;
	size_t n;
	int err;

	TRY(io_in_open(&in, path));
	err = io_in_peek(&in, &head, 4, &n);
	*json = !err && n && *head == '{';
	*gguf = !err && n == 4 && !memcmp(head, "GGUF", 4);
	io_in_close(&in);
	return err;
}

static int read_files(struct files *f, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) + 1 : 0;
	struct text folder = { 0 };
	struct stat st;
	int err, json = 0, gguf = 0;

	if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
		err = text_add_string(&folder, path);
		if (!err)
			err = text_add_string(&folder, "/");
		if (!err)
			err = read_folder(f, folder.at, folder.n, NULL);
		text_release(&folder);
		return err;
	}
	if (strcmp(path, "-"))
		TRY(probe(path, &json, &gguf));
	if (gguf)
		return read_gguf(f, path);
	return json ? read_folder(f, path, n, path + n) : read_base(f, path);
}

int tokenizer_open(struct tokenizer **t, const char *path,
		   const struct opt_list *more)
{
	struct files f = { { 0 } };
	int err = read_files(&f, path);

	*t = NULL;
	if (!err) {
		err = make(t, &f, more);
		if (err)
			err = err_at(err, "%s", path);
	}
	for (size_t i = 0; i < NFILE; i++)
		free(f.at[i]);
	return err;
}
