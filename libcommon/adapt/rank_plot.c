#include "adapt/rank_plot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/adalora.h"
#include "base/size.h"

enum { CELL = 26, HEIGHT = 20, MARGIN = 24, LETTER = 7 };

/* A module's place in the picture. */
struct cell {
	const struct adapter *a;
	long layer;             /* -1: none */
	const char *row;        /* what follows the layer's number */
	size_t kept;
};

struct plot {
	struct cell *at;
	size_t n, most, kept, all;
	const char **row;       /* nrow different ones, in order */
	size_t nrow, longest;
	long *layer;            /* nlayer, in order */
	size_t nlayer;
};

static struct cell cell_of(const struct adapter_set *s,
			   const struct adapter *a)
{
	struct cell c = { a, -1, a->module, adalora_ranks(s, a) };

	for (const char *p = strchr(a->module, '.'); p;
	     p = strchr(p + 1, '.')) {
		size_t digits = strspn(p + 1, "0123456789");

		if (!digits || digits > 9 || p[1 + digits] != '.')
			continue;
		c.layer = strtol(p + 1, NULL, 10);
		c.row = p + digits + 2;
		break;
	}
	return c;
}

static int is_new_row(const struct plot *p, const char *row)
{
	for (size_t i = 0; i < p->nrow; i++)
		if (!strcmp(p->row[i], row))
			return 0;
	return 1;
}

static int is_new_layer(const struct plot *p, long layer)
{
	for (size_t i = 0; i < p->nlayer; i++)
		if (p->layer[i] == layer)
			return 0;
	return 1;
}

static void add(struct plot *p, const struct adapter_set *s,
		const struct adapter *a)
{
	struct cell c = cell_of(s, a);

	p->at[p->n++] = c;
	p->most = size_max(p->most, c.kept);
	p->kept += c.kept;
	p->all += a->rank;
	p->longest = size_max(p->longest, strlen(c.row));
	if (is_new_row(p, c.row))
		p->row[p->nrow++] = c.row;
	if (is_new_layer(p, c.layer))
		p->layer[p->nlayer++] = c.layer;
}

static void plot_release(struct plot *p)
{
	free(p->at);
	free(p->row);
	free(p->layer);
}

static int plot_make(struct plot *p, const struct adapter_set *s)
{
	memset(p, 0, sizeof(*p));
	p->at = calloc(s->n + 1, sizeof(*p->at));
	p->row = calloc(s->n + 1, sizeof(*p->row));
	p->layer = calloc(s->n + 1, sizeof(*p->layer));
	if (!p->at || !p->row || !p->layer)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].rank)
			add(p, s, &s->at[i]);
	return p->n ? 0 : err_set(E_DATA, "the adapter has no ranks");
}

/* ---- writing ---- */

static void put_text(FILE *f, size_t x, size_t y, const char *anchor,
		     const char *text)
{
	fprintf(f, "<text x=\"%zu\" y=\"%zu\" text-anchor=\"%s\">", x, y,
		anchor);
	for (; *text; text++)
		if (*text == '<' || *text == '&' || *text < ' ')
			fprintf(f, "&#%d;", (unsigned char)*text);
		else
			fputc(*text, f);
	fputs("</text>\n", f);
}

/* From white to blue. */
static void put_cell(FILE *f, const struct plot *p, const struct cell *c,
		     size_t left)
{
	size_t row = 0, col = 0, part, x, y;
	char text[32];

	while (strcmp(p->row[row], c->row))
		row++;
	while (p->layer[col] != c->layer)
		col++;
	x = left + col * CELL;
	y = 2 * MARGIN + row * HEIGHT;
	part = p->most ? 255 * c->kept / p->most : 0;
	fprintf(f, "<rect x=\"%zu\" y=\"%zu\" width=\"%d\" height=\"%d\" "
		"fill=\"rgb(%zu,%zu,%d)\"/>\n", x, y, CELL - 1, HEIGHT - 1,
		255 - part * 7 / 8, 255 - part / 2, 255);
	snprintf(text, sizeof(text), "%zu", c->kept);
	put_text(f, x + CELL / 2, y + HEIGHT - 6, "middle", text);
}

static void put_svg(FILE *f, const struct plot *p)
{
	size_t left = MARGIN + p->longest * LETTER;
	char text[64];

	fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" "
		"height=\"%zu\" font-family=\"sans-serif\" "
		"font-size=\"11\">\n", left + p->nlayer * CELL + MARGIN,
		3 * MARGIN + p->nrow * HEIGHT);
	snprintf(text, sizeof(text), "ranks by layer: %zu of %zu", p->kept,
		 p->all);
	put_text(f, MARGIN, MARGIN, "start", text);
	for (size_t i = 0; i < p->nlayer; i++) {
		snprintf(text, sizeof(text), p->layer[i] < 0 ? "-" : "%ld",
			 p->layer[i]);
		put_text(f, left + i * CELL + CELL / 2, 2 * MARGIN - 6,
			 "middle", text);
	}
	for (size_t i = 0; i < p->nrow; i++)
		put_text(f, left - 6, 2 * MARGIN + (i + 1) * HEIGHT - 6, "end",
			 p->row[i]);
	for (size_t i = 0; i < p->n; i++)
		put_cell(f, p, &p->at[i], left);
	fputs("</svg>\n", f);
}

static void put_table(FILE *f, const struct plot *p)
{
	fputs("layer\tmodule\tkind\tkept\trank\n", f);
	for (size_t i = 0; i < p->n; i++)
		fprintf(f, "%ld\t%s\t%s\t%zu\t%zu\n", p->at[i].layer,
			p->at[i].a->module, p->at[i].a->kind->name,
			p->at[i].kept, p->at[i].a->rank);
}

static int put(char **text, const struct adapter_set *s,
	       void (*fn)(FILE *f, const struct plot *p))
{
	struct plot p;
	size_t size;
	FILE *f = NULL;
	int err = plot_make(&p, s), bad;

	*text = NULL;
	if (!err) {
		f = open_memstream(text, &size);
		err = f ? 0 : err_set(E_NOMEM, "out of memory");
	}
	if (!err) {
		fn(f, &p);
		bad = ferror(f);
		if (fclose(f) || bad)
			err = err_set(E_NOMEM, "out of memory");
	}
	plot_release(&p);
	return err;
}

int rank_plot_svg(char **text, const struct adapter_set *s)
{
	return put(text, s, put_svg);
}

int rank_plot_table(char **text, const struct adapter_set *s)
{
	return put(text, s, put_table);
}
