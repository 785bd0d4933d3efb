/* How a GGUF's metadata and tensors scale rotary positions, as config.json has
 * it, and back. */
#include "formats/gguf_rope.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/half.h"
#include "base/math.h"
#include "base/size.h"
#include "formats/gguf_files.h"

static const char freqs[] = "rope_freqs.weight";
static const char shorts[] = "rope_factors_short.weight";
static const char longs[] = "rope_factors_long.weight";

int gguf_is_rope(const char *name)
{
	return !strcmp(name, freqs) || !strcmp(name, shorts) ||
	       !strcmp(name, longs);
}

struct llama3 {
	double theta, factor, original, low, high;
};

/* The divisor of frequency i of n that Llama 3's rule gives. */
static double llama3_divisor(const struct llama3 *l, size_t i, size_t n)
{
	const double turn = 6.283185307179586;
	double wave = turn * math_pow64(l->theta, (double)i / (double)n);
	double smooth;

	if (wave < l->original / l->high)
		return 1;
	if (wave > l->original / l->low)
		return l->factor;
	smooth = (l->original / wave - l->low) / (l->high - l->low);
	return 1 / ((1 - smooth) / l->factor + smooth);
}

/* ---- in ---- */

static int read_values(float *x, size_t *n, const struct gguf_tensor *t,
		       const struct file *file, const char *name)
{
	unsigned char raw[GGUF_ROPE * 4];

	if (!t || t->block->dtype != DTYPE_F32 || t->count > GGUF_ROPE)
		return err_set(E_DATA, "%s: want at most %d f32 values", name,
			       GGUF_ROPE);
	*n = t->count;
	TRY(file_read(file, raw, *n * 4, t->at));
	for (size_t i = 0; i < *n; i++)
		x[i] = f32_from_bits(le32_get(raw + i * 4));
	return 0;
}

/* Llama 3's scaling comes as a tensor of divisors, from which the rule's
 * numbers are found again; other divisors belong to a rule not known here. */
static int put_llama3(json_t *c, const struct gguf *g, const struct family *f,
		      const struct gguf_tensor *t, const struct file *file)
{
	struct llama3 l = { .low = 1, .high = 4 };
	float x[GGUF_ROPE];
	size_t n;

	TRY(read_values(x, &n, t, file, freqs));
	TRY(gguf_number_of(g, f, "rope.freq_base", 10000, &l.theta));
	TRY(gguf_number_of(g, f, "rope.scaling.original_context_length", 8192,
			   &l.original));
	if (!(l.theta > 1 && l.original >= 1 && l.original <= 0x1p53))
		return err_set(E_DATA, "%s.rope: numbers that make no sense",
			       family_gguf(f));
	l.factor = (double)x[n - 1];
	for (size_t i = 0; i < n; i++) {
		double want = llama3_divisor(&l, i, n);

		if (!(fabs((double)x[i] - want) <= 1e-3 * want))
			return err_set(E_DATA, "%s: divisors that are not "
				       "Llama 3's", freqs);
	}
	return gguf_put(c, "rope_scaling", json_pack(
		"{ss sf sf sf sI}", "rope_type", "llama3", "factor",
		l.factor, "low_freq_factor", 1.0, "high_freq_factor", 4.0,
		"original_max_position_embeddings", (json_int_t)l.original));
}

static int put_list(json_t *rope, const char *key, const struct gguf *g,
		    const char *name, const struct file *file)
{
	json_t *list = json_array();
	float x[GGUF_ROPE];
	size_t n = 0;
	int err = read_values(x, &n, gguf_find_tensor(g, name), file, name);

	for (size_t i = 0; i < n && !err; i++)
		err = !isfinite(x[i]) ?
		      err_set(E_DATA, "%s: not finite", name) :
		      json_array_append_new(list, gguf_real(x[i])) ?
		      err_set(E_NOMEM, "out of memory") : 0;
	if (!err)
		return gguf_put(rope, key, list);
	json_decref(list);
	return err;
}

/* rope.scaling.factor, or under the name that it had; 0: there is none. */
static int scaling_factor(const struct gguf *g, const struct family *f,
			  double *x)
{
	TRY(gguf_number_of(g, f, "rope.scale_linear", 0, x));
	return gguf_number_of(g, f, "rope.scaling.factor", *x, x);
}

/* Numbers of YaRN that llama.cpp's converters leave at its defaults. */
static int put_yarn(json_t *rope, const struct gguf *g, const struct family *f)
{
	static const struct {
		const char *gguf, *hf;
		double usual;
	} row[] = {
		{ "rope.scaling.yarn_beta_fast", "beta_fast", 32 },
		{ "rope.scaling.yarn_beta_slow", "beta_slow", 1 },
	};
	double x;

	for (size_t i = 0; i < NELEM(row); i++) {
		TRY(gguf_number_of(g, f, row[i].gguf, row[i].usual, &x));
		if (x < row[i].usual || x > row[i].usual)
			TRY(gguf_put(rope, row[i].hf, gguf_real(x)));
	}
	return 0;
}

/* Above the original length, positions of longrope look nearer than they are,
 * which the scores make up for. */
static double long_scale(double longest, double original)
{
	if (!(longest > original) || !(original > 1))
		return 1;
	return sqrt(1 + math_log64(longest / original) /
			math_log64(original));
}

/* What the scores are scaled by: longrope's own is not written, others have
 * none in config.json that means the same. */
static int put_attention(json_t *rope, const struct gguf *g,
			 const struct family *f, const char *type,
			 double original)
{
	double x, longest, usual = 1;

	TRY(gguf_number_of(g, f, "context_length", 0, &longest));
	if (!strcmp(type, "longrope"))
		usual = long_scale(longest, original);
	TRY(gguf_number_of(g, f, "rope.scaling.attn_factor", usual, &x));
	if (fabs(x - usual) <= 1e-5 * usual)
		return 0;
	if (!strcmp(type, "longrope"))
		return gguf_put(rope, "attention_factor", gguf_real(x));
	return err_set(E_DATA, "%s.rope.scaling.attn_factor: is %g, and %s "
		       "has none here", family_gguf(f), x, type);
}

static int put_scaling(json_t *rope, const struct gguf *g,
		       const struct family *f, const char *type,
		       const struct file *file)
{
	double factor, original;

	TRY(scaling_factor(g, f, &factor));
	TRY(gguf_number_of(g, f, "rope.scaling.original_context_length", 0,
			   &original));
	TRY(gguf_put(rope, "rope_type", json_string(type)));
	if (original >= 1 && original <= 0x1p53)
		TRY(gguf_put(rope, "original_max_position_embeddings",
			     json_integer((json_int_t)original)));
	if (!strcmp(type, "yarn"))
		TRY(put_yarn(rope, g, f));
	TRY(put_attention(rope, g, f, type, original));
	if (strcmp(type, "longrope"))
		return gguf_put(rope, "factor",
				json_real(factor > 0 ? factor : 1));
	TRY(put_list(rope, "short_factor", g, shorts, file));
	return put_list(rope, "long_factor", g, longs, file);
}

int gguf_config_rope(json_t *c, const struct gguf *g, const struct family *f,
		     const struct file *file)
{
	static const char *const known[] = { "linear", "yarn", "longrope" };
	const struct gguf_tensor *t = gguf_find_tensor(g, freqs);
	json_t *name, *rope = NULL;
	const char *type = "none";
	char key[2 * FAMILY_PATH];
	double factor;
	int err = 0;

	if (t)
		return put_llama3(c, g, f, t, file);
	TRY(scaling_factor(g, f, &factor));
	snprintf(key, sizeof(key), "%s.rope.scaling.type", family_gguf(f));
	name = gguf_json_text(g, key);
	if (name)
		type = json_string_value(name);
	else if (gguf_find_tensor(g, longs))
		type = "longrope";
	else if (factor > 0 && (factor < 1 || factor > 1))
		type = "linear"; /* as llama.cpp takes it */
	for (size_t i = 0; i < NELEM(known) && !rope && !err; i++)
		if (!strcmp(type, known[i])) {
			rope = json_object();
			err = put_scaling(rope, g, f, type, file);
		}
	if (!err && !rope && strcmp(type, "none"))
		err = err_set(E_DATA, "%s: is of a kind that is not known",
			      key);
	json_decref(name);
	if (!err)
		return gguf_put(c, "rope_scaling", rope ? rope : json_null());
	json_decref(rope);
	return err;
}

/* ---- out ---- */

static const char *group_of(const struct family *f)
{
	return family_is_group(f, "rope") ? "rope" : "global";
}

static const char *type_of(const struct family *f,
			   const struct family_config *c)
{
	char name[FAMILY_NAME];
	const char *type = NULL;

	snprintf(name, sizeof(name), "%s.type", group_of(f));
	if (family_has(c, name))
		type = family_text(c, name);
	return type ? type : "default";
}

/* How much of a head turns. */
static size_t turning(const struct family_config *c)
{
	double dim = family_member(c, "rope", "dim", 0);

	if (!(dim > 0) && (!family_has(c, "head_dim") ||
			   family_real(&dim, c, "head_dim")))
		dim = 0;
	return dim > 0 && dim < 0x1p31 ? (size_t)dim : 0;
}

static int add_vector(struct gguf_out *o, const char *name, const float *x,
		      size_t n)
{
	TRY(gguf_out_tensor(o, name, gguf_block_find(0), 1, &n));
	return gguf_out_data(o, x, n * sizeof(*x));
}

static int add_list(struct gguf_out *o, const struct family_config *c,
		    const char *member, const char *name)
{
	size_t n = 0;
	const double *list = family_list(c, "rope", member, &n);
	float x[GGUF_ROPE];

	if (!list || n > GGUF_ROPE)
		return err_set(E_DATA, "config.json: rope_scaling has no "
			       "list %s", member);
	for (size_t i = 0; i < n; i++)
		x[i] = (float)list[i];
	return add_vector(o, name, x, n);
}

int gguf_rope_tensors(struct gguf_out *o, const struct family *f,
		      const struct family_config *c)
{
	const char *type = type_of(f, c);
	struct llama3 l = {
		.theta = family_member(c, "rope", "theta", 10000),
		.factor = family_member(c, "rope", "factor", 0),
		.original = family_member(c, "rope", "original", 0),
		.low = family_member(c, "rope", "low", 0),
		.high = family_member(c, "rope", "high", 0),
	};
	size_t n = turning(c) / 2;
	float x[GGUF_ROPE];

	if (turning(c) % 2 && family_is_group(f, group_of(f)))
		return err_set(E_DATA, "config.json: %zu numbers of a head "
			       "turn, and llama.cpp turns pairs",
			       turning(c));
	if (!strcmp(type, "longrope")) {
		TRY(add_list(o, c, "long_factor", longs));
		return add_list(o, c, "short_factor", shorts);
	}
	if (strcmp(type, "llama3"))
		return 0;
	if (!(l.factor > 0 && l.original > 0 && l.low > 0 &&
	      l.high > l.low && l.theta > 1) || n > GGUF_ROPE)
		return err_set(E_DATA, "config.json: rope_scaling lacks "
			       "numbers of llama3");
	for (size_t i = 0; i < n; i++)
		x[i] = (float)llama3_divisor(&l, i, n);
	return add_vector(o, freqs, x, n);
}

static double long_attention(const struct family_config *c, double original)
{
	double longest = family_member(c, "rope", "longest", original);
	double own = family_member(c, "rope", "attention", 0);

	return own > 0 ? own : long_scale(longest, original);
}

int gguf_rope_keys(struct gguf_out *o, const struct family *f,
		   const struct family_config *c)
{
	const char *type = type_of(f, c), *group = group_of(f);
	double factor = family_member(c, group, "factor", 0);
	double original = family_member(c, group, "original", 0);

	if (!strcmp(type, "default"))
		return 0;
	if (original >= 1 && original < 0x1p32)
		TRY(gguf_out_u32(o, ".rope.scaling.original_context_length",
				 (uint32_t)original));
	if (!strcmp(type, "llama3"))
		return 0;
	TRY(gguf_out_text(o, ".rope.scaling.type", type));
	if (!strcmp(type, "longrope"))
		return gguf_out_f32(o, ".rope.scaling.attn_factor",
				    (float)long_attention(c, original));
	return gguf_out_f32(o, ".rope.scaling.factor", (float)factor);
}
