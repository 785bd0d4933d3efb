/*
 * rank_plot - where an adapter has its ranks, as a picture or a table
 *
 * The picture is that of AdaLoRA's paper (arXiv:2303.10512, figure 3): a column
 * a layer, a row for each module of one, darker where there are more ranks.
 */
#ifndef ADAPT_RANK_PLOT_H
#define ADAPT_RANK_PLOT_H

#include "adapt/adapt.h"

/* SVG, or tab-separated lines "layer module kind kept rank" with a head; the
 * caller's to free. E_DATA: no adapter has ranks. E_NOMEM. */
int rank_plot_svg(char **text, const struct adapter_set *s) MUST_CHECK;
int rank_plot_table(char **text, const struct adapter_set *s) MUST_CHECK;

#endif
