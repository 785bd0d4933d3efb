#!/bin/bash
# peers.sh - the same work here and in PyTorch's stack, A B A B in one run
#
# PYTHON has torch, transformers, peft (and bitsandbytes and llama-cpp-python, for
# their rows);
# WEFT_MODEL is the GGUF file. Writes the tables of docs/performance.md, between
# its marks. TURNS: how often each; STEPS: of a training row; RECORDS: of the
# instruction rows. PAGE: another file to write. Rows that compute in bf16 are
# there where the processor does; elsewhere PyTorch takes minutes for a step.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
turns=${TURNS:-2} steps=${STEPS:-5} records=${RECORDS:-64}
page=${PAGE:-docs/performance.md}
: "${WEFT_MODEL:?the GGUF file}" "${PYTHON:=python3}"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$bin/st-import" --dtype f32 -u -o "$tmp/f32.st" "$WEFT_MODEL"
model_bases
"$bin/st-export" --to hf "$tmp/hf" < "$tmp/f32.st"
random_data $((4 * steps)) 256 > "$tmp/random.jsonl"
random_data "$steps" 1024 > "$tmp/long.jsonl"
awk -v n="$records" -f tests/bench/records.awk > "$tmp/text.jsonl"
"$bin/tokenize" --base "$tmp/nf4.st" --jsonl -o "$tmp/records.jsonl" \
	"$tmp/text.jsonl"
parameters=$(product_parameters "$tmp/nf4.st")
has_bf16=0
grep -q avx512_bf16 /proc/cpuinfo && has_bf16=1

# Each prints "best median MB".
train() { # base data options ...
	local base=$1 data=$2
	shift 2
	with_memory "$tmp/mb" "$bin/peft-step" -q -r 8 -j 2 \
		--lr-scheduler constant --log "$tmp/log" --log-times "$@" \
		-d "$tmp/$data.jsonl" -o "$tmp/a.st" "$tmp/$base.st"
}
ours() { # base options ...
	local base=$1
	shift
	train "$base" random -b 4 -g 1 --no-pack -n "$steps" "$@"
	echo "$(log_rates "$tmp/log") $(cat "$tmp/mb")"
}
ours_long() {
	train nf4 long -b 1 -g 1 --no-pack -n "$steps"
	echo "$(log_rates "$tmp/log") $(cat "$tmp/mb")"
}
ours_records() { # options ...
	train nf4 records -b 1 -g 1 --no-shuffle --length 1024 "$@"
	jq -s -r '[.[] | select(.loss)] | .[0] as $a | .[-1] as $z |
		(($z.num_input_tokens_seen - $a.num_input_tokens_seen) /
		($z.elapsed - $a.elapsed)) | "\(.) \(.)"' "$tmp/log" |
		tr '\n' ' '
	cat "$tmp/mb"
}
peft() { # f32|bf16|nf4 steps [data batch]
	"$PYTHON" tests/bench/peers_step.py "$tmp/hf" "$@" 2> "$tmp/err" ||
		{ tail -n 3 "$tmp/err" >&2; return 1; }
}
infer() { # base
	"$bench/infer" -j 2 -n 3 "$tmp/$1.st" | sed 's/.*prompt/prompt/'
}
transformers() {
	"$PYTHON" tests/bench/peers_infer.py "$tmp/hf" 3 2> "$tmp/err" ||
		{ tail -n 3 "$tmp/err" >&2; return 1; }
}
llama() {
	"$PYTHON" tests/bench/peers_llama.py "$WEFT_MODEL" 3 2> "$tmp/err" ||
		{ tail -n 1 "$tmp/err" >&2; return 1; }
}

# "GROUP NAME best median MB"; a peer that fails has no row.
row() { # group name command ...
	local group=$1 name=$2 out
	shift 2
	if out=$("$@") && [ -n "$out" ]; then
		echo "$group|$name|$out" | tee -a "$tmp/rows" >&2
	fi
}
speed() { # name command ...
	local name=$1 out
	shift
	if out=$("$@") && [ -n "$out" ]; then
		read -r _ pb pm _ db dm _ <<< "$out"
		echo "prompt|$name|$pb $pm -" | tee -a "$tmp/rows" >&2
		echo "decode|$name|$db $dm -" | tee -a "$tmp/rows" >&2
	fi
}

: > "$tmp/rows"
peak=0
for ((turn = 0; turn < turns; turn++)); do
	peak=$("$bench/peak" -j 2 | awk -v p="$peak" '{ print ($1 > p ? $1 : p) }')
	row step "Weft, f32" ours f32
	row step "PEFT, f32" peft f32 "$steps"
	row step "Weft, NF4" ours nf4
	row step "PEFT + bitsandbytes, NF4" peft nf4 "$steps"
	row step "Weft, NF4, -m 450M" ours nf4 -m 450M
	row step "Weft, NF4, one thread" ours nf4 -j 1
	row step "Weft, NF4, 1 x 1,024" ours_long
	if [ "$has_bf16" = 1 ]; then
		row step "Weft, NF4, --compute bf16" ours nf4 --compute bf16
		row step "PEFT, bf16" peft bf16 "$steps"
	fi
	row records "Weft, NF4, packed" ours_records
	row records "PEFT, f32, padded batches of 8" peft f32 1000000 \
		"$tmp/records.jsonl" 8
	row records "Weft, NF4, packed, -m 600M" ours_records -m 600M
	row records "PEFT, f32, one record at a time" peft f32 1000000 \
		"$tmp/records.jsonl" 1
	speed "Weft, NF4" infer nf4
	speed "transformers, f32" transformers
	speed "Weft, bf16" infer bf16
	speed "llama.cpp, Q4_1" llama
done

table() { # group: best and median over the turns, ratios to the first row
	awk -F '|' -v group="$1" -v limit="$2" '
	$1 != group { next }
	{ split($3, v, " ")
	  if (!($2 in n)) name[++names] = $2
	  i = ++n[$2]
	  median[$2, i] = v[2]
	  if (v[1] > best[$2]) best[$2] = v[1]
	  if (v[3] == "-" || v[3] > mb[$2]) mb[$2] = v[3] }
	function middle(who,  i, j, t) {
		for (i = 2; i <= n[who]; i++)
			for (j = i; j > 1 && median[who, j - 1] > \
			     median[who, j]; j--) {
				t = median[who, j]
				median[who, j] = median[who, j - 1]
				median[who, j - 1] = t
			}
		return median[who, int((n[who] + 1) / 2)]
	}
	function ratio(a, b) { return b ? sprintf("%.2f", a / b) : "" }
	END {
		print "| | best | median | MB | best: Weft NF4 is | median |"
		print "|---|---:|---:|---:|---:|---:|"
		for (k = 1; k <= names; k++)
			if (name[k] ~ /^Weft, NF4(, packed)?$/)
				us = name[k]
		for (k = 1; k <= names; k++) {
			w = name[k]
			printf "| %s | %.1f | %.1f | %s | %s | %s |\n", w,
				best[w], middle(w), mb[w] == "-" ? "" : mb[w],
				w == us ? "" : ratio(best[us], best[w]),
				w == us ? "" : ratio(middle(us), middle(w))
		}
		if (limit)
			printf "| limit | %.1f | | | %s | |\n", limit,
				ratio(best[us], limit)
	}' "$tmp/rows"
}

tables() {
	echo "$(machine)." \
		"Peak: $peak GFLOP/s on two threads." \
		"\`TURNS=$turns STEPS=$steps RECORDS=$records make bench-peers\`."
	"$PYTHON" -c 'import importlib.metadata as m
print("Peers: " + ", ".join(f"{n} {m.version(n)}" for n in ("torch",
      "transformers", "peft", "bitsandbytes", "llama_cpp_python") if n in {d.name for d in
      m.distributions()}) + ".")'
	printf '\n### Training: 4 sequences of 256 tokens a step, tokens/s\n\n'
	table step "$(awk -v g="$peak" -v p="$parameters" \
		'BEGIN { print g * 1e9 / 4 / p }')"
	printf '\n### Training: instruction records, real tokens/s\n\n'
	table records 0
	printf '\n### Reading a prompt of 512 tokens, tokens/s\n\n'
	table prompt 0
	printf '\n### Writing 64 tokens after it, tokens/s\n\n'
	table decode 0
	echo
}

tables > "$tmp/tables"
between_marks tables "$tmp/tables" "$page"
cat "$tmp/tables"
