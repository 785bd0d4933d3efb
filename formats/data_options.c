#include "formats/data_options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int share(const char *name, double x)
{
	return x >= 0 && x <= 1 ? 0 :
	       err_set(E_USAGE, "--%s %g: want a share from 0 to 1", name, x);
}

static int weights(struct data_options *d, size_t n)
{
	const char *at = d->mix;
	size_t got = 0;
	char *end;

	for (;; at = end + 1) {
		double w = strtod(at, &end);

		if (end == at || (*end && *end != ',') || !isfinite(w) ||
		    w <= 0)
			return err_set(E_USAGE, "--mix %s: want W,W,... above "
				       "0", d->mix);
		if (got < DATA_FILES)
			d->weight[got] = w;
		got++;
		if (!*end)
			break;
	}
	if (got != n)
		return err_set(E_USAGE, "--mix: %zu weights for %zu file%s",
			       got, n, n == 1 ? "" : "s");
	return n <= DATA_FILES ? 0 :
	       err_set(E_USAGE, "--mix: more than %d files", DATA_FILES);
}

int data_options_settle(struct data_options *d, const struct opt_program *p,
			size_t length, size_t n)
{
	TRY(share("split", d->split));
	TRY(share("max-truncated", d->max_truncated));
	TRY(share("max-duplicates", d->max_duplicates));
	TRY(share("max-empty", d->max_empty));
	if (d->split == 1)
		return err_set(E_USAGE, "--split 1 leaves nothing");
	TRY(data_faults_parse(&d->gate.allowed, d->allow));
	if (d->mix)
		TRY(weights(d, n));
	d->gate.most_truncated = d->max_truncated;
	/* Who says how long has chosen, unless both are said. */
	if (opt_given(p, "length") && !opt_given(p, "max-truncated"))
		d->gate.most_truncated = 1;
	d->gate.most_empty = d->max_empty;
	d->gate.most_duplicates = d->max_duplicates;
	d->read = (struct dataset_options){
		.chat_template = d->chat_template,
		.chat_variables = d->chat_variables, .length = length,
		.train_on_prompt = d->train_on_prompt,
		.drop_long = d->drop_long, .format = d->format,
		.columns = d->columns, .gate = &d->gate,
	};
	return 0;
}

struct data_files data_options_files(const struct data_options *d,
				     const char *const *path, size_t n)
{
	return (struct data_files){
		.path = path, .n = n, .weight = d->mix ? d->weight : NULL,
		.over = d->over,
	};
}
