#!/usr/bin/env bats
# pipelines.bats - every paper's Makefile runs to its report on a tiny model,
# goes on where it was stopped, and does nothing twice
bats_require_minimum_version 1.5.0

load model.sh

setup_file() {
	export T=$BATS_FILE_TMPDIR M=$BATS_FILE_TMPDIR/model
	export PIPELINES=$PWD/pipelines
	byte_model "$M"
	printf 'A weaver draws the weft through the warp.\n' > "$T/text"
}

setup() {
	cd "$T" || return 1
}

pipeline() { # NAME VARIABLE=VALUE ...
	local name=$1
	shift
	${LEAD-} make --no-print-directory -f "$PIPELINES/$name.mk" BIN="$BIN" \
		OUT="$T/$name" SHARED="$T/shared" MODEL="$M" TEXT="$T/text" \
		TRAIN_STORIES=12 TEST_STORIES=2 STEPS=10 STEP_MORE=-q "$@"
}

# The states of a report, joined; every number of its table is one.
states() { # NAME
	awk -F '\t' '{ printf "%s%s", (NR > 1 ? " " : ""), $1
		for (i = 2; i <= NF; i++)
			if ($i !~ /^[0-9]+(\.[0-9]+)?$/)
				printf " (%s)", $i }' "$T/$1/results.tsv"
}

field() { # NAME STATE NUMBER
	awk -F '\t' -v s="$2" -v n="$3" '$1 == s { print $n }' \
		"$T/$1/results.tsv"
}

# Bits, loss and perplexity of a state are those of another.
same() { # NAME STATE STATE FIELD ...
	local name=$1 a=$2 b=$3 f
	shift 3
	for f; do
		[ "$(field "$name" "$a" "$f")" = "$(field "$name" "$b" "$f")" ]
	done
}

@test "LoRA, QLoRA, IR-QLoRA: measured before and after, merged the same" {
	for name in lora qlora irqlora; do
		pipeline $name
		grep -q 'relative RMS' $name/report.txt
		same $name tuned merged 4 5 6 7
		awk -v a="$(field $name base 4)" -v b="$(field $name tuned 4)" \
			'BEGIN { exit !(b < a) }'
	done
	[ "$(states lora)" = 'base tuned merged' ]
	[ "$(states qlora)" = 'base quantised tuned merged' ]
	[ "$(states irqlora)" = "$(states qlora)" ]
	[ "$(field qlora merged 2)" = 32.000 ]
	grep -q '"entropy' irqlora/entropy.jsonl
}

@test "QA-LoRA: what is merged has as few bits, and says the same" {
	pipeline qalora
	[ "$(states qalora)" = 'base quantised tuned merged' ]
	same qalora tuned merged 2 4 5 6 7
	pipeline qalora OUT="$T/rounded" GPTQ=
	[ "$(field rounded quantised 4)" != "$(field qalora quantised 4)" ]
}

@test "ModuLoRA: any quantiser, and no merge" {
	pipeline modulora
	[ "$(states modulora)" = 'base quantised tuned' ]
	[ "$(field modulora tuned 2)" = 5.000 ]
	rm -r modulora
	pipeline modulora QUANTISE="$BIN/quantize-nf4 -"
	[ "$(field modulora tuned 2)" = 4.132 ]
}

@test "prompt tuning: nothing to merge" {
	"$BIN/peft-step" --help | grep -q virtual-tokens ||
		skip "no soft prompts here"
	pipeline prompt
	[ "$(states prompt)" = 'base tuned' ]
	awk -v a="$(field prompt base 4)" -v b="$(field prompt tuned 4)" \
		'BEGIN { exit !(b < a) }'
}

@test "AdaLoRA: the report shows where ranks stayed" {
	pipeline adalora
	[ "$(states adalora)" = 'base tuned merged' ]
	[ "$(wc -l < adalora/ranks.txt)" -eq 7 ]
	# 14 modules of 8 ranks on average, as the plot has them
	awk '{ sum += $(NF - 3) } END { exit !(sum * 2 == 14 * 8) }' \
		adalora/ranks.txt
	tail -n 7 adalora/report.txt | cmp - adalora/ranks.txt
	[ "$(tail -n 1 adalora/ranks.svg)" = '</svg>' ]
	run -65 awk -f "$PIPELINES/ranks.awk" text
	# a module that lost all of its ranks is there
	[ "$(printf '%s\tm.%s.q\tadalora\t%s\t4\n' 0 0 4 1 1 0 2 2 1 |
		awk -f "$PIPELINES/ranks.awk")" = \
		'q            █ ▂   0   1.7  4 of 4' ]
}

@test "Guanaco: a chat, asked before and after" {
	pipeline guanaco SHARED="$T/guanaco" TEXT= RANK=16 STEPS=10 \
		TEMPLATE="$M/turns.jinja"
	[ "$(states guanaco)" = 'base (-) (-) (-) quantised (-) (-) (-) tuned (-) (-) (-) merged (-) (-) (-)' ]
	[ "$(grep -c -A 2 '^Who are you?' guanaco/report.txt)" -eq 1 ]
}

@test "merging: two adapters, six ways each" {
	pipeline merging LORA="$T/lora" QLORA="$T/qlora"
	[ "$(wc -l < merging/results.tsv)" -eq 12 ]
	# as the pipelines themselves found
	[ "$(field merging full-beside-full 4)" = "$(field lora tuned 4)" ]
	[ "$(field merging nf4-beside-nf4 4)" = "$(field qlora tuned 4)" ]
	same merging full-beside-full full-into-full 4 7
	same merging nf4-beside-nf4 nf4-into-nf4 4 7
	[ "$(field merging nf4-into-nf4-nf4 2)" = 4.132 ]
	# alone, and then nothing twice
	pipeline merging OUT="$T/alone" SHARED="$T/alone" TEXT=
	run -0 pipeline merging OUT="$T/alone" SHARED="$T/alone" TEXT=
	[ "$output" = "$(cat alone/report.txt)" ]
}

@test "a second run does nothing, a stopped training goes on" {
	pipeline qlora
	run -0 pipeline qlora
	[ "$output" = "$(cat qlora/report.txt)" ]
	# The whole group gets the signal, as from a terminal.
	pipeline qlora STEPS=300
	mv qlora/adapter.st whole.st
	rm qlora/tuned.* qlora/merged.* qlora/re* qlora/train.log
	LEAD='exec setsid' pipeline qlora STEPS=300 3>&- > stopped 2>&1 \
		STEP_MORE='-q --checkpoint-every 1' &
	pid=$!
	until [ "$(cat qlora/train.log 2> /dev/null | wc -l)" -gt 4 ]; do
		kill -0 $pid
	done
	kill -TERM -- -$pid
	if wait $pid; then false; fi
	[ -s qlora/adapter.st.ckpt ]
	[ ! -e qlora/adapter.st ]
	pipeline qlora STEPS=300
	cmp qlora/adapter.st whole.st
	[ ! -e qlora/adapter.st.ckpt ]
	# Another rate is another training; the base stays.
	made=$(stat -c %y qlora/quantised.st)
	pipeline qlora RATE=1e-3
	! cmp -s qlora/adapter.st whole.st
	[ "$(stat -c %y qlora/quantised.st)" = "$made" ]
	pipeline qlora TRAIN_STORIES=11
	[ "$(wc -l < shared/learn.jsonl)" -eq 11 ]
}

@test "one's own questions: SQuAD's JSON, and what it asks to be measured on" {
	jq -nc '{version: "v2.0", data: [{title: "A \"b\"", paragraphs: [
		{qas: [{question: "What \\ \"is\" it?", id: "1", answers: [
			{text: "x\"y\\", answer_start: 3}, {text: "xy"}]},
		{plausible_answers: [{text: "no"}], question: "Q", id: "2",
			answers: [], is_impossible: true}],
			context: "C1 {[ é"},
		{context: "C2", qas: [{answers: [{answer_start: 1, text: "aa"}],
			question: "q3", id: "3"}]}]}]}' > squad.json
	run --separate-stderr -0 awk -f "$PIPELINES/squad.awk" squad.json
	[ "$stderr" = 'squad.awk: left out: 1 questions without an answer' ]
	jq -es '. == [
		{prompt: "C1 {[ é\n\nQuestion: What \\ \"is\" it?\nAnswer:",
		 completion: " x\"y\\", answers: ["x\"y\\", "xy"]},
		{prompt: "C2\n\nQuestion: q3\nAnswer:", completion: " aa",
		 answers: ["aa"]}]' <<< "$output"
	# Lines, answers as texts or as Hugging Face has them; escapes stay.
	jq -nc '{context: "a\n\u0001", question: "b", answers: ["c", "d"]},
		{answers: {text: ["c", "d"], answer_start: [1, 2]},
		 question: "b", context: "a\n\u0001"}' > lines.jsonl
	awk -f "$PIPELINES/squad.awk" lines.jsonl > out
	[ "$(sort -u out | wc -l)" -eq 1 ]
	[ "$(wc -l < out)" -eq 2 ]
	jq -es '.[0].prompt == "a\n\u0001\n\nQuestion: b\nAnswer:"' out
	[ "$(awk -v most=1 -f "$PIPELINES/squad.awk" lines.jsonl | wc -l)" -eq 1 ]
	head -c 200 squad.json > cut.json
	run -65 awk -f "$PIPELINES/squad.awk" cut.json
	run -65 awk -f "$PIPELINES/squad.awk" "$PIPELINES/data/weft-test.jsonl"
	run -2 pipeline own DATA=squad.json
	run -2 pipeline qlora OUT="$T/own" SHARED="$T/own" DATA=squad.json
	[[ $output == *"DATA wants TEST"* ]]
	pipeline qlora OUT="$T/own" SHARED="$T/own" DATA=squad.json \
		TEST=lines.jsonl ASKED=1
	[ "$(wc -l < own/ask.jsonl)" -eq 1 ]
}

@test "stories: the same on every machine, all told, all answered" {
	awk -v seed=1 -v n=300 -f "$PIPELINES/questions.awk" > one
	awk -v seed=2 -v n=300 -f "$PIPELINES/questions.awk" > two
	[ "$(cksum < one)" = "828591917 125669" ]
	jq -es 'length == 300 and all(.[]; .context as $c | any(.answers[];
		. as $a | $c | contains($a)))' one
	[ "$(jq -r .question one | awk '{ print $1 }' | sort -u | tr '\n' ' ')" \
		= 'Near Until What When Where Who Why ' ]
	[ "$(sort -u one two | wc -l)" -eq 600 ]
}
