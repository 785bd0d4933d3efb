/* bytes - little-endian loads and stores, at any alignment */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "streams are little-endian and mapped: big-endian hosts are not served"
#endif

#define BYTES_PAIR(bits)                                               \
	static inline uint##bits##_t le##bits##_get(const void *p)     \
	{                                                              \
		uint##bits##_t v;                                      \
                                                                       \
		memcpy(&v, p, sizeof(v));                              \
		return v;                                              \
	}                                                              \
                                                                       \
	static inline void le##bits##_put(void *p, uint##bits##_t v)   \
	{                                                              \
		memcpy(p, &v, sizeof(v));                              \
	}

BYTES_PAIR(16)
BYTES_PAIR(32)
BYTES_PAIR(64)

#endif
