#include "formats/data_files.h"

#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "formats/base_text.h"
#include "formats/source_formats.h"

static int add(void *ctx, const struct dataset_sample *s)
{
	return samples_add(ctx, s->id, s->label, s->n);
}

/* Is it a tensor stream? Only a file can be looked at and read again. */
static int is_stream(const char *path, int *yes)
{
	struct io_in in;
	struct stat st;
	const unsigned char *head;
	size_t n;
	int err;

	*yes = 0;
	if (!strcmp(path, "-") || (!stat(path, &st) && !S_ISREG(st.st_mode)))
		return 0;
	TRY(io_in_open(&in, path));
	err = io_in_peek(&in, &head, 4096, &n);
	*yes = !err && n && format_st.probe(path, head, n);
	io_in_close(&in);
	return err;
}

static int read_stream(struct samples *to, const char *path)
{
	char *const paths[] = { (char *)path, NULL };
	struct collection c;
	int err = collect(&c, paths);

	if (!err && !c.has_data)
		err = err_set(E_DATA, "%s: no data in the stream", path);
	for (size_t i = 0; !err && i < c.data.n; i++) {
		size_t first = c.data.start[i];

		err = samples_add(to, c.data.id + first, c.data.label + first,
				  c.data.start[i + 1] - first);
	}
	collection_release(&c);
	return err;
}

int data_files_read(struct samples *to, const char *const *path, size_t n,
		    struct tokenizer *t, const struct dataset_options *o,
		    struct dataset_stats *stats)
{
	for (size_t i = 0; i < n; i++) {
		int stream = 0;

		TRY(is_stream(path[i], &stream));
		if (stream)
			TRY(read_stream(to, path[i]));
		else
			TRY(dataset_read(path[i], t, o, stats, add, to));
	}
	return 0;
}

int data_files_of(struct samples *to, const char *const *path, size_t n,
		  const struct tensor_set *base)
{
	struct collected c = { .tensors = *base }; /* borrowed */
	struct dataset_options o = { .eval_text = 1 };
	struct dataset_stats stats = { 0 };
	struct text_codec *text;
	int err;

	if (base_text_open(&text, &c, NULL))
		text = NULL;
	err = data_files_read(to, path, n, base_text_tokenizer(text), &o,
			      &stats);
	base_text_free(text);
	return err;
}
