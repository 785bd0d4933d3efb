#include "kernel/adamw.h"

#include "kernel/lanes_avx2.h"

struct registers {
	__m256 scale, decay, rate1, beta2, rate2, root2, eps, step;
};

struct state {
	__m256 p, m, v;
};

static inline struct state next(const struct registers *a, struct state s,
				__m256 g)
{
	__m256 d;

	g = _mm256_mul_ps(g, a->scale);
	s.m = _mm256_fmadd_ps(a->rate1, _mm256_sub_ps(g, s.m), s.m);
	s.v = _mm256_fmadd_ps(_mm256_mul_ps(a->rate2, g), g,
			      _mm256_mul_ps(s.v, a->beta2));
	d = _mm256_div_ps(_mm256_sqrt_ps(s.v), a->root2);
	d = _mm256_add_ps(d, a->eps);
	d = _mm256_div_ps(_mm256_mul_ps(a->step, s.m), d);
	s.p = _mm256_add_ps(_mm256_mul_ps(s.p, a->decay), d);
	return s;
}

static inline void step_full(const struct registers *r, float *p, float *m,
			     float *v, const float *g)
{
	struct state s = { _mm256_loadu_ps(p), _mm256_loadu_ps(m),
			   _mm256_loadu_ps(v) };

	s = next(r, s, _mm256_loadu_ps(g));
	_mm256_storeu_ps(p, s.p);
	_mm256_storeu_ps(m, s.m);
	_mm256_storeu_ps(v, s.v);
}

static inline void step_last(const struct registers *r, float *p, float *m,
			     float *v, const float *g, __m256i k)
{
	struct state s = { _mm256_maskload_ps(p, k), _mm256_maskload_ps(m, k),
			   _mm256_maskload_ps(v, k) };

	s = next(r, s, _mm256_maskload_ps(g, k));
	_mm256_maskstore_ps(p, k, s.p);
	_mm256_maskstore_ps(m, k, s.m);
	_mm256_maskstore_ps(v, k, s.v);
}

void adamw_avx2(const struct adamw *a, float *p, float *m, float *v,
		const float *g, size_t n)
{
	const struct registers r = {
		_mm256_set1_ps(a->scale), _mm256_set1_ps(a->decay),
		_mm256_set1_ps(a->rate1), _mm256_set1_ps(a->beta2),
		_mm256_set1_ps(a->rate2), _mm256_set1_ps(a->root2),
		_mm256_set1_ps(a->eps),   _mm256_set1_ps(a->step),
	};
	size_t i = 0;

	for (; i + 8 <= n; i += 8)
		step_full(&r, p + i, m + i, v + i, g + i);
	step_last(&r, p + i, m + i, v + i, g + i, mask8(n - i));
}
