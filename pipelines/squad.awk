# squad.awk - questions about texts, as a line each that is trained on and asked
#
#   awk [-v most=N] -f squad.awk train-v1.1.json > questions.jsonl
#
# Reads SQuAD's JSON (versions 1 and 2), or JSON lines with context, question
# and answers (texts, or SQuAD's {"text": [...]}). Writes prompt and
# completion, which is what tokenize reads, and answers, which is what the task
# squad.json counts as right. Questions without an answer are left out.
#
# Quotes cut a JSON text into what is between strings and what is in them, so
# strings are copied as they are written, with their escapes.
BEGIN {
	RS = "\""
	FS = "\n" # no fields: lines may be long
}

function join_answers(  i, out) {
	for (i = 1; i <= answers; i++)
		out = out (i > 1 ? ", " : "") "\"" answer[i] "\""
	return out
}

# A question's object has ended; its context may stand behind it.
function keep() {
	if (!answers) {
		unanswered++
		return
	}
	about[++kept] = "\\n\\nQuestion: " question "\\nAnswer:\", " \
		"\"completion\": \" " answer[1] "\", \"answers\": [" \
		join_answers() "]}"
}

function put(context,  i) {
	for (i = 1; i <= kept && !(most && written == most); i++) {
		print "{\"prompt\": \"" context about[i]
		written++
	}
	kept = 0
}

# name[d]: the key whose value is read at depth d; under[d]: is that inside
# of "answers"?
function value(text,  key) {
	key = name[depth]
	if (key == "context") {
		context = text
		context_at = depth
	} else if (key == "question") {
		question = text
		question_at = depth
	} else if (key == "answers" || (key == "text" && under[depth])) {
		answer[++answers] = text
	}
}

function open_value(array) {
	under[depth + 1] = under[depth] || name[depth] == "answers"
	name[depth + 1] = array ? name[depth] : ""
	depth++
}

function close_value() {
	if (depth == question_at) {
		keep()
		question_at = answers = 0
	}
	if (depth == context_at) {
		put(context)
		context_at = 0
	}
	depth--
}

function between(text,  i, c) {
	for (i = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		if (c == "{" || c == "[")
			open_value(c == "[")
		else if (c == "}" || c == "]")
			close_value()
	}
}

inside {
	string = string $0
	match(string, /\\*$/)
	if (RLENGTH % 2) {
		string = string "\""
		next
	}
	inside = 0
	waiting = 1
	next
}

{
	if (waiting && $0 ~ /^[ \t\r\n]*:/)
		name[depth] = string
	else if (waiting)
		value(string)
	waiting = 0
	string = ""
	between($0)
	inside = 1
}

END {
	if (waiting || depth)
		why = "the JSON ends in the middle"
	else if (!written)
		why = "no question with a context and an answer"
	if (why) {
		print "squad.awk: " why > "/dev/stderr"
		exit 65
	}
	if (unanswered)
		print "squad.awk: left out: " unanswered " questions without" \
			" an answer" > "/dev/stderr"
}
