/* trainer - how samples are cut into rows, batches and steps does not matter;
 * what cannot be trained on is refused */
#include "train/trainer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "golden.h"
#include "model.h"

enum { SAMPLES = 12 };

static struct samples data(void)
{
	struct samples s = { 0 };
	struct rng r = rng_of(9, "data");

	for (uint64_t i = 0; i < SAMPLES; i++) {
		uint32_t id[40];
		int32_t label[40];
		size_t len = 5 + (size_t)rng_below(r, i, 30);

		for (size_t t = 0; t < len; t++) {
			id[t] = (uint32_t)rng_below(r, 100 * (i + 1) + t, 256);
			label[t] = t < len / 3 ? LABEL_NONE : (int32_t)id[t];
		}
		assert_int_equal(samples_add(&s, id, label, len), 0);
	}
	return s;
}

static struct trainer_options options(void)
{
	return (struct trainer_options){
		.optim = optim_find("sgd"),
		.schedule = schedule_find("constant"),
		.lr = 1, .accumulate = 1, .steps = 1, .epochs = 1,
		.pack = { .length = 64, .rows = 1 },
	};
}

struct fit {
	struct model m;
	struct samples data;
	struct trainer *t;
};

static int begin(struct fit *f, const struct trainer_options *o)
{
	const struct trainer_calls calls = { 0 };

	model_open(&f->m, "A/llama", 2);
	model_adapt(&f->m, "A/llama");
	return trainer_new(&f->t, f->m.p, &f->m.adapters, f->m.pool, &f->data,
			   NULL, o, &calls);
}

static void finish(struct fit *f)
{
	trainer_free(f->t);
	model_close(&f->m);
	samples_release(&f->data);
}

/* One step over all samples, cut as o says. */
static void all_samples(struct fit *f, struct trainer_options o)
{
	memset(f, 0, sizeof(*f));
	f->data = data();
	if (begin(f, &o))
		fail_msg("%s", err_text());
	assert_int_equal(f->t->plan.steps, 1);
	assert_int_equal(trainer_start(f->t), 0);
	assert_int_equal(trainer_run(f->t), 0);
	assert_int_equal(f->t->state.tokens, f->data.start[SAMPLES]);
}

static double gradient_distance(const struct fit *a, const struct fit *b)
{
	double sum = 0, size = 0;
	const float *x = (const float *)a->m.adapters.grads.base;
	const float *y = (const float *)b->m.adapters.grads.base;

	for (size_t i = 0; i < a->m.adapters.grads.size / sizeof(float); i++) {
		sum += ((double)x[i] - (double)y[i]) *
		       ((double)x[i] - (double)y[i]);
		size += (double)x[i] * (double)x[i];
	}
	assert_true(size > 0);
	return sqrt(sum / size);
}

static void rows_batches_and_steps_are_the_same_sum(void **state)
{
	static const struct {
		size_t length, rows, accumulate;
		int single;
	} cut[] = {
		{ 64, 100, 1, 0 }, { 64, 2, 100, 0 }, { 1000, 1, 1, 0 },
		{ 64, 1, 12, 1 }, { 64, 5, 3, 1 },
	};
	struct trainer_options o = options();
	struct fit one, f;

	(void)state;
	o.steps = 0;
	o.pack.single = 1;
	o.pack.rows = SAMPLES;
	all_samples(&one, o);
	for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
		o.pack.length = cut[i].length;
		o.pack.rows = cut[i].rows;
		o.pack.single = cut[i].single;
		o.accumulate = cut[i].accumulate;
		all_samples(&f, o);
		assert_true(fabs(f.t->last.loss - one.t->last.loss) < 1e-12);
		assert_true(gradient_distance(&one, &f) < 1e-6);
		finish(&f);
	}
	finish(&one);
}

static double moved(const struct fit *f, const float *was)
{
	const float *is = (const float *)f->m.adapters.params.base;
	double sum = 0;

	for (size_t i = 0; i < f->m.adapters.params.size / sizeof(float); i++)
		sum += ((double)is[i] - (double)was[i]) *
		       ((double)is[i] - (double)was[i]);
	return sqrt(sum);
}

/* With a rate of 1, SGD moves the parameters by the clipped gradient. */
static void the_gradient_is_clipped_to_its_norm(void **state)
{
	static const double part[] = { 0, 0.1, 0.95, 1.05, 10 };
	struct trainer_options o = options();
	double norm = 0;

	(void)state;
	o.pack.length = 1000;
	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		struct fit f = { .data = data() };
		double want;
		float *was;

		o.max_grad_norm = part[i] * norm;
		assert_int_equal(begin(&f, &o), 0);
		was = malloc(f.m.adapters.params.size);
		memcpy(was, f.m.adapters.params.base,
		       f.m.adapters.params.size);
		assert_int_equal(trainer_start(f.t), 0);
		assert_int_equal(trainer_run(f.t), 0);
		norm = f.t->last.grad_norm;
		want = part[i] > 0 && part[i] < 1 ? part[i] * norm : norm;
		assert_true(fabs(moved(&f, was) / want - 1) < 1e-5);
		free(was);
		finish(&f);
	}
}

static void refuse(int want, const char *words, struct samples *s,
		   const struct trainer_options *o)
{
	struct fit f = { .data = *s };
	int err = begin(&f, o);

	if (err != want || !strstr(err_text(), words))
		fail_msg("%d: %s; want %d: %s", err, err_text(), want, words);
	finish(&f);
}

static void what_cannot_be_trained_on_is_refused(void **state)
{
	struct trainer_options o = options();
	struct samples s = data();

	(void)state;
	s.id[s.start[3] + 2] = 256;
	refuse(E_DATA, "sample 4 has token 256", &s, &o);
	s = data();
	s.label[s.start[1] + 4] = -7;
	refuse(E_DATA, "sample 2 has label -7", &s, &o);
	s = data();
	for (size_t i = 0; i < s.start[SAMPLES]; i++)
		s.label[i] = LABEL_NONE;
	refuse(E_DATA, "no labelled token", &s, &o);
	s = data();
	o.budget = 1000;
	refuse(E_NOMEM, "the least plan", &s, &o);
}

static int take(void *to, const struct tensor *t)
{
	struct tensor copy;

	assert_int_equal(tensor_init(&copy, t->name, t->role, t->dtype,
				     t->rank, t->shape), 0);
	assert_int_equal(tensor_alloc(&copy), 0);
	memcpy(copy.part[0].data, t->part[0].data, t->part[0].bytes);
	return tensor_set_take(to, &copy);
}

static void a_state_that_does_not_fit_is_refused(void **state)
{
	static const char *const key[] = { "step", "steps", "at_epoch",
					   "at_sample",
					   "num_input_tokens_seen" };
	struct trainer_options o = options();
	struct tensor_set saved = { 0 }, none = { 0 };
	struct fit f = { .data = data() };
	json_t *was, *is;

	(void)state;
	o.steps = 5;
	assert_int_equal(begin(&f, &o), 0);
	assert_int_equal(trainer_start(f.t), 0);
	was = trainer_state(f.t);
	assert_int_equal(trainer_tensors(f.t, take, &saved), 0);
	assert_int_equal(trainer_restore(f.t, was, &saved), 0);
	assert_int_equal(trainer_restore(f.t, was, &none), E_DATA);
	for (size_t i = 0; i < sizeof(key) / sizeof(key[0]); i++) {
		is = json_deep_copy(was);
		json_object_set_new(is, key[i], json_integer(-1));
		assert_int_equal(trainer_restore(f.t, is, &saved), E_DATA);
		json_object_set_new(is, key[i], json_string("5"));
		assert_int_equal(trainer_restore(f.t, is, &saved), E_DATA);
		json_object_del(is, key[i]);
		assert_int_equal(trainer_restore(f.t, is, &saved), E_DATA);
		json_decref(is);
	}
	json_object_set_new(was, "at_sample", json_integer(SAMPLES + 1));
	assert_int_equal(trainer_restore(f.t, was, &saved), E_DATA);
	json_object_set_new(was, "at_sample", json_integer(0));
	json_object_set_new(was, "step", json_integer(5));
	assert_int_equal(trainer_restore(f.t, was, &saved), E_DATA);
	json_decref(was);
	tensor_set_release(&saved);
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_batches_and_steps_are_the_same_sum),
		cmocka_unit_test(the_gradient_is_clipped_to_its_norm),
		cmocka_unit_test(what_cannot_be_trained_on_is_refused),
		cmocka_unit_test(a_state_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
