/* weight_nf4 - NormalFloat codes under f32 scales, plain or quantised again */
#include "weight/format.h"

static int match(const struct tensor *t)
{
	return t->node[0].kind == STORE_NF4;
}

static int bind(struct weight *w)
{
	const struct storage *s = &w->tensor->node[0];

	w->group = s->block;
	w->part[0] = w->tensor->part[s->part].data;
	return 0;
}

const struct weight_format weight_nf4 = { "nf4", match, bind, weight_any_pack,
					  weight_any_rows };
