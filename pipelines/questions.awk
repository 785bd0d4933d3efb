# questions.awk - short invented stories, a question about each, its answers
#
#   awk -v seed=1 -v n=256 -f questions.awk > train.jsonl
#
# People, places and years are made up, so that nobody can know an answer who
# has not read the story. The same seed gives the same bytes everywhere (the
# numbers are Park and Miller's, not awk's own); another seed, other stories.
# A line is {"context", "question", "answers": [...]}, as SQuAD has them: any
# of the answers is right.

function random(n) { # 0 to n - 1
	state = state * 16807 % 2147483647
	return int(state / 2147483647 * n)
}
function pick(words,  list) {
	return list[1 + random(split(words, list, " "))]
}
function person() {
	return pick("Ada Bram Cato Dora Edda Finn Greta Hale Ines Jory " \
		    "Kaspar Lotte Milo Nell Orla Piet Rhea Silas Tilda Wim") \
		" " pick("Ash Bel Cor Dun Fen Gar Hol Ker Lor Mar Nor Ost " \
			 "Quin Ros Sel Tor Vel Wen") \
		pick("by dane fell ford gate heim hurst kett low mere nick " \
		     "rick stane tham vik wood")
}
function place() {
	return pick("Amber Black Cold Drift East Fox Gold High Iron Kings " \
		    "Long Mill North Oak Red Salt Stone Thorn West White") \
		pick("bridge bury combe dale ey field ham haven mouth ness " \
		     "pool port stead ton wick")
}
function last(name) {
	sub(/.* /, "", name)
	return name
}
# Fields of the record; alternatives are joined by "|".
function ask(text, answers,  each, k, out, i) {
	k = split(answers, each, "|")
	for (i = 1; i <= k; i++)
		out = out (i > 1 ? ", " : "") "\"" each[i] "\""
	printf "{\"context\": \"%s\", \"question\": \"%s\", \"answers\": [%s]}\n",
		story, text, out
}
function tell() {
	who = person()
	friend = person()
	born_in = place()
	moved_to = place()
	from = place()
	there = place()
	born = 1790 + random(80)
	opened = born + 21 + random(30)
	closed = opened + 3 + random(40)
	friend_born = 1780 + random(80)
	before = friend_born + 20 + random(30)
	trade = pick("baker brewer carpenter clockmaker cooper ferryman " \
		     "glazier mason miller printer saddler tailor weaver")
	other = pick("banker chemist farmer fisher lawyer merchant painter " \
		     "shepherd smith surgeon")
	first = pick("dairy farm quarry shipyard smithy vineyard")
	house = pick("bath-house brewery dye-works foundry glassworks " \
		     "library mill lighthouse printing-house school theatre")
	why = pick("fire flood storm strike war quarrel")
	story = random(2) ? who " was born in " born_in " in " born "." : \
		"In " born " " who " was born in the village of " born_in "."
	story = story (random(2) ? \
		" For some years " last(who) " worked as a " trade ", and then" \
		" moved to " moved_to " and opened a " house " there in " \
		opened "." : \
		" A " trade " at first, " last(who) " left for " moved_to ", where" \
		" a " house " was opened in " opened ".")
	story = story (random(2) ? " It was paid for by " friend ", a " other \
		", who was born in " from " in " friend_born " and" : \
		" The money came from " friend ", a " other " who was born in " \
		from " in " friend_born " and") \
		" owned a " first " near " there " until " before "."
	story = story " After a " why " the " house " was closed in " closed "."
}
function question(kind) {
	if (kind == 0)
		ask("Where was " who " born?", born_in "|in " born_in)
	else if (kind == 1)
		ask("When was " who " born?", born "|in " born)
	else if (kind == 2)
		ask("What was " last(who) " before opening the " house "?",
		    "a " trade "|" trade)
	else if (kind == 3)
		ask("Where was the " house " opened?",
		    moved_to "|in " moved_to)
	else if (kind == 4)
		ask("When was the " house " opened?", opened "|in " opened)
	else if (kind == 5)
		ask("Who paid for the " house "?", friend "|" last(friend))
	else if (kind == 6)
		ask("Why was the " house " closed?",
		    "a " why "|after a " why "|because of a " why)
	else if (kind == 7)
		ask("Where was " last(friend) " born?", from "|in " from)
	else if (kind == 8)
		ask("Near which place was the " first "?",
		    there "|near " there)
	else
		ask("Until when did " last(friend) " own the " first "?",
		    before "|until " before)
}
BEGIN {
	state = 1 + seed * 7919 % 2147483646
	for (i = 0; i < 8; i++)
		random(2)
	for (i = 0; i < n; i++) {
		tell()
		question(random(10))
	}
}
