#!/bin/bash
# tokenizer.sh - megabytes of English-like text a second through tokenize
#
# The tokenizer is the real model's (WEFT_MODEL); llama and gemma are those
# small models' normalizers and vocabularies (tests/golden/text), which cut text
# into more tokens than theirs. One thread; best of TURNS, start included.
# PYTHON's tokenizers package, where it is there, reads the same text, a line
# at a time, on one thread too.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
turns=${TURNS:-3}
size=${SIZE:-50000000}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
awk -v size="$size" -f tests/bench/english.awk > "$tmp/text.txt"
jq -Rc '{text: .}' "$tmp/text.txt" > "$tmp/text.jsonl"
TIMEFORMAT=%U

rate() { # SECONDS FILE
	awk -v s="$1" -v n="$(stat -c %s "$2")" \
		'BEGIN { printf " %8.1f", n / s / 1e6 }'
}

best() { # COMMAND ...
	local i
	for ((i = 0; i < turns; i++)); do
		{ time "$@" > /dev/null 2> "$tmp/err"; } 2>&1
	done | sort -n | head -n 1
}

theirs() {
	"${PYTHON:-python3}" - "$tmp/tokenizer.json" "$tmp/text.txt" 2> /dev/null <<-'PY'
	import os, sys, time
	os.environ["TOKENIZERS_PARALLELISM"] = "false"
	from tokenizers import Tokenizer
	t = Tokenizer.from_file(sys.argv[1])
	lines = open(sys.argv[2], encoding="utf-8").read().splitlines(True)
	start = time.process_time()
	for i in range(0, len(lines), 1000):
	    t.encode_batch(lines[i:i + 1000], add_special_tokens=False)
	seconds = time.process_time() - start
	print(f"{os.path.getsize(sys.argv[2]) / seconds / 1e6:8.1f}")
	PY
}

row() { # NAME: of tmp/tokenizer.json
	printf '%-12s' "$1"
	rate "$(best "$bin/tokenize" --base "$tmp/tokenizer.json" --length 1024 \
		"$tmp/text.txt")" "$tmp/text.txt"
	rate "$(best "$bin/tokenize" --base "$tmp/tokenizer.json" \
		--max-duplicates 1 --max-empty 1 "$tmp/text.jsonl")" \
		"$tmp/text.jsonl"
	printf ' %8s\n' "$(theirs || echo none)"
}

small() { # NAME
	jq -c --arg name "$1" '.models as $models | .variants[] |
		select(.name == $name) | .parts + {version: "1.0",
		model: ($models[.model] + .change)}' \
		tests/golden/text/tokenizers.json > "$tmp/tokenizer.json"
}

printf '%-12s %8s %8s %8s  MB/s\n' '' text jsonl tokenizers
if [ -n "${WEFT_MODEL-}" ]; then
	"$bin/st-import" "$WEFT_MODEL" | "$bin/st-export" --to hf "$tmp/hf"
	cp "$tmp/hf/tokenizer.json" "$tmp"
	row "$(basename "${WEFT_MODEL%%-*}")"
fi
for name in llama gemma; do
	small "$name"
	row "$name"
done
