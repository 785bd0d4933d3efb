# ranks.awk - an adapter's ranks as a plot: a row a kind of module, a column a
# layer
#
#   plot-ranks --table adapter.st | awk -f ranks.awk
#
# The height of a column is the part of a module's ranks that stayed; where none
# did it is empty. Behind it are the least, the mean and the most, and of how
# many.
BEGIN {
	FS = "\t"
	split("\xe2\x96\x81 \xe2\x96\x82 \xe2\x96\x83 \xe2\x96\x84 " \
	      "\xe2\x96\x85 \xe2\x96\x86 \xe2\x96\x87 \xe2\x96\x88", bar, " ")
}

# layer, module, kind of adapter, ranks that stayed, of how many
NF == 5 && $1 ~ /^[0-9]+$/ {
	name = $2
	sub(/.*\./, "", name)
	if (!(name in seen))
		names[++kinds] = name
	seen[name] = 1
	last = $1 > last ? $1 + 0 : last
	kept[name, $1] = $4
	most = $5 > most ? $5 + 0 : most
}

END {
	if (!kinds) {
		print "ranks.awk: no table of ranks" > "/dev/stderr"
		exit 65
	}
	for (k = 1; k <= kinds; k++) {
		name = names[k]
		low = most
		sum = high = n = 0
		plot = ""
		for (layer = 0; layer <= last; layer++) {
			ranks = kept[name, layer] + 0
			part = int((ranks * 8 + most - 1) / most)
			plot = plot (part ? bar[part] : " ")
			low = ranks < low ? ranks : low
			high = ranks > high ? ranks : high
			sum += ranks
			n++
		}
		printf "%-12s %s  %2d %5.1f %2d of %d\n", name, plot, low, \
			sum / n, high, most
	}
}
