# english.awk - text that is like English: awk -v size=50000000 -f english.awk
#
# Words by Zipf's law, of a vocabulary whose first are English's commonest and
# whose others are made of its syllables; sentences, numbers, paragraphs.
function made(  n, w) {
	for (n = 2 + int(rand() * 3); n > 0; n--)
		w = w syllable[1 + int(rand() * syllables)]
	return w
}
BEGIN {
	srand(1)
	words = split("the of and to in is that it was for on are as with his " \
		"they at be this from have or by one had not but what all were " \
		"when we there can an your which their said if do will each " \
		"about how up out them then she many some so these would other " \
		"into has more her two like him see time could no make than " \
		"first been its who now people my made over did down only way " \
		"find use may water long little very after just most know", word, " ")
	syllables = split("con ter pre ing tion ment al er ly un re ness ful " \
		"able ist o a e str pl gr an en in or", syllable, " ")
	while (words < 60000)
		word[++words] = made()
	# Word i is drawn with a chance of 1 / i, nearly.
	for (sum = 0; sum < size; sum += length(line) + 1) {
		line = ""
		for (s = 1 + int(rand() * 12); s > 0; s--) {
			n = 5 + int(rand() * 18)
			for (i = 0; i < n; i++) {
				w = word[int(exp(rand() * log(words)))]
				if (!i)
					w = toupper(substr(w, 1, 1)) substr(w, 2)
				if (rand() < 0.01)
					w = int(rand() * 3000)
				if (rand() < 0.01)
					w = "don't"
				line = line (line == "" ? "" : " ") w \
					(i < n - 1 && rand() < 0.08 ? "," : "")
			}
			line = line "."
		}
		print line (rand() < 0.3 ? "\n" : "")
	}
}
