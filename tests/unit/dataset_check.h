/* dataset_check - what a data file's samples say, or why it is refused */
#ifndef TESTS_UNIT_DATASET_CHECK_H
#define TESTS_UNIT_DATASET_CHECK_H

#include "tests/unit/dataset.h"

/* The tokens of sample i as text, those with loss in brackets. */
static inline void check_sample(const struct samples *s, size_t i,
				const char *want)
{
	char got[4096] = "";
	int inside = 0;

	for (size_t k = s->start[i]; k < s->start[i + 1]; k++) {
		int in = s->label[k] != LABEL_NONE;
		char *text;
		size_t size;

		assert_true(!in || s->label[k] == (int32_t)s->id[k]);
		if (in != inside)
			strcat(got, in ? "[" : "]");
		inside = in;
		assert_int_equal(tokenizer_decode(tiny, &s->id[k], 1, 0, &text,
						  &size), 0);
		strcat(got, text);
		free(text);
	}
	strcat(got, inside ? "]" : "");
	assert_string_equal(got, want);
}

static inline void check(const char *name, const char *data,
		  const struct dataset_options *o, const char *want)
{
	struct samples s;
	struct dataset_stats stats;

	write_data(name, data);
	if (take(&s, &stats, o, tiny))
		fail_msg("%s", err_text());
	assert_true(s.n >= 1);
	check_sample(&s, 0, want);
	assert_int_equal(stats.samples, s.n);
	samples_release(&s);
}

static inline void refuse(const char *name, const char *data,
		   const struct dataset_options *o, int code, const char *why)
{
	struct samples s;
	struct dataset_stats stats;

	write_data(name, data);
	assert_int_equal(take(&s, &stats, o, tiny), code);
	if (!strstr(err_text(), why))
		fail_msg("'%s' does not say '%s'", err_text(), why);
	samples_release(&s);
}

#endif
