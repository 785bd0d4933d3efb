/*
 * data_files - files of data, whatever their form, as samples in memory
 *
 * What tokenize(1) reads, and the data streams that it writes.
 */
#ifndef FORMATS_DATA_FILES_H
#define FORMATS_DATA_FILES_H

#include "formats/dataset.h"
#include "tensor/tensor.h"

/* Appends the samples of n files, in order. t may be NULL, for samples that are
 * tokens already. stats are added up. E_DATA, E_NOINPUT, with the file. */
int data_files_read(struct samples *to, const char *const *path, size_t n,
		    struct tokenizer *t, const struct dataset_options *o,
		    struct dataset_stats *stats) MUST_CHECK;

/* As above without labels, with the tokenizer that is among a base's tensors:
 * texts for comparing models. Records that are tokens need none. */
int data_files_of(struct samples *to, const char *const *path, size_t n,
		  const struct tensor_set *base) MUST_CHECK;

#endif
