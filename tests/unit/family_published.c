/* The configs of models that people have, key by key as they were published:
 * the families know them, whatever else is said there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/family.h"
#include "golden.h"

static json_t *published(void)
{
	size_t n = 0;
	unsigned char *text = golden_read("tests/golden/published.json", &n);
	json_t *j;

	if (json_parse(&j, (char *)text, n))
		fail_msg("%s", err_text());
	free(text);
	return j;
}

static int configure(json_t *config)
{
	const struct family *f;
	struct family_config *c = NULL;
	int err = family_find(&f, config);

	if (!err)
		err = family_configure(&c, f, config);
	if (!err)
		family_config_free(c);
	return err;
}

static void published_configs_are_known(void **state)
{
	json_t *all = published(), *config;
	const char *name;

	(void)state;
	assert_true(json_object_size(all) >= 30);
	json_object_foreach(all, name, config)
		if (configure(config))
			fail_msg("%s: %s", name, err_text());
	json_decref(all);
}

/* Every family that is built in has one there. */
static void every_family_has_one(void **state)
{
	json_t *all = published(), *config;
	const char *name;

	(void)state;
	for (size_t i = 0; i < family_nbuiltin; i++) {
		const struct family *f;
		size_t n = 0;

		json_object_foreach(all, name, config) {
			assert_int_equal(family_find(&f, config), 0);
			n += f == family_at(i);
		}
		if (!n)
			fail_msg("%s", family_name(family_at(i)));
	}
	json_decref(all);
}

/* What they have in common is not all that counts: with another key that
 * changes the mathematics each is refused. */
static void with_a_strange_key_none_is(void **state)
{
	json_t *all = published(), *config;
	const char *name;

	(void)state;
	json_object_foreach(all, name, config) {
		assert_int_equal(json_object_set_new(config, "attn_twist",
						     json_real(0.5)), 0);
		if (configure(config) != E_DATA ||
		    !strstr(err_text(), "attn_twist"))
			fail_msg("%s", name);
	}
	json_decref(all);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_configs_are_known),
		cmocka_unit_test(every_family_has_one),
		cmocka_unit_test(with_a_strange_key_none_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
