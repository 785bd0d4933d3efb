/* Is the head the embedding? */
#include "formats/gguf_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

enum { PIECE = 1 << 20 };

/* Do the two tensors hold the same bytes? What cannot be read differs. */
static int same_bytes(const struct gguf_tensor *a, const struct gguf_tensor *b,
		      const struct file *file)
{
	unsigned char *x = malloc(PIECE), *y = malloc(PIECE);
	int same = x && y;

	for (size_t i = 0; i < a->bytes && same; i += PIECE) {
		size_t n = size_min(PIECE, a->bytes - i);

		same = !file_read(file, x, n, a->at + i) &&
		       !file_read(file, y, n, b->at + i) && !memcmp(x, y, n);
	}
	free(x);
	free(y);
	return same;
}

int gguf_is_tied(const struct gguf *g, const struct family *f,
		 const struct file *file)
{
	const struct gguf_tensor *e = gguf_find_tensor(g, "token_embd.weight");
	const struct gguf_tensor *h = gguf_find_tensor(g, "output.weight");
	size_t n;
	const struct family_tensor *ft = family_tensors(f, &n);
	int copied = 0;

	for (size_t i = 0; i < n; i++)
		copied |= ft[i].copied;
	if (!h || !e)
		return !h;
	return copied && h->block == e->block && h->bytes == e->bytes &&
	       h->rank == e->rank && !memcmp(h->dim, e->dim, sizeof(h->dim)) &&
	       same_bytes(e, h, file);
}
