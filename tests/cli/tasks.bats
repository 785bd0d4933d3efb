#!/usr/bin/env bats
# tasks.bats - described tasks on a command line: few-shot, results, samples
bats_require_minimum_version 1.5.0

load model.sh

setup_file() {
	export T=$BATS_FILE_TMPDIR M=$BATS_FILE_TMPDIR/model
	byte_model "$M"
	mkdir -p "$T/tasks"
	jq -nc 'range(6) | {q: "\(.) and 1", wrong: "\(. + 3)", right: "\(. + 1)",
		gold: (. % 2), text: ("a word. " * (. + 1))}' > "$T/tasks/docs.jsonl"
	jq -nc '{task: "sums", data: "docs.jsonl", output_type: "multiple_choice",
		doc_to_text: "{{q}} =", doc_to_choice: "{{[right, wrong]}}",
		doc_to_target: "right", metadata: {version: 2}}' \
		> "$T/tasks/sums.json"
	jq -nc '{task: "write", data: "docs.jsonl", doc_to_text: "{{q}} =",
		doc_to_target: " {{right}}", generation_kwargs: {until: ["e"],
		max_gen_toks: 3}, metric_list: ["exact_match", "f1"],
		filter_list: [{name: "none", filter: []}, {name: "digit", filter:
		[{function: "regex", regex_pattern: "[0-9]"}]}]}' \
		> "$T/tasks/write.json"
	jq -nc '{task: "roll", data: "docs.jsonl", doc_to_target: "text",
		output_type: "loglikelihood_rolling"}' > "$T/tasks/roll.json"
}

setup() {
	cd "$T" || return 1
	PATH=$BIN:$PATH
}

@test "results have that harness' keys" {
	"$BIN/eval" -t tasks/sums.json,tasks/write.json -t tasks/roll.json \
		"$M" > out
	[ "$(jq -c '.results | keys' out)" = '["roll","sums","write"]' ]
	[ "$(jq -c '.results.sums | keys_unsorted' out)" = \
		'["alias","acc,none","acc_stderr,none","acc_norm,none","acc_norm_stderr,none"]' ]
	[ "$(jq -c '.results.write | keys_unsorted | map(select(test("digit")))' out)" = \
		'["exact_match,digit","exact_match_stderr,digit","f1,digit","f1_stderr,digit"]' ]
	[ "$(jq -r '.results.roll."word_perplexity_stderr,none"' out)" = N/A ]
	[ "$(jq -c '."n-samples".sums' out)" = '{"original":6,"effective":6}' ]
	[ "$(jq -c '."n-shot"' out)" = '{"sums":0,"write":0,"roll":0}' ]
	[ "$(jq .versions.sums out)" -eq 2 ]
	[ "$(jq -c '.higher_is_better.roll.bits_per_byte' out)" = false ]
	[ "$(jq -c '.configs.sums.doc_to_text' out)" = '"{{q}} ="' ]
	# The three of a rolling task are one number.
	jq -e '.results.roll | (."bits_per_byte,none" * (2 | log) | exp) as $b |
		(."byte_perplexity,none" - $b | fabs) < 1e-9 * $b' out
	"$BIN/eval" -t tasks/sums.json --require 'sums.acc>=0' "$M" > again
	run -1 "$BIN/eval" -t tasks/sums.json --require 'acc>1' "$M"
}

@test "samples say what was asked, answered and counted" {
	"$BIN/eval" -t tasks/sums.json -f 2 -L 3 --log-samples s "$M" > out
	[ "$(wc -l < s)" -eq 3 ]
	[ "$(jq -c '."n-samples".sums' out)" = '{"original":6,"effective":3}' ]
	[ "$(jq '."n-shot".sums' out)" -eq 2 ]
	# The first two that are not the one that is asked.
	[ "$(jq -r 'select(.doc_id == 1) | .arguments[0][0]' s)" = \
"0 and 1 = 1

2 and 1 = 3

1 and 1 =" ]
	[ "$(jq -c 'select(.doc_id == 1) | [.arguments[][1]]' s)" = '[" 2"," 4"]' ]
	[ "$(jq -s 'map(.acc) | add / 3' s)" = "$(jq '.results.sums."acc,none"' out)" ]
	jq -e '(.filtered_resps[0][0] > .filtered_resps[1][0]) == (.acc == 1)' s
	# The same as the question on its own, by the other task.
	jq -c '{prompt: (.q + " ="), choices: [.right, .wrong], answer: 0}' \
		tasks/docs.jsonl > mc.jsonl
	"$BIN/eval" -t mc -d mc.jsonl --log-samples mc "$M" > mc.out
	"$BIN/eval" -t tasks/sums.json --log-samples s "$M" > out
	cmp <(jq -c '[.resps[][0]]' mc) <(jq -c '[.filtered_resps[][0]]' s)
	[ "$(jq '.results.mc."acc_norm_stderr,none"' mc.out)" = \
		"$(jq '.results.sums."acc_norm_stderr,none"' out)" ]
}

@test "answers end at what ends them, and are filtered" {
	"$BIN/eval" -t tasks/write.json --log-samples s "$M" > out
	[ "$(wc -l < s)" -eq 12 ]
	jq -e '(.resps[0][0] | contains("e") | not)' s
	[ "$(jq -r 'select(.filter == "digit") | .filtered_resps[0]' s |
		grep -vc '^\([0-9]\|\[invalid\]\)$')" -eq 0 ]
	[ "$(jq -c 'select(.doc_id == 0 and .filter == "none") | .arguments' s)" = \
		'[["0 and 1 =",{"until":["e"],"max_gen_toks":3}]]' ]
	# A model's own first words are right when they are the target.
	jq -c 'select(.filter == "none") | .doc + {mine: .resps[0][0]}' s \
		> tasks/mine.jsonl
	jq '.data = "mine.jsonl" | .doc_to_target = "mine"' tasks/write.json \
		> tasks/mine.json
	"$BIN/eval" -t tasks/mine.json "$M" > out
	[ "$(jq '.results.write."exact_match,none"' out)" = 1 ]
	[ "$(jq '.results.write."exact_match_stderr,none"' out)" = 0 ]
	"$BIN/eval" -t tasks/write.json -n 1 --log-samples s "$M" > out
	jq -e '.arguments[0][1].max_gen_toks == 1' s
}

@test "a text's likelihood does not depend on where windows are cut" {
	"$BIN/eval" -t tasks/roll.json --log-samples whole "$M" > out
	[ "$(jq -s length whole)" -eq 6 ]
	# A window of 20 sees less, and still predicts each token once.
	"$BIN/eval" -t tasks/roll.json --length 20 --log-samples cut "$M" > less
	jq -s '.[0].resps' whole > a
	jq -s '.[0].resps' cut | cmp - a # nine bytes fit
	! cmp -s whole cut
	# loss of the same tokens, BOS before them
	jq -c '{input_ids: ([1] + (.text | explode)),
		labels: ([-100] + (.text | explode))}' tasks/docs.jsonl > ids.jsonl
	"$BIN/eval" -t loss -d ids.jsonl "$M" > loss
	bytes=$(jq -s 'map(.text | length) | add' tasks/docs.jsonl)
	jq -e --argjson loss "$(jq .loss loss)" \
		'(."results".roll."byte_perplexity,none" | log) - $loss |
		fabs < 1e-9' out
	[ "$(jq .tokens loss)" -eq "$bytes" ]
}

@test "what cannot be asked is refused, with file and record" {
	refuse() { # STATUS WORDS ARG ...
		local want=$1 words=$2
		shift 2
		run --separate-stderr -"$want" "$BIN/eval" "$@" "$M"
		echo "$stderr"
		[ "${#stderr_lines[@]}" -eq 1 ]
		[[ $stderr == "eval: "*"$words"* ]]
	}
	refuse 66 "tasks/none.json" -t tasks/none.json
	refuse 64 "no task 'none'" -t none
	refuse 65 "two tasks are called 'sums'" -t tasks/sums.json,./tasks/sums.json
	jq 'del(.data)' tasks/sums.json > tasks/bare.json
	refuse 65 "tasks/bare.json: it names no data: use -d" -t tasks/bare.json
	"$BIN/eval" -t tasks/bare.json -d tasks/docs.jsonl "$M" > out
	jq '.doc_to_text = "{{nobody}}"' tasks/sums.json > tasks/bad.json
	refuse 65 "tasks/docs.jsonl: record 1: there is no field 'nobody'" \
		-t tasks/bad.json
	jq '.fewshot_data = "few.jsonl" | .num_fewshot = 2' tasks/sums.json \
		> tasks/few.json
	head -n 1 tasks/docs.jsonl > tasks/few.jsonl
	refuse 65 "1 records to show, want 2" -t tasks/few.json
	echo '{' > tasks/broken.json
	refuse 65 "tasks/broken.json" -t tasks/broken.json
	jq '.doc_to_choice = "{{[right]}}"' tasks/sums.json > tasks/bad.json
	refuse 65 "record 1: 1 choices, want 2" -t tasks/bad.json
}

@test "a chat is asked through the template, in turns or in one" {
	set -- -t tasks/sums.json -f 1 -L 1 --template chatml --log-samples s "$M"
	"$BIN/eval" --apply-chat-template "$@" > out
	[ "$(jq -r '.arguments[0] | .[0] + .[1]' s)" = "<|im_start|>user
1 and 1 =<|im_end|>
<|im_start|>assistant
2<|im_end|>
<|im_start|>user
0 and 1 =<|im_end|>
<|im_start|>assistant
1" ]
	"$BIN/eval" --apply-chat-template --no-fewshot-as-multiturn "$@" > out
	[ "$(jq -r '.arguments[0] | .[0] + .[1]' s)" = "<|im_start|>user
1 and 1 = 2

0 and 1 =<|im_end|>
<|im_start|>assistant
1" ]
	run -78 "$BIN/eval" -t tasks/sums.json --apply-chat-template "$M"
}
