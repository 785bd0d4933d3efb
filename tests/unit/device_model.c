/*
 * The emulated device against a model of it: whatever is asked, in whatever
 * order copies end, answers and bytes are the model's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/size.h"
#include "device/device_emu.h"
#include "tests/unit/devices.h"

enum { REGIONS = 4, BYTES = 600, COPIES = 8, MODEL_BUDGET = 2500 };

/* What a region should be. Bytes are known when nothing writes them. */
struct shadow {
	struct device_region *r;
	char at[BYTES];
	size_t n;
	int readers, writers, up, down;
	void *pin;
};

struct flight {
	struct device_copy copy;
	struct model *m;
	struct shadow *s;
	int busy, up;
	char host[BYTES], want[BYTES];
	size_t at, n;
};

struct model {
	struct device *d;
	struct shadow s[REGIONS];
	struct flight f[COPIES];
	struct rng rng;
	uint64_t drawn;
	size_t used, ended;
};

static size_t draw(struct model *m, size_t n)
{
	return (size_t)rng_below(m->rng, m->drawn++, n);
}

static void flight_ends(void *ctx, int err)
{
	struct flight *f = ctx;

	f->busy = 0;
	f->m->ended += !err;
	if (f->up)
		f->s->up--;
	else
		f->s->down--;
}

static void check_down(struct flight *f)
{
	if (!f->busy && f->n && !f->up) {
		assert_memory_equal(f->host, f->want, f->n);
		f->n = 0;
	}
}

static void try_copy(struct model *m, struct shadow *s, int up)
{
	struct flight *f = &m->f[draw(m, COPIES)];
	int want, got;

	check_down(f);
	if (f->busy || !s->r)
		return;
	f->m = m;
	f->s = s;
	f->up = up;
	f->at = draw(m, s->n);
	f->n = 1 + draw(m, s->n - f->at);
	fill(f->host, f->n, m->drawn);
	want = up ? s->down || s->readers || s->writers : s->up || s->writers;
	memcpy(f->want, s->at + f->at, f->n);
	got = up ? device_h2d(&f->copy, s->r, f->at, f->host, f->n,
			      flight_ends, f) :
		   device_d2h(&f->copy, s->r, f->at, f->host, f->n,
			      flight_ends, f);
	assert_int_equal(got, want ? E_BUG : 0);
	f->busy = !got;
	if (got) {
		f->n = 0;
		return;
	}
	if (up)
		memcpy(s->at + f->at, f->host, f->n);
	*(up ? &s->up : &s->down) += 1;
}

static void try_pin(struct model *m, struct shadow *s)
{
	int write = (int)draw(m, 2);
	int want = s->up || s->writers || (write && (s->down || s->readers));
	void *at;

	if (!s->r)
		return;
	assert_int_equal(device_pin(s->r, write ? DEVICE_WRITE : DEVICE_READ,
				    &at), want ? E_BUG : 0);
	if (want)
		return;
	s->pin = at;
	assert_memory_equal(at, s->at, s->n);
	if (write) {
		s->writers++;
		fill(s->at, s->n, m->drawn);
		memcpy(at, s->at, s->n);
	} else {
		s->readers++;
	}
}

static void try_unpin(struct shadow *s)
{
	if (!s->r)
		return;
	assert_int_equal(device_unpin(s->r), s->readers || s->writers ? 0 :
			 E_BUG);
	if (s->writers)
		s->writers--;
	else if (s->readers)
		s->readers--;
}

static void try_alloc(struct model *m, struct shadow *s)
{
	size_t n = 1 + draw(m, BYTES), rounded = size_align(n, DEVICE_ALIGN);
	int fits = m->used + rounded <= MODEL_BUDGET;

	if (s->r)
		return;
	assert_int_equal(device_alloc(m->d, &s->r, n), fits ? 0 : E_NOMEM);
	s->n = n;
	memset(s->at, 0xa5, sizeof(s->at));
	m->used += fits ? rounded : 0;
}

static void try_free(struct model *m, struct shadow *s)
{
	int busy = s->readers || s->writers || s->up || s->down;

	if (!s->r)
		return;
	assert_int_equal(device_free(s->r), busy ? E_BUG : 0);
	if (busy)
		return;
	s->r = NULL;
	m->used -= size_align(s->n, DEVICE_ALIGN);
}

static void play(uint64_t seed)
{
	struct device_emu_options o = { .seed = seed, .stepped = 1 };
	struct device_options all = { .budget = MODEL_BUDGET, .emu = &o };
	static struct model m;

	memset(&m, 0, sizeof(m));
	m.rng = rng_of(seed, "model");
	assert_int_equal(device_open(&m.d, device_find("emu"), &all), 0);
	for (int i = 0; i < 200; i++) {
		struct shadow *s = &m.s[draw(&m, REGIONS)];

		switch (draw(&m, 8)) {
		case 0: try_alloc(&m, s); break;
		case 1: try_copy(&m, s, 1); break;
		case 2: try_copy(&m, s, 0); break;
		case 3: try_pin(&m, s); break;
		case 4: try_unpin(s); break;
		case 5: try_free(&m, s); break;
		default: device_emu_turn(m.d);
		}
		assert_int_equal(device_stat(m.d).used, m.used);
	}
	while (device_emu_turn(m.d))
		;
	for (size_t i = 0; i < COPIES; i++)
		check_down(&m.f[i]);
	assert_int_equal(device_stat(m.d).copying, 0);
	device_close(m.d);
}

static void at_random_it_is_the_model(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 500; seed++)
		play(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_random_it_is_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
