/* Template and tokenizer: is what marks the turns a token? */
#include "formats/dataset_parts.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of what looks like a special token at the head of text: <|name|>, or
 * <name> with an underscore in it, as <start_of_turn> is; 0: it does not. */
static size_t mark_at(const char *text)
{
	int bars = text[0] == '<' && text[1] == '|';
	size_t i = 1 + (size_t)bars, word;

	if (text[0] != '<')
		return 0;
	word = strspn(text + i, "abcdefghijklmnopqrstuvwxyz"
		      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
	if (!word || (!bars && !memchr(text + i, '_', word)))
		return 0;
	i += word;
	if (bars && text[i++] != '|')
		return 0;
	return text[i] == '>' ? i + 1 : 0;
}

static int check_marks(const struct chat *c, const struct tokenizer *t,
		       const char *text)
{
	char mark[128];

	for (size_t n; *text; text += n ? n : 1) {
		n = mark_at(text);
		if (!n || n >= sizeof(mark))
			continue;
		memcpy(mark, text, n);
		mark[n] = 0;
		if (tokenizer_id(t, mark) < 0)
			return err_set(E_DATA, "the template %s writes '%s', "
				       "which is no token of this tokenizer: "
				       "choose another with --template, or "
				       "add it with --add-token '%s'",
				       chat_name(c), mark, mark);
	}
	return 0;
}

int dataset_agree(const struct chat *c, const struct tokenizer *t)
{
	const char *end = chat_end_of_turn(c);
	json_t *turn;
	char *text;
	int err;

	if (!end)
		return err_set(E_DATA, "nothing ends a turn in the template "
			       "%s with this tokenizer", chat_name(c));
	if (tokenizer_id(t, end) < 0)
		return err_set(E_DATA, "the template %s ends a turn with '%s',"
			       " which is no token of this tokenizer: choose "
			       "another with --template, or add it with "
			       "--add-token '%s'", chat_name(c), end, end);
	turn = json_pack("[{s:s,s:s},{s:s,s:s}]", "role", "user", "content",
			 "a", "role", "assistant", "content", "b");
	if (!turn)
		return err_set(E_NOMEM, "no memory for a template");
	err = chat_render(c, turn, 2, 0, &text);
	json_decref(turn);
	if (err)
		return 0; /* such turns are not for it; the data's may be */
	err = check_marks(c, t, text);
	free(text);
	return err;
}
