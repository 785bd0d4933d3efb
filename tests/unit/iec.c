/* iec - the elastic connection against the reference, both directions */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "adapt/adapt.h"
#include "base/size.h"
#include "tests/unit/golden.h"

#include <math.h>

static const char name[] = "E/iec";

struct bench {
	struct golden g;
	struct adapter_set set;
	struct adapter *a;
	struct tensor w;
	struct weight weight;
	struct adapt_pass pass;
	size_t n, in, out, rank;
	float *keep, *scratch;
	void *space;
};

static void fill(struct bench *b, size_t i, const char *key)
{
	struct adapter_param *p = &b->a->param[i];

	assert_int_equal(golden_count(&b->g, key), p->rows * p->cols);
	memcpy(p->at, golden_f32(&b->g, key, NULL),
	       p->rows * p->cols * sizeof(float));
}

static void setup(struct bench *b)
{
	struct adapter_options o = { .kind = "iec" };
	struct adapter_site site = { "m.q", .role = ROLE_LINEAR };
	size_t dims[2];

	memset(b, 0, sizeof(*b));
	golden_case(&b->g, name);
	golden_shape(&b->g, "W", dims);
	site.out = b->out = dims[0];
	site.in = b->in = dims[1];
	o.rank = b->rank = (size_t)json_number(b->g.json, "r", 0);
	o.alpha = json_number(b->g.json, "alpha", 0);
	b->n = golden_count(&b->g, "x") / b->in;
	assert_int_equal(tensor_init(&b->w, "m.q.weight", ROLE_LINEAR,
				     DTYPE_F32, 2, dims), 0);
	b->w.part[0].data = golden_f32(&b->g, "W", NULL);
	assert_int_equal(weight_bind(&b->weight, &b->w), 0);
	assert_int_equal(adapter_set_add(&b->set, &site, &o), 0);
	assert_int_equal(adapter_set_place(&b->set, 1), 0);
	b->a = &b->set.at[0];
	fill(b, 0, "lora_A");
	fill(b, 1, "lora_B");
	b->a->param[2].at[0] = (float)json_number(b->g.json, "beta1", 0);
	b->a->param[3].at[0] = (float)json_number(b->g.json, "beta2", 0);
	b->keep = calloc(b->n * b->a->keep, sizeof(float));
	b->scratch = calloc(b->n * b->in, sizeof(float));
	b->space = aligned_alloc(64, size_align(gemm_space(
			NULL, b->n, 2 * (b->in + b->out), 2), 64));
	b->pass = (struct adapt_pass){
		.space = b->space,
		.keep = mat_of(b->keep, b->n, b->a->keep),
		.scratch = mat_of(b->scratch, b->n, b->in),
	};
}

static void teardown(struct bench *b)
{
	b->w.part[0].data = NULL; /* the case's */
	tensor_release(&b->w);
	adapter_set_release(&b->set);
	free(b->keep);
	free(b->scratch);
	free(b->space);
	golden_close(&b->g);
}

static void report(struct bench *b, const char *key, const float *got)
{
	size_t n;
	const float *want = golden_f32(&b->g, key, &n);
	double most = 0, size = 0;

	for (size_t i = 0; i < n; i++) {
		most = fmax(most, fabs((double)got[i] - (double)want[i]));
		size = fmax(size, fabs((double)want[i]));
	}
	golden_report(name, key, most / size, 2e-6);
}

static void forward(struct bench *b, float *y)
{
	float *x = golden_f32(&b->g, "x", NULL);
	struct gemm_output o = { .y = y, .stride = b->out, .n = b->out,
				 .nterm = 1 };

	o.term[0] = weight_term(&b->weight, x, b->in, GEMM_NT);
	b->a->kind->forward(b->a, &b->pass, mat_of(x, b->n, b->in), &o);
	gemm(NULL, b->space, b->n, &o, 1);
}

static void backward(struct bench *b)
{
	float *x = golden_f32(&b->g, "x", NULL);
	float *dy = golden_f32(&b->g, "grad.y", NULL);

	b->a->kind->backward(b->a, &b->pass, mat_of(dy, b->n, b->out),
			     mat_of(x, b->n, b->in), NULL);
}

static void both_directions(void **state)
{
	static const char *const grad[] = { "grad.A", "grad.B", "grad.beta1",
					    "grad.beta2" };
	struct bench b;
	float *y;

	(void)state;
	setup(&b);
	y = calloc(b.n * b.out, sizeof(*y));
	forward(&b, y);
	report(&b, "y", y);
	backward(&b);
	for (size_t i = 0; i < NELEM(grad); i++)
		report(&b, grad[i], b.a->param[i].grad);
	/* gradients add up over batches */
	forward(&b, y);
	backward(&b);
	for (size_t i = 0; i < NELEM(grad); i++) {
		struct adapter_param *p = &b.a->param[i];

		for (size_t k = 0; k < p->rows * p->cols; k++)
			p->grad[k] /= 2;
		report(&b, grad[i], p->grad);
	}
	free(y);
	teardown(&b);
}

/* W' = W + s B' A' with the reference's merged factors. */
static void merged_factors(void **state)
{
	struct bench b;
	const float *a, *bb, *w;
	double most = 0;
	float *got;

	(void)state;
	setup(&b);
	a = golden_f32(&b.g, "lora_A.merged", NULL);
	bb = golden_f32(&b.g, "lora_B.merged", NULL);
	w = golden_f32(&b.g, "W", NULL);
	got = aligned_alloc(64, size_align(b.out * b.in * sizeof(*got), 64));
	memcpy(got, w, b.out * b.in * sizeof(*got));
	assert_int_equal(b.a->kind->merge(b.a, &b.weight, 1, got, 0, b.out),
			 0);
	for (size_t o = 0; o < b.out; o++)
		for (size_t i = 0; i < b.in; i++) {
			double sum = 0;

			for (size_t k = 0; k < b.rank; k++)
				sum += (double)bb[o * b.rank + k] *
				       (double)a[k * b.in + i];
			sum = sum * json_number(b.g.json, "scaling", 0) +
			      (double)w[o * b.in + i];
			most = fmax(most, fabs(sum -
					       (double)got[o * b.in + i]));
		}
	golden_report(name, "merged weight", most, 1e-6);
	free(got);
	teardown(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_directions),
		cmocka_unit_test(merged_factors),
	};

	return cmocka_run_group_tests_name("iec", tests, NULL, NULL);
}
