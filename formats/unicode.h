/*
 * unicode - utf8proc's door: characters, their classes, normal forms
 *
 * Unless said otherwise text is valid UTF-8: unicode_clean() makes it so.
 */
#ifndef FORMATS_UNICODE_H
#define FORMATS_UNICODE_H

#include "formats/text.h"

/* Bytes of the longest valid beginning of any bytes. */
size_t unicode_valid(const char *text, size_t size);

/* Appends text with each ill-formed part as U+FFFD (maximal subparts, as
 * Python's errors="replace" and WHATWG have it). */
int unicode_clean(struct text *out, const char *text, size_t size) MUST_CHECK;

/* The character at the head of size > 0 bytes; returns its bytes. */
size_t unicode_get(const char *text, size_t size, uint32_t *c);

/* The last character of size > 0 bytes; returns its bytes. */
size_t unicode_last(const char *text, size_t size, uint32_t *c);

/* Writes c as 1 to 4 bytes and returns how many. */
size_t unicode_put(char to[4], uint32_t c);

int unicode_is_number(uint32_t c);      /* categories Nd, Nl, No */
int unicode_is_space(uint32_t c);       /* property White_Space */
int unicode_is_word(uint32_t c);        /* \w: letters, marks, Nd, Pc */
int unicode_is_mark(uint32_t c);        /* categories Mn, Mc, Me */
int unicode_is_punctuation(uint32_t c); /* categories P*, and ASCII's */
int unicode_is_printable(uint32_t c);   /* neither C* nor Z* */
int unicode_is_letter(uint32_t c);      /* categories L* */
int unicode_is_digit(uint32_t c);       /* category Nd */

/* A character's full upper, title and lower case, without its context; they
 * return how many characters they wrote (unicode_case.c). */
size_t unicode_to_upper(uint32_t c, uint32_t to[4]);
size_t unicode_to_title(uint32_t c, uint32_t to[4]);
size_t unicode_to_lower(uint32_t c, uint32_t to[4]);
int unicode_is_cased(uint32_t c);       /* has a case */
int unicode_is_ignorable(uint32_t c);   /* property Case_Ignorable */

enum unicode_form { UNICODE_NFC, UNICODE_NFD, UNICODE_NFKC, UNICODE_NFKD };

/* Appends text in that form. E_NOMEM. */
int unicode_normalize(struct text *out, enum unicode_form form,
		      const char *text, size_t size) MUST_CHECK;

/* The same as the tokenizers package has them, by tables of Unicode 9
 * (unicode9.c). */
int unicode9_is_punctuation(uint32_t c);
int unicode9_is_mark(uint32_t c);
int unicode9_normalize(struct text *out, enum unicode_form form,
		       const char *text, size_t size) MUST_CHECK;

/* Appends text in lower case, character by character. */
int unicode_lower(struct text *out, const char *text, size_t size) MUST_CHECK;

#endif
