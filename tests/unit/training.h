/*
 * training - a run beside the reference's, for tests that compare them
 *
 * Include it after "golden.h". What was found is collected while the run goes
 * and reported at its end.
 */
#ifndef UNIT_TRAINING_H
#define UNIT_TRAINING_H

#include "adapt/spec.h"
#include "train/trainer.h"

#include <math.h>

/* golden/README.md's, relative for losses, norms and first gradients. */
struct training_limits {
	double loss, norm, rms, most, grad, rate;
};

struct training {
	struct golden g;
	const char *name;
	struct adapter_set set;
	struct adapter_sites sites;
	struct samples data;
	struct trainer *t;
	size_t step;
	struct training_limits limit, found;
};

static inline double training_wanted(const struct training *r, const char *key,
				     size_t step)
{
	json_t *v = json_array_get(json_object_get(r->g.json, key), step);

	if (!v)
		fail_msg("%s: no %s of step %zu", r->name, key, step);
	return json_number_value(v);
}

static inline double training_relative(double got, double want)
{
	double size = fabs(want) > 1 ? fabs(want) : 1;

	return fabs(got - want) / size;
}

/* A parameter, or its gradient times scale, against a tensor of g. */
static inline void training_tensor(struct training *r, struct golden *g,
				   const char *name, const float *got,
				   double scale, int gradient)
{
	size_t n;
	const float *want = golden_f32(g, name, &n);
	double sum = 0, size = 0;

	for (size_t i = 0; i < n; i++) {
		double d = fabs((double)got[i] * scale - (double)want[i]);

		sum += d * d;
		size += (double)want[i] * (double)want[i];
		if (!gradient)
			r->found.most = fmax(r->found.most, d);
	}
	if (gradient && size > 0)
		r->found.grad = fmax(r->found.grad, sqrt(sum / size));
	else if (gradient)
		assert_true(sum == 0);
	else
		r->found.rms = fmax(r->found.rms, sqrt(sum / (double)n));
}

/* Every parameter that g has as "<prefix><PEFT's name>"; how many. */
static inline size_t training_compare(struct training *r, struct golden *g,
				      const char *prefix, int gradients)
{
	size_t found = 0;

	for (size_t i = 0; i < r->set.n; i++)
		for (size_t k = 0; k < r->set.at[i].nparam; k++) {
			const struct adapter *a = &r->set.at[i];
			const struct adapter_param *p = &a->param[k];
			char name[TENSOR_NAME];

			if (a->kind->front)
				snprintf(name, sizeof(name), "%s%s", prefix,
					 a->kind->peft_name(a, k));
			else
				snprintf(name, sizeof(name),
					 "%sbase_model.model.%s.%s", prefix,
					 a->module, a->kind->peft_name(a, k));
			if (!golden_has(g, name))
				continue;
			assert_int_equal(golden_count(g, name),
					 p->rows * p->cols);
			training_tensor(r, g, name, gradients ? p->grad : p->at,
					gradients ? 1 / training_wanted(
						  r, "label_tokens", 0) : 1,
					gradients);
			found++;
		}
	return found;
}

static inline int training_log(void *ctx, json_t *line)
{
	struct training *r = ctx;
	size_t s = r->step++;

	r->found.loss = fmax(r->found.loss, training_relative(
		json_number(line, "loss", -1), training_wanted(r, "loss", s)));
	r->found.norm = fmax(r->found.norm, training_relative(
		json_number(line, "grad_norm", -1),
		training_wanted(r, "grad_norm", s)));
	assert_true(training_wanted(r, "label_tokens", s) ==
		    json_number(line, "label_tokens", -1));
	if (json_object_get(r->g.json, "lr"))
		r->found.rate = fmax(r->found.rate, fabs(
			json_number(line, "learning_rate", -1) -
			training_wanted(r, "lr", s)));
	if (!s && training_compare(r, &r->g, "grad0.", 1))
		training_compare(r, &r->g, "step1.", 0);
	return 0;
}

static inline void training_report(const struct training *r)
{
	golden_report(r->name, "loss", r->found.loss, r->limit.loss);
	golden_report(r->name, "gradient norm", r->found.norm, r->limit.norm);
	if (json_object_get(r->g.json, "lr"))
		golden_report(r->name, "learning rate", r->found.rate, 1e-12);
	golden_report(r->name, "parameters, RMS", r->found.rms, r->limit.rms);
	golden_report(r->name, "parameters, largest", r->found.most,
		      r->limit.most);
	if (r->found.grad > 0)
		golden_report(r->name, "first gradients, relative RMS",
			      r->found.grad, r->limit.grad);
}

static inline void training_close(struct training *r)
{
	trainer_free(r->t);
	golden_close(&r->g);
	adapter_set_release(&r->set);
	adapter_sites_release(&r->sites);
	samples_release(&r->data);
}

#endif
