/*
 * tokenizer_parts - what a tokenizer is put together from
 *
 * A tokenizer.json names normalizers, pre-tokenizers, post-processors and
 * decoders, alone or in sequences. Each is a step: a row of its family's table
 * that reads its own keys once and then works on text, pieces, ids or words.
 * A family of models is a row of another table. To add one: write its
 * functions in the family's file, and its row.
 */
#ifndef FORMATS_TOKENIZER_PARTS_H
#define FORMATS_TOKENIZER_PARTS_H

#include "base/json.h"
#include "base/regex.h"
#include "formats/text.h"
#include "formats/tokenizer.h"

struct step;

/* Text cut in pieces, in order; an empty piece is as good as none. On the way
 * back the pieces are the tokens' texts. */
struct span {
	size_t start, end;
};

struct pieces {
	struct text text;
	struct span *at;
	size_t n, room;
	int first;              /* the text begins where the input does */

	/* Where a step writes what will replace the above. */
	struct text text_next;
	struct span *next;
	size_t nnext, next_room;
};

struct step_kind {
	const char *name;       /* "type" in the file */
	int (*init)(struct step *s, json_t *spec) MUST_CHECK; /* or NULL */

	/* The one that the family calls. */
	int (*normalize)(const struct step *s, const struct text *from,
			 struct text *to) MUST_CHECK; /* to is empty */
	int (*cut)(const struct step *s, struct pieces *p) MUST_CHECK;
	int (*post)(const struct step *s, struct ids *ids,
		    size_t from) MUST_CHECK; /* from: where the text begins */
	int (*decode)(const struct step *s, struct pieces *p) MUST_CHECK;
};

struct step {
	const struct step_kind *kind;
	struct regex *re;
	struct text a, b;       /* patterns, contents */
	uint32_t *id;           /* (n) post: ids; TEMPLATE_TEXT for the text */
	size_t n, m;
	int flag, mode;
};

enum { STEP_MOST = 64 };
#define TEMPLATE_TEXT UINT32_MAX

struct steps {
	struct step at[STEP_MOST];
	size_t n;
};

/* A family: its table and how its file spells a sequence. */
struct step_family {
	const char *name;       /* "normalizer": the key and, in messages */
	const char *members;    /* "normalizers" in a Sequence */
	const struct step_kind *kind; /* ends with a nameless row */
};

extern const struct step_family step_normalizers, step_pretokenizers,
	step_postprocessors, step_decoders;

/* Reads what stands under the family's name, sequences flattened; null and
 * absent is no step. E_DATA: unknown type (by its name), bad value. */
int steps_parse(struct steps *s, json_t *root,
		const struct step_family *family) MUST_CHECK;
void steps_release(struct steps *s);

/* {"String": ...} into s->a, or {"Regex": ...} into s->re. */
int step_pattern(struct step *s, json_t *spec, const char *key) MUST_CHECK;

/* The pattern of a tokenizer.json (Oniguruma's syntax) for PCRE2: classes that
 * differ are spelled out, what PCRE2 would read otherwise is refused. */
int pattern_translate(struct text *out, const char *pattern,
		      size_t size) MUST_CHECK;

/* A walk over the matches of s->re or s->a in size bytes of text, as
 * Oniguruma's find_iter does it; start with zeroes. A match may be empty. */
struct walk {
	size_t from, last;
	int any;
};

int step_match(const struct step *s, const char *text, size_t size,
	       struct walk *w, int *found, struct span *at) MUST_CHECK;

/* Adds a piece to the next generation: a part of the text that there is, or
 * (pieces_add) text of its own. pieces_step() makes the next the current. */
int pieces_next(struct pieces *p, size_t start, size_t end) MUST_CHECK;
int pieces_add(struct pieces *p, const char *text, size_t size) MUST_CHECK;
void pieces_step(struct pieces *p, int text_too);
void pieces_release(struct pieces *p);

/* The GPT-2 alphabet: a printable character for each byte. */
size_t byte_to_char(unsigned char byte, char to[2]);
int byte_of_char(uint32_t c);           /* -1: not in the alphabet */

int ids_add(struct ids *ids, uint32_t id) MUST_CHECK;

/* The model's vocabulary: texts by id, ids by text. */
struct vocab {
	struct text text;
	struct span *at;        /* (n) by id; ids that are absent are empty */
	size_t n, room;
	unsigned char *present; /* (n) */
	uint32_t *slot;         /* (mask + 1) id + 1, 0: free */
	size_t mask, used;
};

/* Adds one; two ids for one text or two texts for one id: E_DATA. */
int vocab_add(struct vocab *v, const char *text, size_t size,
	      uint64_t id) MUST_CHECK;
int64_t vocab_find(const struct vocab *v, const char *text, size_t size);
void vocab_release(struct vocab *v);
uint64_t text_hash(const char *text, size_t size);

/* A model: pieces to ids. */
struct model_kind {
	const char *name;

	/* Reads the model's own keys; fills v. */
	int (*init)(void **self, struct vocab *v, json_t *spec) MUST_CHECK;

	/* Appends the ids of one piece. */
	int (*encode)(void *self, const char *piece, size_t size,
		      struct ids *ids) MUST_CHECK;
	void (*free)(void *self);
};

extern const struct model_kind model_bpe;

/* The tokens that are found in the text as such. */
struct added {
	struct text text;       /* as it is looked for (normalised or not) */
	struct text content;    /* as it is written */
	uint32_t id;
	int single_word, lstrip, rstrip, normalized, special;
};

struct added_set {
	struct added *at;
	size_t n, room;
	uint32_t *order[2];     /* by [normalized]: first byte, longest first */
	uint32_t first[2][257]; /* where a first byte's begin in order */
};

/* Reads "added_tokens"; a token that the model has keeps the model's id. */
int added_parse(struct added_set *a, json_t *root, const struct vocab *v,
		const struct steps *normalizers) MUST_CHECK;
void added_release(struct added_set *a);

/* Cuts text at the tokens of that sort: calls fn for every part in order, id
 * < 0 for text between tokens. */
typedef int added_fn(void *ctx, int64_t id, const char *text, size_t size,
		     size_t offset);
int added_split(const struct added_set *a, int normalized, const char *text,
		size_t size, added_fn *fn, void *ctx) MUST_CHECK;

/* The longest token of the sort that size > 0 bytes begin with; or NULL. */
const struct added *added_at(const struct added_set *a, int normalized,
			     const char *text, size_t size);

/* By id; NULL: none. */
const struct added *added_find(const struct added_set *a, uint32_t id);

/* ---- the whole ---- */

struct tokenizer {
	struct vocab vocab;
	const struct model_kind *kind;
	void *model;
	struct added_set added;
	struct steps normalizers, cuts, posts, decoders;
	size_t nid;             /* largest id + 1 */
	int64_t bos, eos;
	char *bos_text, *eos_text, *template;
	json_t *templates;      /* a list of {name, template} */
	json_t *special;        /* key: text */

	/* Where encode and decode work. */
	struct text clean, part, spare;
	struct pieces pieces;
};

/* Reads a tokenizer_config.json; config NULL: there is none. E_DATA. */
int tokenizer_configure(struct tokenizer *t, const char *config,
			size_t size) MUST_CHECK;

/* Runs the normalizers over text; spare is room to work in. */
int steps_normalize(const struct steps *s, struct text *text,
		    struct text *spare) MUST_CHECK;

#endif
