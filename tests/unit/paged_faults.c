/* paged_faults - steps in pages that are spilled and cannot be written or read:
 * an error, or the same gradients and states; never others */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/digest.h"
#include "io_faults.h"
#include "paged_step.h"

/* What the parameters of a step were moved by; the last, if it came to it. */
static uint64_t gradients(const struct run *r)
{
	uint64_t sum = 1;

	for (size_t i = 0; i < r->m.adapters.n; i++)
		for (size_t k = 0; k < r->m.adapters.at[i].nparam; k++) {
			const struct adapter_param *p =
				&r->m.adapters.at[i].param[k];

			sum = sum * 31 + digest_64(p->grad, count_of(p) *
							    sizeof(float));
		}
	return sum;
}

static const char config[] =
	"{\"kind\":\"lora\",\"r\":4,\"target_modules\":\"all-linear\"}";

static void check_message(void)
{
	if (!strstr(err_text(), "pages cannot be ") &&
	    !strstr(err_text(), "the spill file: other bytes"))
		fail_msg("%s", err_text());
}

/* The states say how many times they were moved, if they can be had. */
static int check_states(struct run *r, float times)
{
	for (size_t i = 0; i < program_segments(r->m.p); i++) {
		const float *states = paging_state(r->g, i);

		TRY(paging_use_state(r->g, i));
		assert_true(states[STATE_BYTES / sizeof(float) - 1] == times);
	}
	return 0;
}

/* Steps whose n'th call fails, -1: none; *sum: what came of the last. */
static int faulty_steps(long n, uint64_t *sum)
{
	struct run r;
	int err = 0;

	open_run(&r, "A/llama", config);
	asked = hits = 0;
	nth = n;
	for (int i = 0; !err && i < 3; i++)
		err = step(&r, 1);
	*sum = gradients(&r);
	if (!err)
		err = check_states(&r, 3);
	if (err)
		check_message();
	close_run(&r);
	nth = -1; /* nobody else looks at it any more */
	return err;
}

/* Every call of this kind fails in turn; how many runs ended with an error, of
 * how many calls. */
static long each(struct fault f, long *all)
{
	uint64_t want, sum;
	long errors = 0;

	fault = f;
	assert_int_equal(faulty_steps(-1, &want), 0);
	for (*all = 0;; ++*all) {
		int err = faulty_steps(*all, &sum);

		assert_true(!err || err == E_IO);
		assert_true(err || sum == want);
		errors += err != 0;
		if (!hits)
			return errors;
	}
}

static void spilled_pages_fail_at_every_call(void **state)
{
	static const struct fault once = { ERROR, EIO, 1, 0 },
		read = { ERROR, EIO, ALWAYS, 0 },
		damage = { DAMAGE, 0, 1, 0 }, part = { SHORT, 0, 1, 0 },
		write = { ERROR, EIO, 1, 1 }, full = { ERROR, ENOSPC, 1, 1 },
		less = { SHORT, 0, 1, 1 };
	long all;

	(void)state;
	assert_int_equal(each(once, &all), 0); /* it is tried again */
	assert_true(all > 5);
	assert_true(each(read, &all) > 5);
	assert_true(each(damage, &all) > 5);
	assert_int_equal(each(part, &all), 0);
	assert_true(all > 5);
	assert_true(each(write, &all) > 5);
	assert_true(each(full, &all) > 5);
	assert_int_equal(each(less, &all), 0);
	assert_true(all > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spilled_pages_fail_at_every_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
