# row.awk - one line of results.tsv, out of what eval and st-ls said
#
#   awk -v state=tuned -f row.awk tuned.json tuned.text.json \
#       tuned.bench.json tuned.ls.json
#
# Fields: state, bits of a linear weight, bytes of all weights, loss of the
# answers, exact match, F1, perplexity of the text, tokens a second read and
# written, processor milliseconds of a token read and written, bytes of memory.
# What was not measured is "-". eval and st-ls print a key a line.
BEGIN { FS = "\": " }

FNR == 1 { kind = FILENAME ~ /\.ls\.json$/ ? "ls" : \
		  FILENAME ~ /\.text\.json$/ ? "text" : "" }
{ sub(/^ *"/, ""); key = $1; v = $2; sub(/,$/, "", v) }

kind == "ls" && key == "role" { role = v }
kind == "ls" && role == "\"linear\"" && key == "values" { values += v }
kind == "ls" && key == "bytes" { # a tensor's, or at the end the sum
	if (role == "\"linear\"")
		bytes += v
	if (role && role != "\"blob\"")
		all += v
	role = ""
}
kind == "text" && key == "ppl" { got["text"] = v }
kind == "" && v ~ /^[0-9.e+-]+$/ { got[key] = v }

function put(key, format, factor) {
	printf "\t" (key in got ? format : "%s"), \
		key in got ? got[key] * (factor ? factor : 1) : "-"
}
END {
	if (values)
		got["bits"] = 8 * bytes / values
	if (!("weight_bytes" in got))
		got["weight_bytes"] = all
	printf "%s", state
	put("bits", "%.3f")
	put("weight_bytes", "%.0f")
	put("loss", "%.4f")
	put("exact,none", "%.1f", 100)
	put("f1,none", "%.1f", 100)
	put("text", "%.2f")
	put("prompt_per_second", "%.1f")
	put("decode_per_second", "%.1f")
	put("prompt_cpu_seconds", "%.3f", 1000)
	put("decode_cpu_seconds", "%.3f", 1000)
	put("memory_bytes", "%.0f")
	print ""
}
