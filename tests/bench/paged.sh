#!/bin/bash
# paged.sh - what a pager costs where everything fits
#
# LoRA r=8 on all linear layers of the real model (WEFT_MODEL, the GGUF file) in
# NF4, two threads, a sequence of 512 tokens a step: held, in pages that all fit,
# and with the optimizer's states in pages too, by turns (TURNS, each of STEPS
# steps, the first left out). tokens/s: of the best step of all turns, and the
# median of the turns' medians; the ratio to the first row is of the step's
# times. CPU: the processors' seconds a step, first and last of a run taken
# together, which neighbours disturb less.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
begin_with_model paged
steps=${STEPS:-8} turns=${TURNS:-4}
random_data "$steps" 512 > "$tmp/512.jsonl"
model_bases

ways=(held pages states)
options_of() { # WAY
	case $1 in
	held) ;;
	pages) echo --page-memory 900M ;;
	states) echo --page-memory 900M --page-optimizer ;;
	esac
}
# User and system seconds of all that have ended; FILE, since a shell inside this
# one has children of its own.
children() { # FILE
	times > "$1.times"
	tail -n 1 "$1.times" | awk '{ gsub("[ms]", " ")
		print $1 * 60 + $2 + $3 * 60 + $4 }' > "$1"
}
turn() { # WAY
	children "$tmp/before"
	# shellcheck disable=SC2046 # words
	run_steps nf4 512 2 -b 1 -g 1 -r 8 $(options_of "$1") > "$tmp/rates"
	children "$tmp/after"
	paste -d ' ' "$tmp/rates" "$tmp/before" "$tmp/after" |
		awk -v n="$steps" '{ print $1, $2, $3, ($5 - $4) / n }' \
			>> "$tmp/$1.turns"
}

for ((i = 0; i < turns; i++)); do
	for way in "${ways[@]}"; do
		turn "$way"
	done
done
printf '%-10s %8s %8s %8s %8s %8s %8s\n' "" best median "best:" "median:" \
	CPU MB
for way in "${ways[@]}"; do
	sort -g -k 2 "$tmp/$way.turns" | awk -v way="$way" '
		$1 > best { best = $1 }
		{ middle[NR] = $2 }
		NR == 1 || $4 < cpu { cpu = $4 }
		{ mb = $3 }
		END { print way, best, middle[int((NR + 1) / 2)], cpu, mb }'
done | awk '
	NR == 1 { best = $2; median = $3 }
	{ printf "%-10s %8.1f %8.1f %8.3f %8.3f %8.2f %8d\n", $1, $2, $3,
		best / $2, median / $3, $4, $5 }'
