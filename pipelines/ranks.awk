# ranks.awk - AdaLoRA's ranks as a plot: a row a kind of module, a column a
# layer
#
#   st-export --to peft dir < adapter.st
#   awk -f ranks.awk dir/adapter_config.json
#
# The height of a column is the part of a module's ranks that stayed; where none
# did it is empty. Behind it are the least, the mean and the most, and of how
# many.
BEGIN { split("\xe2\x96\x81 \xe2\x96\x82 \xe2\x96\x83 \xe2\x96\x84 " \
	      "\xe2\x96\x85 \xe2\x96\x86 \xe2\x96\x87 \xe2\x96\x88", bar, " ") }

/"rank_pattern": *\{/ { inside = 1; next }
!inside { next }
/\.lora_E": *\[/ {
	sub(/^ *"/, "")
	sub(/\.lora_E".*/, "")
	layer = match($0, /\.[0-9]+\./) ? \
		substr($0, RSTART + 1, RLENGTH - 2) + 0 : 0
	sub(/.*\./, "")
	name = $0
	if (!(name in seen))
		names[++kinds] = name
	seen[name] = 1
	last = layer > last ? layer : last
	at = name SUBSEP layer
	kept[at] = 0
}
/^ *(true|false),? *$/ {
	kept[at] += /true/
	all[at]++
	most = all[at] > most ? all[at] : most
}

END {
	if (!kinds) {
		print "ranks.awk: no ranks of AdaLoRA" > "/dev/stderr"
		exit 65
	}
	for (k = 1; k <= kinds; k++) {
		name = names[k]
		low = most
		sum = high = n = 0
		plot = ""
		for (layer = 0; layer <= last; layer++) {
			at = name SUBSEP layer
			part = int((kept[at] * 8 + most - 1) / most)
			plot = plot (part ? bar[part] : " ")
			low = kept[at] < low ? kept[at] : low
			high = kept[at] > high ? kept[at] : high
			sum += kept[at]
			n++
		}
		printf "%-12s %s  %2d %5.1f %2d of %d\n", name, plot, low, \
			sum / n, high, most
	}
}
