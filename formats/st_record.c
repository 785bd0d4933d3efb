#include "formats/st_record.h"

#include <string.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/size.h"

/* zstd skips frames that begin with 0x184D2A5?; C is ours. */
enum {
	MAGIC = 0x184D2A5C,
	FRAME = 8,              /* what the frame's own length leaves out */
	FLAG_PACKED = 1,
};

int st_is_content(const char *type)
{
	static const char *const content[] = { "HEAD", "META", "TENS", "CHNK",
					       "BTCH" };

	for (size_t i = 0; i < NELEM(content); i++)
		if (!strcmp(content[i], type))
			return 1;
	return 0;
}

static size_t frame_size(const struct st_record *r)
{
	return ST_PREFIX - FRAME + r->header + r->pad +
	       (r->packed ? 0 : r->payload);
}

size_t st_record_size(const struct st_record *r)
{
	return ST_PREFIX + r->header + r->pad + r->payload;
}

static uint32_t check_of(const unsigned char *at)
{
	return (uint32_t)digest_64(at, 44);
}

void st_record_put(const struct st_record *r, unsigned char at[ST_PREFIX])
{
	le32_put(at, MAGIC);
	le32_put(at + 4, (uint32_t)frame_size(r));
	memcpy(at + 8, r->type, 4);
	le32_put(at + 12, (uint32_t)r->header);
	le64_put(at + 16, r->payload);
	le64_put(at + 24, r->payload_hash);
	le64_put(at + 32, r->header_hash);
	le16_put(at + 40, r->packed ? FLAG_PACKED : 0);
	at[42] = (unsigned char)r->align;
	at[43] = (unsigned char)r->planes;
	le32_put(at + 44, check_of(at));
}

static int check_type(const char *type)
{
	for (int i = 0; i < 4; i++)
		if (!((type[i] >= 'A' && type[i] <= 'Z') ||
		      (type[i] >= 'a' && type[i] <= 'z')))
			return err_set(E_DATA, "record type is no letters");
	return 0;
}

static int check_limits(const struct st_record *r, unsigned flags)
{
	size_t most = strcmp(r->type, "META") && strcmp(r->type, "prov") ?
			      ST_HEADER : ST_HEADER_LONG;

	TRY(check_type(r->type));
	if (flags & ~(unsigned)FLAG_PACKED)
		return err_set(E_DATA, "%s: unknown flags", r->type);
	if (r->header > most)
		return err_set(E_DATA, "%s: header of %zu bytes, at most %zu",
			       r->type, r->header, most);
	if (r->align > ST_ALIGN)
		return err_set(E_DATA, "%s: alignment 2^%d", r->type,
			       r->align);
	if (r->planes && (!r->packed || (r->planes != 2 && r->planes != 4 &&
					 r->planes != 8)))
		return err_set(E_DATA, "%s: filter %d", r->type, r->planes);
	if (!r->payload && (r->packed || r->payload_hash))
		return err_set(E_DATA, "%s: flags for no payload", r->type);
	return 0;
}

int st_record_get(struct st_record *r, const unsigned char at[ST_PREFIX])
{
	uint64_t frame, payload, inside;

	if (le32_get(at) != MAGIC || check_of(at) != le32_get(at + 44))
		return err_set(E_DATA, "damaged, or no tensor stream");
	memset(r, 0, sizeof(*r));
	frame = le32_get(at + 4);
	memcpy(r->type, at + 8, 4);
	r->header = le32_get(at + 12);
	payload = le64_get(at + 16);
	r->payload_hash = le64_get(at + 24);
	r->header_hash = le64_get(at + 32);
	r->packed = le16_get(at + 40) & FLAG_PACKED;
	r->align = at[42];
	r->planes = at[43];
	if (payload > ST_PAYLOAD)
		return err_set(E_DATA, "payload of more than %d bytes",
			       ST_PAYLOAD);
	r->payload = (size_t)payload;
	TRY(check_limits(r, le16_get(at + 40)));
	inside = ST_PREFIX - FRAME + r->header +
		 (r->packed ? 0 : r->payload);
	if (frame < inside || frame - inside >= ST_PAD)
		return err_set(E_DATA, "%s: lengths disagree", r->type);
	r->pad = (size_t)(frame - inside);
	return 0;
}
