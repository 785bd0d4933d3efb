#include "train/run_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

int run_options_save(json_t **saved, const struct opt_program *p)
{
	char buf[4096];

	*saved = json_object();
	for (const struct opt *o = p->own; o->name; o++)
		if (o->flags & OPT_RECORD &&
		    json_object_set_new(*saved, o->name,
					json_string(opt_value_text(
						o, buf, sizeof(buf)))))
			return err_set(E_NOMEM, "out of memory");
	return 0;
}

static int restore(struct opt *o, const char *was)
{
	char buf[4096];
	const char *is = opt_value_text(o, buf, sizeof(buf));

	if (o->given && strcmp(is, was))
		return err_set(E_CONFIG, "--%s is %s, the run that is "
			       "continued has %s (--fresh begins a new one)",
			       o->name, is, was);
	/* A list is one text, and nobody reads it again but as text. */
	return o->given || !strcmp(is, was) ? 0 : opt_set(o, was);
}

int run_options_restore(const struct opt_program *p, json_t *saved)
{
	for (struct opt *o = p->own; o->name; o++) {
		const char *was = json_string_value(
			json_object_get(saved, o->name));

		if (was && o->flags & OPT_RECORD)
			TRY(restore(o, was));
	}
	return 0;
}

static const char *const route[] = { "filter", "filter-every" };

json_t *run_options_kept(json_t *saved, int finished)
{
	json_t *kept = finished ? json_copy(saved) : json_incref(saved);

	for (size_t i = 0; finished && kept && i < NELEM(route); i++)
		json_object_del(kept, route[i]);
	return kept;
}

void run_options_unroute(const struct opt_program *p)
{
	for (size_t i = 0; i < NELEM(route); i++)
		opt_find(p, route[i])->flags &= ~(unsigned)OPT_RECORD;
}

int run_checkpoint_name(char **name, const char *given, const char *output)
{
	const char *base = given ? given : output;
	size_t size;

	*name = NULL;
	if (!base || (!given && !strcmp(base, "-")))
		return 0;
	size = strlen(base) + sizeof(".ckpt");
	*name = malloc(size);
	if (!*name)
		return err_set(E_NOMEM, "out of memory");
	snprintf(*name, size, "%s%s", base, given ? "" : ".ckpt");
	return 0;
}
