/*
 * paged_update - a step in pages without clipping: each segment's parameters
 * are moved as soon as their gradients are complete, and no sooner
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "paged_step.h"

/* What was moved by is what all micro-batches have given. */
static void check_gradients(struct run *r)
{
	int any = 0;

	for (size_t i = 0, at = 0; i < r->m.adapters.n; i++)
		for (size_t k = 0; k < r->m.adapters.at[i].nparam; k++, at++) {
			const struct adapter *a = &r->m.adapters.at[i];
			const struct adapter_param *p = &a->param[k];

			assert_non_null(r->then[at]);
			if (memcmp(r->then[at], p->grad,
				   count_of(p) * sizeof(float)))
				fail_msg("%s.%s was moved too soon", a->module,
					 p->name);
			any |= !is_zero(p->grad, count_of(p));
		}
	assert_true(any);
}

static void one_step(const char *dir, const char *config, int together)
{
	struct run r;

	open_run(&r, dir, config);
	if (step(&r, together))
		fail_msg("%s", err_text());
	if (together) {
		assert_int_equal(r.left, 0);
		check_gradients(&r);
	} else { /* nothing is moved before the whole is known */
		assert_int_equal(r.left, program_segments(r.m.p));
	}
	close_run(&r);
}

/* Modules of layers, and what several segments use: a tied embedding is trained
 * at both ends, soft prompts stand before the text or in every layer. */
static const char *const configs[] = {
	"{\"kind\":\"lora\",\"r\":4,\"target_modules\":\"all-linear\"}",
	"{\"kind\":\"lora\",\"r\":4,\"bias\":\"all\","
		"\"target_modules\":\"all-linear\"}",
	"{\"kind\":\"dora\",\"r\":4,\"target_modules\":\"all-linear\"}",
	"{\"kind\":\"lora\",\"r\":4,\"target_modules\":[\"q_proj\"],"
		"\"modules_to_save\":[\"embed_tokens\"]}",
	"{\"kind\":\"lora\",\"r\":4,\"target_modules\":[\"q_proj\","
		"\"embed_tokens\"]}",
	"{\"kind\":\"prompt\",\"num_virtual_tokens\":3,"
		"\"token_dim\":64}",
};

static const char prefix[] =
	"{\"kind\":\"prefix\",\"num_virtual_tokens\":3,"
		"\"num_layers\":2,\"token_dim\":32}";

static void parameters_move_when_gradients_are_complete(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
		one_step("A/llama3_tied", configs[i], 1);
		one_step("A/llama", configs[i], 1);
	}
	one_step("A/llama", "{\"kind\":\"lora\",\"r\":4,"
		 "\"target_modules\":[\"q_proj\"],"
		 "\"modules_to_save\":[\"lm_head\"]}", 1);
	one_step("A/gpt2", configs[1], 1);
	one_step("A/llama", prefix, 1);
}

static void with_clipping_they_wait_for_all(void **state)
{
	(void)state;
	one_step("A/llama", configs[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_move_when_gradients_are_complete),
		cmocka_unit_test(with_clipping_they_wait_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
