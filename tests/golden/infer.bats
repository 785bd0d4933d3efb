#!/usr/bin/env bats
# infer.bats - golden G and H: perplexity, greedy answers, multiple choice of
# the real model
bats_require_minimum_version 1.5.0

golden=${GOLDEN:-$BATS_TEST_DIRNAME}

setup_file() {
	export TMP=$BATS_FILE_TMPDIR
	[ -n "${WEFT_MODEL-}" ] || return 0
	"$BIN/st-import" -o "$TMP/base.st" "$WEFT_MODEL"
}

setup() {
	[ -n "${WEFT_MODEL-}" ] || skip "WEFT_MODEL is not set"
}

# near A B TOLERANCE CASE QUANTITY: for docs/parity.md too
near() {
	[ -z "${PARITY-}" ] || awk -v a="$1" -v b="$2" -v t="$3" -v c="$4" \
		-v q="$5" 'BEGIN { d = a - b; if (d < 0) d = -d
		printf "%s\t%s\t%.3g\t%.3g\n", c, q, d, t }' >> "$PARITY"
	awk -v a="$1" -v b="$2" -v t="$3" \
		'BEGIN { d = a - b; exit !(d <= t && -d <= t) }' || {
		echo "$1 is not within $3 of $2"
		return 1
	}
}

ppl() { # window stride key
	local tokens want
	tokens=$(jq .tokens "$golden/G/perplexity/case.json")
	want=$(jq ".\"mean_nll.$3\"" "$golden/G/perplexity/case.json")
	"$BIN/eval" -t ppl -d "$golden/G/perplexity.txt" -L "$tokens" \
		--length "$1" --stride "$2" "$TMP/base.st" > "$TMP/ppl.json"
	near "$(jq .loss "$TMP/ppl.json")" "$want" 1e-4 G/perplexity "mean loss, $3"
}

@test "perplexity in windows of 512 is the reference's" {
	ppl 512 0 w512
}

@test "perplexity in overlapping windows is the reference's" {
	ppl 1024 512 slide1024_512
}

@test "greedy answers are the reference's, token for token" {
	differ=0
	new=$(jq .max_new_tokens "$golden/G/generate/case.json")
	n=$(jq '.chats | length' "$golden/G/generate/case.json")
	for i in $(seq 0 $((n - 1))); do
		chat=".chats[$i]"
		user=$(jq -r "$chat.user" "$golden/G/generate/case.json")
		want=$(jq -r "$chat.new_ids | join(\" \")" \
			"$golden/G/generate/case.json")
		got=$("$BIN/generate" --chat --ids -n "$new" -p "$user" \
			"$TMP/base.st")
		[ "$got" = "$want" ] && continue
		echo "want $want"
		echo "got  $got"
		differ=$((differ + 1))
	done
	near "$differ" 0 0 G/generate "answers that differ"
}

# $1: letters or cloze; the log-likelihoods, one a line
scores() {
	jq -r '.resps[][0]' "$TMP/$1.log"
}

mc() { # kind
	"$BIN/eval" -t mc -d "$TMP/$1.jsonl" --log-samples "$TMP/$1.log" \
		"$TMP/base.st" > "$TMP/$1.json"
	jq -r ".cases[].$1[]" "$golden/H/mmlu/case.json" > "$TMP/$1.want"
	scores "$1" | paste - "$TMP/$1.want" | awk '
		{ d = $1 - $2; if (d < 0) d = -d; if (d > 2e-3) bad = 1
		  if (d > most) most = d }
		END { print most; exit bad || !NR }' > "$TMP/most" || {
		cat "$TMP/most"
		return 1
	}
	near "$(cat "$TMP/most")" 0 2e-3 H/mmlu "log-likelihoods, $1"
}

accuracy() { # kind metric key
	near "$(jq ".results.mc.\"$2,none\"" "$TMP/$1.json")" \
		"$(jq ".$3" "$golden/H/mmlu/case.json")" 1e-9 H/mmlu "$3"
}

@test "multiple choice by letters has the reference's likelihoods" {
	jq -c '.cases[] | {prompt, choices: ["A", "B", "C", "D"], gold}' \
		"$golden/H/mmlu/case.json" > "$TMP/letters.jsonl"
	mc letters
	accuracy letters acc letters_acc
}

@test "multiple choice by texts has the reference's likelihoods" {
	jq -c '.cases[] | {question, choices, gold}' \
		"$golden/H/mmlu/case.json" > "$TMP/cloze.jsonl"
	mc cloze
	accuracy cloze acc cloze_acc
	accuracy cloze acc_norm cloze_acc_norm
}

described() { # kind doc_to_text doc_to_choice
	jq -c '.cases[]' "$golden/H/mmlu/case.json" > "$TMP/cases.jsonl"
	jq -nc --arg name "$1" --arg text "$2" --argjson choices "$3" \
		'{task: $name, data: "cases.jsonl", doc_to_text: $text,
		output_type: "multiple_choice", doc_to_choice: $choices,
		doc_to_target: "gold"}' > "$TMP/$1.task.json"
	"$BIN/eval" -t "$TMP/$1.task.json" --log-samples "$TMP/$1.log" \
		"$TMP/base.st" > "$TMP/$1.json"
	jq -r ".cases[].$1[]" "$golden/H/mmlu/case.json" > "$TMP/$1.want"
	jq -r '.resps[][0][0]' "$TMP/$1.log" | paste - "$TMP/$1.want" | awk '
		{ d = $1 - $2; if (d < 0) d = -d; if (d > most) most = d }
		END { print NR == 240 ? most : 1 }' > "$TMP/most"
	near "$(cat "$TMP/most")" 0 2e-3 H/mmlu \
		"log-likelihoods, $1, by a description"
}

@test "a described task has the reference's likelihoods and accuracies" {
	described letters prompt '["A", "B", "C", "D"]'
	near "$(jq '.results.letters."acc,none"' "$TMP/letters.json")" \
		"$(jq .letters_acc "$golden/H/mmlu/case.json")" 1e-9 H/mmlu \
		"letters_acc, by a description"
	described cloze 'Question: {{question}}
Answer:' '"{{choices}}"'
	for key in acc acc_norm; do
		near "$(jq ".results.cloze.\"$key,none\"" "$TMP/cloze.json")" \
			"$(jq ".cloze_$key" "$golden/H/mmlu/case.json")" 1e-9 \
			H/mmlu "cloze_$key, by a description"
	done
	# Would greedy decoding have written it?
	jq -c '[.filtered_resps[][1]]' "$TMP/cloze.log" |
		cmp - <(jq -c '.cases[].cloze_is_greedy' \
			"$golden/H/mmlu/case.json")
}
