/*
 * slope - is a program's gradient the slope of its loss?
 *
 * Include it after "golden.h", "model.h" and "trace.h".
 */
#ifndef UNIT_SLOPE_H
#define UNIT_SLOPE_H

static inline double loss_at(struct model *m, const struct model_batch *b)
{
	struct trace t;
	double loss;

	trace(m, b, 0, &t);
	loss = t.loss;
	trace_release(&t);
	return loss;
}

/* Moves every trained number by step times a fixed direction; returns the
 * gradient along it. */
static inline double move(struct model *m, const float *grad, float step)
{
	double slope = 0;
	size_t n = 0;

	for (size_t i = 0; i < m->adapters.n; i++)
		for (size_t k = 0; k < m->adapters.at[i].nparam; k++) {
			struct adapter_param *a = &m->adapters.at[i].param[k];

			for (size_t e = 0; e < a->rows * a->cols; e++, n++) {
				float d = grad[n] > 0 ? 1.0f : -1.0f;

				d *= (float)(n % 7 + 1) / 7;
				a->at[e] += step * d;
				slope += (double)grad[n] * d;
			}
		}
	return slope;
}

static inline void check_slope(struct model *m, const struct model_batch *b,
			const char *what, float step)
{
	struct trace t;
	double up, down, slope;

	plan(m, b->batch.n, 1, 0);
	trace(m, b, 1, &t);
	slope = move(m, t.grad, step);
	up = loss_at(m, b);
	move(m, t.grad, -2 * step);
	down = loss_at(m, b);
	up = (up - down) / (2 * (double)step);
	print_message("%s: slope %.6g, differences %.6g\n", what, slope, up);
	if (!(fabs(up - slope) <= 5e-3 * fabs(slope)))
		fail_msg("%s: slope %g, differences %g", what, slope, up);
	trace_release(&t);
}

#endif
