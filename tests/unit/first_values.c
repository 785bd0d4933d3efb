/* first_values - what parameters begin as: the laws of the papers, or of their
 * authors' code where the two differ */
#include "adapt/adapt.h"
#include "base/size.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { OUT = 192, IN = 384, RANK = 16, GROUP = 8, LAYERS = 3, TOKENS = 40 };

static const char config[] =
	"{\"init\": \"%s\", \"num_virtual_tokens\": %d, \"num_layers\": %d,"
	" \"token_dim\": %d}";

enum law { ZERO, UNIFORM, NORMAL };

/* Of each parameter: its law, and the bound or the deviation. */
static const struct row {
	const char *kind, *init;
	enum tensor_role role;
	struct {
		enum law law;
		double size;
	} param[4];
} rows[] = {
	/* kaiming's bound with a = sqrt(5) is 1 / sqrt(in): PyTorch's, PEFT's
	 * and the authors' */
	{ "lora", "", ROLE_LINEAR, { { UNIFORM, 0.0510310363 }, { ZERO, 0 } } },
	{ "lora", "gaussian", ROLE_LINEAR,
	  { { NORMAL, 1. / RANK }, { ZERO, 0 } } },
	{ "lora", "", ROLE_EMBED, { { ZERO, 0 }, { NORMAL, 1 } } },
	{ "lora_bias", "", ROLE_LINEAR,
	  { { UNIFORM, 0.0510310363 }, { ZERO, 0 }, { ZERO, 0 } } },
	{ "adalora", "", ROLE_LINEAR,
	  { { NORMAL, 0.02 }, { NORMAL, 0.02 }, { ZERO, 0 } } },
	/* Xavier's, of (rank, groups): sqrt(6 / (16 + 48)) */
	{ "qalora", "", ROLE_LINEAR,
	  { { UNIFORM, 0.3061862178 }, { ZERO, 0 } } },
	{ "iec", "", ROLE_LINEAR,
	  { { UNIFORM, 0.0510310363 }, { ZERO, 0 }, { ZERO, 0 },
	    { ZERO, 0 } } },
	{ "prompt", "random", ROLE_EMBED, { { UNIFORM, 0.5 } } },
	{ "prefix", "", ROLE_EMBED, { { NORMAL, 0.02 } } },
};

static void check(const struct row *row, const struct adapter_param *p,
		  enum law law, double size)
{
	size_t n = p->rows * p->cols;
	double sum = 0, square = 0, most = 0, tail = 0, variance;

	for (size_t i = 0; i < n; i++) {
		double x = (double)p->at[i];

		sum += x;
		square += x * x;
		most = fmax(most, fabs(x));
		tail += fabs(x) > 2 * size;
	}
	if (law == ZERO) {
		if (most > 0)
			fail_msg("%s %s: not zero", row->kind, p->name);
		return;
	}
	variance = law == UNIFORM ? size * size / 3 : size * size;
	if (fabs(sum / (double)n) > 5 * sqrt(variance / (double)n))
		fail_msg("%s %s: mean %g", row->kind, p->name,
			 sum / (double)n);
	if (fabs(square / (double)n / variance - 1) > 0.1)
		fail_msg("%s %s: variance %g, want %g", row->kind, p->name,
			 square / (double)n, variance);
	if (law == UNIFORM ? most > size || most < 0.95 * size :
			     fabs(tail / (double)n - 0.0455) > 0.02)
		fail_msg("%s %s: another law", row->kind, p->name);
}

static void check_row(const struct row *row)
{
	char text[256];
	int soft = !strcmp(row->kind, "prompt") || !strcmp(row->kind, "prefix");
	struct adapter_site site = { soft ? ADAPTER_FRONT : "m.q", OUT, IN,
				     row->role, GROUP, .front = soft };
	struct adapter_options o = { .kind = row->kind, .rank = RANK,
				     .alpha = 8 };
	struct adapter_set set = { 0 };
	struct adapter *a;

	snprintf(text, sizeof(text), config, row->init, TOKENS, LAYERS, IN);
	o.extra = json_loads(text, 0, NULL);
	assert_non_null(o.extra);
	assert_int_equal(adapter_set_add(&set, &site, &o), 0);
	assert_int_equal(adapter_set_place(&set, 0), 0);
	a = &set.at[0];
	assert_int_equal(a->kind->init(a, NULL, 42), 0);
	for (size_t i = 0; i < a->nparam; i++)
		if (!a->param[i].state)
			check(row, &a->param[i], row->param[i].law,
			      row->param[i].size);
	adapter_set_release(&set);
	json_decref(o.extra);
}

static void parameters_begin_by_their_laws(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(rows); i++)
		check_row(&rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_begin_by_their_laws),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
