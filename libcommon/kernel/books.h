/*
 * books - the code books that streams name: frozen, bit for bit bitsandbytes'
 */
#ifndef KERNEL_BOOKS_H
#define KERNEL_BOOKS_H

/* NormalFloat (QLoRA, arXiv:2305.14314, appendix E). */
extern const float nf4_book[16];

/* e2m1 in bitsandbytes' order: sign in bit 3. */
extern const float fp4_book[16];

/* The signed dynamic map: sorted, index 127 is 0. */
extern const float dyn8_book[256];

#endif
