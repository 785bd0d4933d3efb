# report.awk - results.tsv and the log of a training, for people
BEGIN { FS = "\t" }

function number(key) {
	return match($0, "\"" key "\": [-0-9.e+]+") ? \
	       substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 4) \
	       : "-"
}

FILENAME ~ /\.tsv$/ {
	if (FNR == 1)
		printf "%-19s%9s%9s%9s%8s%8s%9s%9s%9s\n", "", "bits", "MB", \
			"loss", "exact", "F1", "text", "read/s", "write/s"
	printf "%-19s%9.3f%9.1f%9s%8s%8s%9s%9s%9s\n", $1, $2, $3 / 1e6, \
		$4, $5, $6, $7, $8, $9
	next
}

{
	steps = number("step")
	tokens = number("num_input_tokens_seen")
	seconds = number("elapsed")
	cpu = number("cpu_seconds")
	if (number("memory_bytes") + 0 > most)
		most = number("memory_bytes")
}

END {
	if (!steps)
		exit
	printf "training: %d steps, %d tokens, %.0f s (%.0f s of processors)," \
		" %.0f MB\n", steps, tokens, seconds, cpu, most / 1e6
}
