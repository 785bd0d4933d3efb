#include "formats/data_files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "formats/base_text.h"
#include "formats/source_formats.h"

static int add(void *ctx, const struct dataset_sample *s)
{
	TRY(samples_add(ctx, s->id, s->label, s->n));
	return samples_prompt(ctx, (uint32_t)s->prompt);
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

/* A file, or a stream, that is read sample by sample. */
struct data_source {
	const char *path;
	struct dataset_options o;
	struct reading *reading;        /* NULL: the stream's samples */
	struct collection stream;       /* whose samples are as they are */
	struct dataset_stats *stats;
	size_t at, taken;
	int ended;                      /* it has been at its end */
	struct dataset_sample sample;
};

static int open_stream(struct data_source *s)
{
	char *const paths[] = { (char *)s->path, NULL };

	if (s->o.field)
		return err_set(E_DATA, "%s: the samples of a stream have no "
			       "field to choose an adapter by; records do",
			       s->path);
	TRY(collect(&s->stream, paths));
	return s->stream.has_data ? 0 :
	       err_set(E_DATA, "%s: no data in the stream", s->path);
}

static int from_open(struct data_source *s, const char *path,
		       struct tokenizer *t, const struct dataset_options *o,
		       struct dataset_stats *stats)
{
	int stream;

	*s = (struct data_source){ .path = path, .o = *o, .stats = stats };
	TRY(is_stream(path, &stream));
	return stream ? open_stream(s) :
			dataset_open(&s->reading, path, t, &s->o, stats);
}

static void from_close(struct data_source *s)
{
	dataset_close(s->reading);
	collection_release(&s->stream);
	s->reading = NULL;
	memset(&s->stream, 0, sizeof(s->stream));
}

/* As dataset_next(). */
static int from_next(struct data_source *s, const struct dataset_sample **x)
{
	const struct samples *d = &s->stream.data;
	size_t first;

	if (s->reading)
		return dataset_next(s->reading, x);
	*x = NULL;
	if (s->at == d->n)
		return 0;
	first = d->start[s->at++];
	s->sample = (struct dataset_sample){
		.id = d->id + first, .label = d->label + first,
		.n = d->start[s->at] - first, .number = s->at,
	};
	s->stats->records++;
	s->stats->samples++;
	s->stats->tokens += s->sample.n;
	s->stats->labels += samples_labels(d, s->at - 1);
	*x = &s->sample;
	return 0;
}

static int one_file(const char *path, struct tokenizer *t,
		    const struct dataset_options *o,
		    struct dataset_stats *stats, dataset_fn *fn, void *ctx)
{
	const struct dataset_sample *x = NULL;
	struct data_source s;
	int err = from_open(&s, path, t, o, stats);

	do {
		if (!err)
			err = from_next(&s, &x);
		if (!err && x)
			err = fn(ctx, x);
	} while (!err && x);
	from_close(&s);
	return err;
}

/* ---- several at once ---- */

struct mixing {
	const struct data_files *f;
	struct data_source *s;          /* (f->n) */
	struct tokenizer *t;
	struct dataset_stats *stats;
};

static struct data_source *whose_turn(const struct mixing *m)
{
	const double tie = 1 - 1e-9; /* 0.7 and 0.3 are as 7 and 3 */
	size_t best = 0;
	double least = 0;

	for (size_t i = 0; i < m->f->n; i++) {
		double next = (double)(m->s[i].taken + 1) / m->f->weight[i];

		if (i && next >= least * tie)
			continue;
		least = next;
		best = i;
	}
	return &m->s[best];
}

static int all_ended(const struct mixing *m)
{
	for (size_t i = 0; i < m->f->n; i++)
		if (!m->s[i].ended)
			return 0;
	return 1;
}

/* From its beginning; what it has given still counts. */
static int start_over(struct mixing *m, struct data_source *s)
{
	struct dataset_options o = s->o;
	size_t taken = s->taken;
	int err;

	if (!strcmp(s->path, "-"))
		return err_set(E_USAGE, "standard input cannot start over, as "
			       "--mix-strategy over wants");
	if (!taken)
		return err_set(E_DATA, "%s: it has no sample to mix", s->path);
	from_close(s);
	o.again = 1;
	err = from_open(s, s->path, m->t, &o, m->stats);
	s->taken = taken;
	s->ended = 1;
	return err;
}

static int mix(struct mixing *m, dataset_fn *fn, void *ctx)
{
	const struct dataset_sample *x;

	for (;;) {
		struct data_source *s = whose_turn(m);

		TRY(from_next(s, &x));
		if (x) {
			s->taken++;
			TRY(fn(ctx, x));
			continue;
		}
		s->ended = 1;
		if (!m->f->over || all_ended(m))
			return 0;
		TRY(start_over(m, s));
	}
}

static int mix_files(struct mixing *m, const struct dataset_options *o,
		     dataset_fn *fn, void *ctx)
{
	size_t n = m->f->n;
	int err = 0;

	m->s = calloc(n, sizeof(*m->s));
	if (!m->s)
		return err_set(E_NOMEM, "no memory for %zu files", n);
	for (size_t i = 0; i < n && !err; i++)
		err = from_open(&m->s[i], m->f->path[i], m->t, o, m->stats);
	if (!err)
		err = mix(m, fn, ctx);
	for (size_t i = 0; i < n; i++)
		from_close(&m->s[i]);
	free(m->s);
	return err;
}

int data_files_each(const struct data_files *f, struct tokenizer *t,
		    const struct dataset_options *o,
		    struct dataset_stats *stats, dataset_fn *fn, void *ctx)
{
	struct mixing m = { .f = f, .t = t, .stats = stats };

	if (f->weight)
		TRY(mix_files(&m, o, fn, ctx));
	for (size_t i = 0; i < f->n && !f->weight; i++)
		TRY(one_file(f->path[i], t, o, stats, fn, ctx));
	return data_gate_close(o->gate, stats);
}

int data_files_read(struct samples *to, const struct data_files *f,
		    struct tokenizer *t, const struct dataset_options *o,
		    struct dataset_stats *stats)
{
	return data_files_each(f, t, o, stats, add, to);
}

int data_files_of(struct samples *to, const char *const *path, size_t n,
		  const struct tensor_set *base)
{
	struct collected c = { .tensors = *base }; /* borrowed */
	const struct data_files files = { path, n, NULL, 0 };
	struct dataset_options o = { .eval_text = 1 };
	struct dataset_stats stats = { 0 };
	struct text_codec *text;
	int err;

	if (base_text_open(&text, &c, NULL))
		text = NULL;
	err = data_files_read(to, &files, base_text_tokenizer(text), &o,
			      &stats);
	base_text_free(text);
	return err;
}
