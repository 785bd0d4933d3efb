/* Any text as JSON: what is printed of it reads the same, and edits in place
 * leave a text that reads as if its values had been edited. */
#include <stdlib.h>
#include <string.h>

#include "formats/grow.h"
#include "formats/json_span.h"
#include "tests/fuzz/replay.h"

static json_t *read_back(const struct text *t)
{
	json_t *root;

	if (json_parse(&root, t->at, t->n))
		abort();
	return root;
}

static void print(json_t *root)
{
	for (int pretty = 0; pretty < 4; pretty += 2) {
		struct text t = { 0 };
		json_t *back;

		if (json_print(&t.at, root, pretty))
			continue;
		t.n = strlen(t.at);
		back = read_back(&t);
		if (!json_equal(root, back))
			abort();
		json_decref(back);
		text_release(&t);
	}
}

/* The value at the path as it must be once value was put there or in it. */
static void check(const struct text *t, const char *path, json_t *want)
{
	json_t *root = read_back(t);

	if (!json_equal(json_path(root, path), want))
		abort();
	json_decref(root);
}

static void edit(const struct text *from, json_t *root, const char *path)
{
	json_t *value = json_pack("{s:[i,s]}", "x", 7, "y");
	json_t *want = json_deep_copy(json_path(root, path));
	struct json_span s;
	struct text t = { 0 };
	int lists = json_is_array(want), err = 1;

	if (text_add(&t, from->at, from->n) || !value ||
	    !json_span_at(&s, &t, path))
		goto out;
	if (lists && !json_array_append(want, value))
		err = json_span_append(&t, s, NULL, value);
	else if (json_is_object(want) && !json_object_get(want, "new") &&
		 !json_object_set(want, "new", value))
		err = json_span_append(&t, s, "new", value);
	if (!err)
		check(&t, path, want);
	if (!err && json_span_at(&s, &t, path) &&
	    !json_span_replace(&t, s, "{\"x\": [7, \"y\"]}"))
		check(&t, path, value);
out:
	json_decref(want);
	json_decref(value);
	text_release(&t);
}

static void grow(const struct text *from)
{
	json_t *added = json_pack("[{s:i,s:s},{s:i,s:s}]", "id", 3, "content",
				  "<x>", "id", 4, "content", "a\"b");
	struct text t = { 0 };

	if (added && !text_add(&t, from->at, from->n) &&
	    !grow_tokenizer(&t, added)) {
		struct text again = { 0 };

		if (text_add(&again, t.at, t.n) ||
		    grow_tokenizer(&again, added) || again.n != t.n)
			abort();
		json_decref(read_back(&again));
		text_release(&again);
	}
	json_decref(added);
	text_release(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const path[] = { "a", "a.b", "added_tokens",
					    "text_config.vocab_size" };
	struct text t = { 0 };
	json_t *root;

	if (!size || text_add(&t, data, size) ||
	    json_parse(&root, t.at, t.n)) {
		text_release(&t);
		return 0;
	}
	print(root);
	for (size_t i = 0; i < sizeof(path) / sizeof(*path); i++)
		edit(&t, root, path[i]);
	grow(&t);
	(void)grow_vocab(t.at, t.n);
	json_decref(root);
	text_release(&t);
	return 0;
}
