/* opt_print - a program's table as --help, manual page and completion */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/opt_text.h"

#ifndef VERSION
#define VERSION "unknown"
#endif

static void print_bytes(char *buf, size_t size, uint64_t n)
{
	static const char unit[] = { 0, 'K', 'M', 'G', 'T' };
	size_t u = 0;

	while (n && n % 1024 == 0 && u < 4) {
		n /= 1024;
		u++;
	}
	snprintf(buf, size, "%" PRIu64 "%.1s", n, unit + u);
}

static void print_list(char *buf, size_t size, const struct opt_list *l)
{
	size_t at = 0;

	buf[0] = 0;
	for (size_t i = 0; i < l->n && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%s",
				       i ? "," : "", l->at[i]);
}

static void print_choice(char *buf, size_t size, const struct opt *o)
{
	const char *c = o->choices;

	for (int i = 0; i < *(int *)o->at; i++)
		c += strcspn(c, "|") + 1;
	snprintf(buf, size, "%.*s", (int)strcspn(c, "|,"), c);
}

const char *opt_value_text(const struct opt *o, char *buf, size_t size)
{
	const char *text;

	switch (o->type) {
	case OPT_FLAG:
		return *(int *)o->at ? "true" : "false";
	case OPT_COUNT:
		snprintf(buf, size, "%zu", *(size_t *)o->at);
		return buf;
	case OPT_SEED:
		snprintf(buf, size, "%" PRIu64, *(uint64_t *)o->at);
		return buf;
	case OPT_REAL:
		for (int digits = 6; digits < 18; digits++) {
			double back;

			snprintf(buf, size, "%.*g", digits, *(double *)o->at);
			if (sscanf(buf, "%lf", &back) == 1 &&
			    back == *(double *)o->at)
				break;
		}
		return buf;
	case OPT_BYTES:
		print_bytes(buf, size, *(uint64_t *)o->at);
		return buf;
	case OPT_TEXT:
		text = *(const char **)o->at;
		return text ? text : "";
	case OPT_CHOICE:
		print_choice(buf, size, o);
		return buf;
	case OPT_LIST:
		print_list(buf, size, o->at);
		return buf;
	}
	return "";
}

/* Standard output to its end: a full disk is no success. */
static int close_stdout(void)
{
	if (fflush(stdout) || ferror(stdout))
		return err_errno(E_IO, "<stdout>");
	return 0;
}

static int has_default(const struct opt *o)
{
	char buf[512];
	const char *text = opt_value_text(o, buf, sizeof(buf));

	return o->type != OPT_FLAG && *text &&
	       !(o->type == OPT_BYTES && !*(uint64_t *)o->at);
}

static const char *value_name(const struct opt *o)
{
	return o->type == OPT_CHOICE ? o->choices : o->arg ? o->arg : "VALUE";
}

static void help_row(const struct opt *o)
{
	char left[160], buf[512];
	int n = snprintf(left, sizeof(left), "  %c%c%s--%s%s%s",
			 o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
			 o->letter ? ", " : "  ", o->name,
			 o->type == OPT_FLAG ? "" : " ",
			 o->type == OPT_FLAG ? "" : value_name(o));

	printf("%s%*s%s", left, n < 32 ? 33 - n : 2, "", o->help);
	if (has_default(o))
		printf(" (%s)", opt_value_text(o, buf, sizeof(buf)));
	putchar('\n');
}

static void help_table(const struct opt *o)
{
	for (; o && o->name; o++)
		if (!(o->flags & OPT_HIDDEN))
			help_row(o);
}

int opt_print_help(const struct opt_program *p)
{
	printf("usage: %s %s\n%s\n\n", p->name, p->usage, p->brief);
	help_table(p->own);
	help_table(p->shared);
	printf("  -h, --help                     this text\n"
	       "  -V, --version                  the version\n");
	if (p->examples)
		printf("\nexamples:\n%s\n", p->examples);
	return close_stdout();
}

int opt_print_version(const struct opt_program *p)
{
	printf("%s (Weft) %s\n", p->name, VERSION);
	return close_stdout();
}

/* ---- the manual page, in mdoc ---- */

/* Text for mdoc: backslashes doubled, no line that looks like a macro. */
static void man_text(const char *s)
{
	for (int fresh = 1; *s; s++) {
		if (fresh && (*s == '.' || *s == '\''))
			fputs("\\&", stdout);
		if (*s == '\\')
			fputs("\\e", stdout);
		else if (*s == '-')
			fputs("\\-", stdout);
		else
			putchar(*s);
		fresh = *s == '\n';
	}
	putchar('\n');
}

static void man_about(const char *s)
{
	while (*s) {
		const char *gap = strstr(s, "\n\n");
		size_t n = gap ? (size_t)(gap - s) : strlen(s);
		char para[4096];

		snprintf(para, sizeof(para), "%.*s", (int)n, s);
		man_text(para);
		s += n;
		if (gap) {
			puts(".Pp");
			s += 2;
		}
	}
}

static void man_row(const struct opt *o)
{
	char buf[512];

	fputs(".It", stdout);
	if (o->letter)
		printf(" Fl %c%s", o->letter, "");
	printf("%s Fl \\-%s", o->letter ? " ," : "", o->name);
	if (o->type != OPT_FLAG)
		printf(" Ar %s", value_name(o));
	putchar('\n');
	man_text(o->help);
	if (has_default(o)) {
		fputs("The default is\n.Sy ", stdout);
		man_text(opt_value_text(o, buf, sizeof(buf)));
	}
	if (o->alias) {
		fputs("Also spelled: ", stdout);
		man_text(o->alias);
	}
}

static void man_table(const struct opt *o)
{
	for (; o && o->name; o++)
		if (!(o->flags & OPT_HIDDEN))
			man_row(o);
}

static const char *const exit_status[] = {
	"0", "done", "1", "the answer is no", "64", "wrong usage",
	"65", "bad input data", "66", "no such input", "69", "unavailable",
	"70", "internal error", "71", "not enough memory for the plan",
	"73", "cannot create the output", "74", "read or write failed",
	"75", "stopped, checkpoint written: run it again",
	"78", "bad configuration", NULL
};

int opt_print_man(const struct opt_program *p)
{
	char upper[64] = "";

	for (size_t i = 0; p->name[i] && i + 1 < sizeof(upper); i++)
		upper[i] = (char)toupper((unsigned char)p->name[i]);
	printf(".Dd 2026\n.Dt %s 1\n.Os Weft %s\n", upper, VERSION);
	printf(".Sh NAME\n.Nm %s\n.Nd %s\n", p->name, p->brief);
	printf(".Sh SYNOPSIS\n.Nm\n%s\n.Sh DESCRIPTION\n", p->usage);
	man_about(p->about ? p->about : p->brief);
	puts(".Sh OPTIONS\n.Bl -tag -width Ds");
	man_table(p->own);
	man_table(p->shared);
	puts(".It Fl h , Fl \\-help\nprints the options and ends\n"
	     ".It Fl V , Fl \\-version\nprints the version and ends\n.El");
	puts(".Sh EXIT STATUS\n.Bl -tag -width Ds -compact");
	for (size_t i = 0; exit_status[i]; i += 2)
		printf(".It %s\n%s\n", exit_status[i], exit_status[i + 1]);
	puts(".El");
	if (p->examples) {
		puts(".Sh EXAMPLES\n.Bd -literal -offset indent");
		man_text(p->examples);
		puts(".Ed");
	}
	if (p->see) {
		puts(".Sh SEE ALSO");
		man_text(p->see);
	}
	return close_stdout();
}

/* ---- completion for bash ---- */

static void completion_words(const struct opt *o)
{
	for (; o && o->name; o++)
		if (!(o->flags & OPT_HIDDEN))
			printf(" --%s", o->name);
}

int opt_print_completion(const struct opt_program *p)
{
	fputs("complete -o default -W '--help --version", stdout);
	completion_words(p->own);
	completion_words(p->shared);
	printf("' %s\n", p->name);
	return close_stdout();
}
