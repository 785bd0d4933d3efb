# records.awk - instruction records of made-up text: awk -v n=64 -f records.awk
#
# Alpaca's shape: an instruction, sometimes an input, an answer whose length
# varies widely (most are short, a few are several hundred tokens).
function pick(list, words, count) {
	count = split(list, words, " ")
	return words[1 + int(rand() * count)]
}
function phrase() {
	return pick("the a this every") " " \
		pick("small old quiet careful heavy bright plain steady") " " \
		pick("river weaver loom garden letter machine village road")
}
function sentence(  s) {
	s = phrase() " " pick("holds carries follows mends finds remembers") \
		" " phrase()
	if (rand() < 0.5)
		s = s " " pick("because when until although") " " phrase() \
			" " pick("waits turns sleeps returns breaks")
	return toupper(substr(s, 1, 1)) substr(s, 2) "."
}
function text(sentences,  s) {
	while (sentences-- > 0)
		s = s (s ? " " : "") sentence()
	return s
}
BEGIN {
	srand(7)
	for (i = 0; i < n; i++) {
		long_ = int(exp(1.2 + 1.2 * (rand() + rand() + rand() - 1.5) * 2))
		if (long_ > 40)
			long_ = 40
		printf "{\"instruction\": \"%s %s.\", \"input\": \"%s\", " \
			"\"output\": \"%s\"}\n",
			pick("Describe Explain Rewrite Summarise Continue"),
			phrase(), rand() < 0.4 ? text(1 + int(rand() * 4)) : "",
			text(1 + long_)
	}
}
