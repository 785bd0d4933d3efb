/*
 * family - what a model is, read from a text file
 *
 * A family (formats/families/llama.arch) is a program of steps, the names of
 * its tensors in checkpoints, and the keys of config.json that it reads. This
 * module parses the text and resolves names and numbers; arch/program.c binds
 * the steps to ops. docs/families.md describes the language.
 */
#ifndef ARCH_FAMILY_H
#define ARCH_FAMILY_H

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>

enum { FAMILY_NAME = 32, FAMILY_PATH = 128, FAMILY_INPUTS = 4,
       FAMILY_OUTPUTS = 4, FAMILY_KEYS = 4, FAMILY_WHEN = 96 };

enum family_part { FAMILY_HEAD, FAMILY_BLOCK, FAMILY_TAIL, FAMILY_PARTS };

/* "rope q -> q theta if kind=full": op, inputs, outputs, what it names
 * besides, and where it is done. */
struct family_step {
	char op[FAMILY_NAME];
	char in[FAMILY_INPUTS][FAMILY_NAME];
	size_t nin;
	char out[FAMILY_OUTPUTS][FAMILY_NAME];
	size_t nout;
	char tensor[FAMILY_NAME];       /* of family_tensor; "" for none */
	char key[FAMILY_KEYS][FAMILY_NAME]; /* numbers that the op reads; a
					 * name of a group: "rope"; "0.5" */
	size_t nkey;
	char when[FAMILY_NAME];         /* done where this is set; "": always */
	char values[FAMILY_WHEN];       /* ... to one of these: "a|b"; "": to
					 * anything but 0 */
	int unless;                     /* done where that does not hold */
	int line;
};

/* One line of the name map. {i} in a name stands for the layer. */
struct family_tensor {
	char name[FAMILY_NAME];         /* ours: "q" */
	char hf[FAMILY_PATH];           /* "model.layers.{i}.self_attn.q" */
	char gguf[FAMILY_PATH];         /* "blk.{i}.attn_q" */
	char role[FAMILY_NAME];         /* linear head embed norm */
	char rows[2][FAMILY_NAME];      /* shape, as config names or products;
					 * a vector has "" for the second */
	int optional;                   /* may be absent: tied, or "optional" */
	char tied[FAMILY_NAME];         /* the tensor that stands in for it */
	int gguf_permuted;              /* rows permuted by llama.cpp ... */
	char permute_heads[FAMILY_NAME]; /* ... for that many heads (config) */
	char grouped[FAMILY_NAME];      /* GGUF has q, k, v apart; checkpoints
					 * in that many groups (config), heads
					 * of head_dim; "": it does not */
	int copied;                     /* GGUF has a copy of what is tied */
	int shared;                     /* GGUF has it tied only */
	int unbiased;                   /* GGUF has no bias there */
	int plus1;                      /* a gain of 1 + w; GGUF has the sum */
	int transposed;                 /* checkpoints have it (cols, rows) */
};

/* A key of GGUF's metadata, after the architecture's name and a dot. */
enum family_type { FAMILY_U32, FAMILY_F32, FAMILY_BOOL };

struct family_key {
	char key[FAMILY_PATH];          /* "attention.head_count" */
	enum family_type type;
	char name[FAMILY_NAME];         /* of a number; "": none */
	char config[FAMILY_PATH];       /* the key of config.json that says it;
					 * "": none does alone */
};

struct family;          /* opaque: steps, tensors, config rules */

/* E_DATA with origin and line. Free with family_free(). */
int family_parse(struct family **f, const char *text, size_t size,
		 const char *origin) MUST_CHECK;
void family_free(struct family *f);

/* From now on the process takes this file's family for every base, whatever
 * its config.json says: --arch FILE. NULL: nothing changes. E_NOINPUT, E_IO,
 * E_DATA. Call it before any thread is made. */
int family_bring(const char *path) MUST_CHECK;

/* The family for a config.json: the one that was brought, else a built-in one
 * by "architectures", else "model_type". E_DATA: unknown, or a kind that cannot
 * be expressed, by name. Borrowed from the process: never freed. */
int family_find(const struct family **f, json_t *config) MUST_CHECK;

/* The family for a GGUF's general.architecture; NULL: none, or not the one that
 * was brought. */
const struct family *family_find_gguf(const char *architecture);
/* Says of a kind of model under this key that no family is for it: E_DATA, with
 * what it is where its name shows that no family could be. */
int family_unknown(const char *key, const char *kind);
const struct family *family_at(size_t i);       /* NULL: past the last */

const char *family_name(const struct family *f);
const char *family_prefix(const struct family *f);      /* "model." */
const char *family_architecture(const struct family *f); /* the first; "" */
const char *family_model_type(const struct family *f);  /* the first; "" */
const char *family_gguf(const struct family *f);        /* the first; "" */

/* The keys of GGUF's metadata that this family's numbers are under: those that
 * all have, and its own. */
const struct family_key *family_metadata(const struct family *f, size_t *n);
/* Is there a word in a key's name, such as "scal" or "attn", by which one that
 * nobody knows may change the mathematics? */
int family_key_tells(const char *key);

/* Does the file say that this key of config.json changes nothing? */
int family_ignores(const struct family *f, const char *key);

/* The first value that a key of config.json must have; "": any. */
void family_required(const struct family *f, const char *key, char *value,
		     size_t size);

/* The key of config.json that says a number alone; "": there is none. */
void family_config_key(const struct family *f, const char *name, char *key,
		       size_t size);
const struct family_step *family_steps(const struct family *f,
				       enum family_part part, size_t *n);
const struct family_tensor *family_tensors(const struct family *f, size_t *n);

/* ---- numbers ---- */

/* config.json's numbers under the family's own names, with its fallbacks:
 * layers hidden heads kv_heads head_dim ffn vocab eps theta window ... */
struct family_config;

/* Layers that a model may have at most. */
enum { FAMILY_LAYERS = 4096 };

/* E_DATA: a key that is needed is missing, or one that changes the
 * mathematics is not named by the family. */
int family_configure(struct family_config **c, const struct family *f,
		     json_t *config) MUST_CHECK;
void family_config_free(struct family_config *c);

/* Is there a value? */
int family_has(const struct family_config *c, const char *name);
/* A value that is there, which it aborts by assert without; NULL: a number. */
const char *family_text(const struct family_config *c, const char *name);

/* The number. E_DATA: it is none, for config.json may say anything. */
int family_real(double *x, const struct family_config *c,
		const char *name) MUST_CHECK;

/* Is this the name of a group ("rope", for "rope.theta" and others)? */
int family_is_group(const struct family *f, const char *name);

/* "rope" and "theta": the number rope.theta, or none where it is absent. */
double family_member(const struct family_config *c, const char *group,
		     const char *name, double none);

/* The list rope.theta: its numbers, *n of them; NULL: there is none. */
const double *family_list(const struct family_config *c, const char *group,
			  const char *name, size_t *n);

/* Is the step done in this layer (SIZE_MAX: in the head or the tail)? */
int family_when(const struct family_config *c, const struct family_step *s,
		size_t layer);

/* Does a step that is done name the tensor? layer as above. */
int family_uses(const struct family_config *c, const struct family_tensor *t,
		size_t layer);

/* A number that a layer has of its own, else family_real(). *x is NAN where it
 * is absent. E_DATA: not a number. */
int family_real_at(double *x, const struct family_config *c, const char *name,
		   size_t layer) MUST_CHECK;

/* Do two configurations of one family say the same model? Numbers that steps
 * and shapes read are compared as GGUF can hold them (f32). E_DATA: which does
 * not agree, and what each says. */
int family_agree(const struct family_config *a,
		 const struct family_config *b) MUST_CHECK;

/* A size: one name or a product of names ("heads*head_dim"). E_DATA: not a
 * whole number of 1 to 2^31. */
int family_size(size_t *size, const struct family_config *c,
		const char *product) MUST_CHECK;

/* ---- names ---- */

/* Which tensor of the family is this checkpoint name, and of which layer?
 * Matches "<hf>.weight", "<hf>.bias" and bare names; a name may lack or have
 * the family's prefix ("model."). NULL: not the family's. suffix: "weight",
 * "bias". */
const struct family_tensor *family_match_hf(const struct family *f,
					    const char *name, size_t *layer,
					    const char **suffix);
const struct family_tensor *family_match_gguf(const struct family *f,
					      const char *name, size_t *layer,
					      const char **suffix);

/* Do checkpoints have this weight turned, (in, out), for all that its name
 * says? Of the family that was brought, else of the built-in ones: for where no
 * config.json is at hand. name: "transformer.h.0.mlp.c_fc.weight". */
int family_turns(const char *name);

/* "model.layers.3.self_attn.q_proj" into buf. */
void family_hf_name(char *buf, size_t size, const struct family_tensor *t,
		    size_t layer);
void family_gguf_name(char *buf, size_t size, const struct family_tensor *t,
		      size_t layer);

/* The texts that the build embeds from formats/families. */
struct family_text {
	const char *name, *text;
};

extern const struct family_text family_builtin[];
extern const size_t family_nbuiltin;

#endif
