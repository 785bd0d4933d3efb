#include "train/progress.h"

#include <stdio.h>

#include "base/os.h"
#include "base/size.h"
#include "kernel/kernels.h"

static void nothing(void *ctx, size_t task, size_t lane)
{
	(void)ctx;
	(void)task;
	(void)lane;
}

int progress_pool(struct progress *p, struct pool **pool, size_t threads)
{
	p->libraries = os_memory_used();
	TRY(pool_new(pool, threads ? threads : os_cpus()));
	pool_run(*pool, pool_lanes(*pool), nothing, NULL);
	p->stacks = os_memory_used();
	p->stacks -= p->libraries < p->stacks ? p->libraries : p->stacks;
	return 0;
}

void progress_start(struct progress *p, const struct trainer *t)
{
	p->start = os_seconds();
	p->cpu = os_cpu_seconds();
	p->step = t->state.step;
	p->tokens = t->state.tokens;
}

double progress_tokens_per_second(const struct progress *p,
				  const struct trainer *t)
{
	double seconds = os_seconds() - p->start;

	return seconds > 0 ?
		       (double)(t->state.tokens - p->tokens) / seconds : 0;
}

static int log_pages(const struct trainer *t, json_t *line)
{
	struct pager_stats s;

	paging_statistics(t->paging, &s);
	if (json_object_set_new(line, "page_loads", json_integer(
			(json_int_t)s.loads)) ||
	    json_object_set_new(line, "page_read_bytes", json_integer(
			(json_int_t)s.read)) ||
	    json_object_set_new(line, "page_written_bytes", json_integer(
			(json_int_t)s.written)) ||
	    json_object_set_new(line, "page_stall_seconds", json_real(
			s.stalled)))
		return err_set(E_NOMEM, "out of memory");
	return 0;
}

int progress_log(const struct progress *p, const struct trainer *t,
		 json_t *line)
{
	if (json_object_set_new(line, "tokens_per_second", json_real(
			progress_tokens_per_second(p, t))) ||
	    json_object_set_new(line, "elapsed", json_real(
			os_seconds() - p->start)) ||
	    json_object_set_new(line, "cpu_seconds", json_real(
			os_cpu_seconds() - p->cpu)) ||
	    json_object_set_new(line, "memory_bytes", json_integer(
			(json_int_t)os_memory_used())) ||
	    json_object_set_new(line, "threads", json_integer(
			(json_int_t)pool_lanes(t->pool))) ||
	    json_object_set_new(line, "kernels",
				json_string(kernels_name())))
		return err_set(E_NOMEM, "out of memory");
	return t->paging ? log_pages(t, line) : 0;
}

const char *progress_text(char *buf, size_t size, const struct progress *p,
			  const struct trainer *t)
{
	const struct train_state *s = &t->state;
	uint64_t done = s->step - p->step;
	double per_step = done ? (os_seconds() - p->start) / (double)done : 0;
	unsigned long left = (unsigned long)(per_step *
					     (double)(s->steps - s->step));

	snprintf(buf, size, "step %llu/%llu  loss %.4f  %.0f tokens/s  "
		 "%lu:%02lu:%02lu left  %.1f GB",
		 (unsigned long long)s->step, (unsigned long long)s->steps,
		 t->last.loss, progress_tokens_per_second(p, t), left / 3600,
		 left / 60 % 60, left % 60, (double)os_memory_used() * 1e-9);
	return buf;
}

/* What is there when all is read and planned. */
static void measure(struct progress *p, const struct trainer *t)
{
	uint64_t beside = trainer_beside(t);

	if (beside > p->stacks + p->libraries)
		p->libraries = beside - p->stacks;
}

const char *progress_plan(char *buf, size_t size, struct progress *p,
			  const struct trainer *t, double seconds)
{
	static const char *const name[BYTES_CLASSES] = {
		[BYTES_WEIGHTS] = "weights", [BYTES_ADAPTER] = "adapter",
		[BYTES_OPTIMIZER] = "optimizer",
		[BYTES_ACTIVATIONS] = "activations",
		[BYTES_WORKSPACE] = "workspace", [BYTES_DATA] = "data",
	};
	const struct train_plan *plan = &t->plan;
	uint64_t total = 0;
	size_t n = 0;

	measure(p, t);
	for (size_t i = 0; i < BYTES_CLASSES; i++) {
		total += plan->bytes.by[i];
		n += (size_t)snprintf(buf + size_min(n, size),
				      size - size_min(n, size),
				      "%-18s %12llu bytes\n", name[i],
				      (unsigned long long)plan->bytes.by[i]);
	}
	if (plan->capacity)
		n += (size_t)snprintf(buf + size_min(n, size),
				      size - size_min(n, size),
				      "%-18s %12llu bytes\n%-18s %12llu bytes\n"
				      "%-18s %12zu bytes\n",
				      "paged", (unsigned long long)plan->paged,
				      "carried",
				      (unsigned long long)plan->carried,
				      "page_capacity", plan->capacity);
	snprintf(buf + size_min(n, size), size - size_min(n, size),
		 "%-18s %12llu bytes\n%-18s %12llu bytes\n"
		 "%-18s %12llu bytes\n%-18s %12llu bytes\n"
		 "%-18s %12zu of %zu layers\n"
		 "%-18s %12zu of %zu\n"
		 "%-18s %12llu\n%-18s %12.1f\n%-18s %12.0f\n%-18s %12.3g\n",
		 "total", (unsigned long long)total,
		 "libraries", (unsigned long long)p->libraries,
		 "stacks", (unsigned long long)p->stacks,
		 "mapped", (unsigned long long)os_memory_mapped(), "recomputed",
		 plan->need.recompute, program_layers(t->program),
		 "tokens_at_once", plan->need.tokens, plan->most.tokens,
		 "steps",
		 (unsigned long long)plan->steps, "tokens_per_step",
		 plan->tokens_per_step, "tokens",
		 plan->tokens_per_step * (double)plan->steps,
		 "seconds_per_step", seconds);
	return buf;
}
