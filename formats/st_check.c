#include "formats/st_check.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "formats/msg.h"
#include "formats/st_header.h"
#include "formats/st_record.h"

static int check_all(struct source *s, st_check_fn *fn, void *ctx)
{
	struct item item;

	for (;;) {
		TRY(source_next(s, &item));
		if (item.kind == ITEM_NONE)
			return 0;
		if (item.kind == ITEM_TENSOR)
			TRY(source_load(s));
		if (item.kind == ITEM_END && fn)
			fn(ctx, item.stream, item.digest);
	}
}

int st_check(char *path, st_check_fn *fn, void *ctx)
{
	char *paths[] = { path, NULL };
	struct source *s;
	int err;

	TRY(source_open(&s, paths));
	err = check_all(s, fn, ctx);
	source_close(s);
	return err;
}

/* ---- quick ---- */

static int read_at(int fd, uint64_t at, void *to, size_t n)
{
	if (pread(fd, to, n, (off_t)at) != (ssize_t)n)
		return err_set(E_DATA, "truncated");
	return 0;
}

/* The record at this place, its header read and parsed. */
static int read_record(int fd, uint64_t at, const char *type,
		       struct st_record *r, unsigned char header[ST_ENDS],
		       struct msg **m)
{
	unsigned char prefix[ST_PREFIX];

	TRY(read_at(fd, at, prefix, sizeof(prefix)));
	TRY(st_record_get(r, prefix));
	if (strcmp(r->type, type) || r->header > ST_ENDS)
		return err_set(E_DATA, "no %s record", type);
	TRY(read_at(fd, at + ST_PREFIX, header, r->header));
	if (digest_64(header, r->header) != r->header_hash)
		return err_set(E_DATA, "%s: header is damaged", type);
	return msg_parse(m, header, r->header);
}

static int read_end(int fd, uint64_t end, uint64_t *start,
		    unsigned char digest[DIGEST_SIZE])
{
	unsigned char header[ST_ENDS];
	struct st_record r;
	struct msg *m = NULL;
	const void *content;
	uint64_t bytes;
	size_t n;
	int err;

	if (end < ST_ENDS)
		return err_set(E_DATA, "truncated, or no tensor stream");
	err = read_record(fd, end - ST_ENDS, "ENDS", &r, header, &m);
	if (!err && (st_record_size(&r) != ST_ENDS ||
		     msg_u64(msg_find(msg_root(m), "bytes"), &bytes) ||
		     bytes > end ||
		     msg_bin(msg_find(msg_root(m), "content"), &content, &n) ||
		     n != DIGEST_SIZE))
		err = err_set(E_DATA, "the end record is wrong");
	if (!err) {
		*start = end - bytes;
		memcpy(digest, content, DIGEST_SIZE);
	}
	msg_free(m);
	return err;
}

static int read_head(int fd, uint64_t start, enum stream_kind *kind)
{
	unsigned char header[ST_ENDS];
	struct st_record r;
	struct msg *m = NULL;
	int err = read_record(fd, start, "HEAD", &r, header, &m);

	if (!err)
		err = st_head_get(kind, msg_root(m));
	msg_free(m);
	return err;
}

static int check_ends(int fd, uint64_t size, st_check_fn *fn, void *ctx)
{
	unsigned char digest[DIGEST_SIZE];
	enum stream_kind kind;
	uint64_t start = 0;

	if (!size)
		return err_set(E_DATA, "empty, no tensor stream");
	for (; size; size = start) {
		int err = read_end(fd, size, &start, digest);

		if (!err)
			err = read_head(fd, start, &kind);
		if (err)
			return err_at(err, "stream that ends at %llu",
				      (unsigned long long)size);
		if (fn)
			fn(ctx, kind, digest);
	}
	return 0;
}

int st_check_quick(const char *path, st_check_fn *fn, void *ctx)
{
	struct stat st;
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) :
			dup(STDIN_FILENO);
	int err;

	if (!path)
		path = "<stdin>";
	if (fd < 0)
		return err_errno(E_NOINPUT, "%s", path);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		err = err_set(E_USAGE, "not a file, as --quick needs");
	else
		err = check_ends(fd, (uint64_t)st.st_size, fn, ctx);
	close(fd);
	return err ? err_at(err, "%s", path) : 0;
}
