/*
 * data_files - files of data, whatever their form, as samples
 *
 * What tokenize(1) reads, and the data streams that it writes.
 */
#ifndef FORMATS_DATA_FILES_H
#define FORMATS_DATA_FILES_H

#include "formats/dataset.h"
#include "tensor/tensor.h"

/*
 * Without weights the files come one after the other. With them they are
 * mixed: the next sample is always from the file i for which (taken + 1) /
 * weight is least, of equals the first, so that every beginning of the result
 * has the files in these proportions, to a sample. It ends with the first file
 * that is at its end; over: such a file starts again, until each has been
 * at its end.
 */
struct data_files {
	const char *const *path;        /* (n) */
	size_t n;
	const double *weight;           /* (n), > 0; NULL: not mixed */
	int over;
};

/* Gives the samples to fn; what it returns, unless 0, ends the reading and is
 * returned. t may be NULL, for samples that are tokens already. stats are
 * added up, and o->gate judges them at the end. E_DATA, E_NOINPUT, with the
 * file. */
int data_files_each(const struct data_files *f, struct tokenizer *t,
		    const struct dataset_options *o,
		    struct dataset_stats *stats, dataset_fn *fn,
		    void *ctx) MUST_CHECK;

/* Appends the samples to `to`. */
int data_files_read(struct samples *to, const struct data_files *f,
		    struct tokenizer *t, const struct dataset_options *o,
		    struct dataset_stats *stats) MUST_CHECK;

/* As above without labels, with the tokenizer that is among a base's tensors:
 * texts for comparing models. Records that are tokens need none. */
int data_files_of(struct samples *to, const char *const *path, size_t n,
		  const struct tensor_set *base) MUST_CHECK;

#endif
