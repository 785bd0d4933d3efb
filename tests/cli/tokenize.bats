#!/usr/bin/env bats
# tokenize.bats - tokenize on a command line: what it reads, shows and refuses
bats_require_minimum_version 1.5.0

setup_file() {
	export T=$BATS_FILE_TMPDIR
	# The small vocabulary of the unit tests, with ChatML's tokens.
	jq -c '.models[0] as $model | .variants[0].parts + {model: $model,
		added_tokens: [["<s>", 400], ["</s>", 401],
			["<|im_start|>", 402], ["<|im_end|>", 403]]
			| map({id: .[1], content: .[0], special: true})}' \
		tests/golden/text/tokenizers.json > "$T/tokenizer.json"
	# shellcheck disable=SC2016
	chatml='{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}'
	jq -nc --arg chatml "$chatml" '{bos_token: "<s>", eos_token: "</s>",
		chat_template: $chatml}' > "$T/tokenizer_config.json"
	printf '%s' "$chatml" > "$T/chatml.jinja"
	jq -nc '{messages: [{role: "user", content: "Hi"},
		{role: "assistant", content: "the weft"}]}' > "$T/chat.jsonl"
}

setup() {
	cd "$T" || return 1
	PATH=$BIN:$PATH
}

@test "a conversation is shown with its loss in brackets" {
	tokenize --base tokenizer.json --show chat.jsonl > out
	cat out
	grep -q '^-- record 1: [0-9]* tokens, [0-9]* with loss$' out
	grep -qx '\[the weft<|im_end|>' out
	run ! grep -q "$(printf '\033')" out
}

@test "on a terminal it is coloured, unless NO_COLOR is set" {
	command -v script > /dev/null || skip "no script(1)"
	script -qec "'$BIN/tokenize' --base tokenizer.json --show chat.jsonl" \
		typescript > out < /dev/null
	grep -q "$(printf '\033\\[32m')the weft" out
	NO_COLOR=1 script -qec \
		"'$BIN/tokenize' --base tokenizer.json --show chat.jsonl" \
		typescript > out < /dev/null
	run ! grep -q "$(printf '\033\\[32m')" out
	grep -q '\[the weft' out
}

@test "a stranger's text cannot command a terminal" {
	jq -nc '{text: "a\u001b[2Jb"}' > escape.jsonl
	tokenize --base tokenizer.json --show escape.jsonl > out
	grep -qF '\x1b[2Jb' out
	run ! grep -q "$(printf '\033')" out
}

@test "stream, JSON lines and report agree" {
	jq -nc 'range(300) | {text: ("the weft \(.)" * (1 + . % 7))}' > text.jsonl
	tokenize --base tokenizer.json -o a.st text.jsonl
	tokenize --base tokenizer.json --jsonl text.jsonl > a.jsonl
	tokenize --jsonl a.jsonl | cmp - a.jsonl
	tokenize a.jsonl > b.st
	st-check a.st > said
	st-diff a.st b.st
	tokenize --base tokenizer.json --report text.jsonl > report
	tokens=$(jq -s 'map(.input_ids | length) | add' a.jsonl)
	[ "$(jq .samples report)" -eq 300 ]
	[ "$(jq .tokens report)" -eq "$tokens" ]
	[ "$(jq .labels report)" -eq $((tokens - 300)) ]
	[ "$(jq .with_end report)" -eq 300 ]
	st-ls a.st | grep -q "300 samples, $tokens tokens"
}

@test "files are read one after the other, standard input as a file" {
	tokenize --base tokenizer.json --jsonl chat.jsonl chat.jsonl > two
	[ "$(wc -l < two)" -eq 2 ]
	tokenize --base tokenizer.json --jsonl < chat.jsonl > one
	head -n 1 two | cmp - one
	cat chat.jsonl chat.jsonl | tokenize --base tokenizer.json --jsonl - |
		cmp - two
}

@test "a pretty-printed array is the same as lines" {
	jq -s . chat.jsonl > chat.json
	tokenize --base tokenizer.json --jsonl chat.json > a
	tokenize --base tokenizer.json --jsonl chat.jsonl | cmp - a
}

@test "long samples are cut or left out, and that is said" {
	jq -nc '{input_ids: [range(9)]}, {input_ids: [1, 2]}' > long.jsonl
	tokenize --length 4 --jsonl long.jsonl > out 2> err
	[ "$(jq -c .input_ids out | head -n 1)" = "[0,1,2,3]" ]
	grep -q '^tokenize: 1 samples cut to 4 tokens, 0 left out$' err
	tokenize --length 4 --drop-long --jsonl long.jsonl > out 2> err
	[ "$(wc -l < out)" -eq 1 ]
	grep -q '0 samples cut to 4 tokens, 1 left out' err
	tokenize -q --length 4 --report long.jsonl > out 2> err
	[ ! -s err ]
	[ "$(jq .truncated out)" -eq 1 ]
}

@test "text is cut into rows; --limit ends early" {
	for i in $(seq 200); do echo "Row $i of the weft."; done > text.txt
	tokenize --base tokenizer.json --length 64 --jsonl text.txt > rows
	[ "$(jq -s '.[:-1] | all(.input_ids | length == 64)' rows)" = true ]
	[ "$(wc -l < rows)" -gt 20 ]
	tokenize --base tokenizer.json --length 64 --jsonl -L 3 text.txt > some
	head -n 3 rows | cmp - some
}

@test "bad data are refused with file and record, and nothing is whole" {
	refuse() { # what it says, the data
		local status=0
		printf '%s\n' "$2" > bad.jsonl
		tokenize --base tokenizer.json bad.jsonl > bad.st 2> err ||
			status=$?
		cat err
		[ "$status" -eq 65 ]
		[ "$(wc -l < err)" -eq 1 ]
		grep -qF "tokenize: bad.jsonl: record $1" err
		! st-check bad.st > said 2>&1
	}
	good='{"text": "the weft"}'
	refuse '2: it has no labelled token' \
		'{"input_ids": [1, 2]}{"input_ids": [1, 2], "labels": [2, -100]}'
	refuse '1: it begins with two BOS' '{"text": "<s><s>the"}'
	refuse '2: it is not of the first record' "$good {\"prompt\": \"a\"}"
	refuse '2: line 1' "$good {\"text\": nonsense}"
	refuse '2: the file ends inside it' "$good {\"text\": \"a"
	refuse '1: token 0 is 404, beyond the vocabulary' '{"input_ids": [404, 1]}'
	refuse '1: it has tools' '{"messages": [], "tools": [{}]}'
	refuse "1: line 1, column 20: duplicate object key" \
		'{"text": "a", "text": "b"}'
}

@test "a template that is not the tokenizer's is refused with the remedy" {
	run -65 --separate-stderr tokenize --base tokenizer.json \
		--template llama3 --jsonl chat.jsonl
	[[ "$stderr" == *"'<|eot_id|>', which is no token"*--template* ]]
	run -78 --separate-stderr tokenize --base tokenizer.json \
		--template nosuch --jsonl chat.jsonl
	[[ "$stderr" == *"chatml"* ]]
	jq 'del(.chat_template)' tokenizer_config.json > other
	mkdir -p plain
	cp tokenizer.json plain && mv other plain/tokenizer_config.json
	run -78 --separate-stderr tokenize --base plain --jsonl chat.jsonl
	[[ "$stderr" == *"the model has no chat template"* ]]
	echo '{% for m in messages %}{{ m.content }}{% endfor %}' \
		> plain/chat_template.jinja
	run -65 --separate-stderr tokenize --base plain --jsonl chat.jsonl
	[[ "$stderr" == *"nothing ends a turn in the template chat_template"* ]]
	cp chatml.jinja plain/chat_template.jinja
	tokenize --base plain --jsonl chat.jsonl > out
}

@test "a file, a named one of the model's list, or the model's own template" {
	tokenize --base tokenizer.json --jsonl chat.jsonl > own
	tokenize --base tokenizer.json --template chatml --jsonl chat.jsonl |
		cmp - own
	tokenize --base tokenizer.json --template ./chatml.jinja --jsonl \
		chat.jsonl | cmp - own
	mkdir -p list
	cp tokenizer.json list
	jq '.chat_template = [{name: "default", template: .chat_template},
		{name: "loud", template: (.chat_template |
			sub("m.content"; "m.content | upper"))}]' \
		tokenizer_config.json > list/tokenizer_config.json
	tokenize --base list --jsonl chat.jsonl | cmp - own
	tokenize --base list --template loud --show chat.jsonl > loud
	grep -qx '\[THE WEFT<|im_end|>' loud
	run -66 --separate-stderr tokenize --base list --template no.jinja \
		chat.jsonl
	echo '{% for m in messages %}{{ m.content ~ tail }}<|im_end|>{% endfor %}' \
		> tail.jinja
	tokenize --base list --template tail.jinja \
		--template-variables '{"tail": " ends"}' --show chat.jsonl > tail
	grep -qx 'Hi ends<|im_end|>\[the weft ends<|im_end|>\]' tail
	run -64 --separate-stderr tokenize --base list --template-variables '[]' \
		chat.jsonl
	echo '{% include "x" %}' > bad.jinja
	run -65 --separate-stderr tokenize --base list --template bad.jinja \
		chat.jsonl
	[[ "$stderr" == *"bad.jinja: template: line 1: 'include' is not supported" ]]
}

@test "special tokens that only older files name" {
	mkdir -p old
	cp tokenizer.json old
	echo '{"prompt": "the", "completion": " weft"}' > qa.jsonl
	# None at all; special_tokens_map.json, beside a config that says null.
	run -65 --separate-stderr tokenize --base old --show qa.jsonl
	[[ $stderr == *"no stop token is learned"*eos_token* ]]
	echo '{"bos_token": null, "model_max_length": 1024}' \
		> old/tokenizer_config.json
	echo '{"bos_token": "<s>", "eos_token": {"content": "</s>",
		"lstrip": false}, "pad_token": "none of its"}' \
		> old/special_tokens_map.json
	tokenize --base old --jsonl qa.jsonl > map
	[ "$(jq -c '.labels[-1]' map)" -eq 401 ]
	# What tokenizer_config.json says counts more.
	echo '{"eos_token": "<|im_end|>"}' > old/tokenizer_config.json
	tokenize --base old --jsonl qa.jsonl > both
	[ "$(jq -c '.labels[-1]' both)" -eq 403 ]
	# GPT-2's directory has it as an id of config.json alone.
	rm old/special_tokens_map.json
	echo '{"model_max_length": 1024}' > old/tokenizer_config.json
	echo '{"eos_token_id": [401, 5]}' > old/config.json
	tokenize --base old/tokenizer.json --jsonl qa.jsonl | cmp - map
	echo '{"eos_token_id": 7}' > old/config.json    # is no special one
	run -65 tokenize --base old --show qa.jsonl
	echo '{' > old/special_tokens_map.json
	run -65 --separate-stderr tokenize --base old --show qa.jsonl
	[[ $stderr == *"old: special_tokens_map.json: "* ]]
}

@test "no tokenizer, no input, no place to write" {
	run -65 --separate-stderr tokenize --jsonl chat.jsonl
	[[ "$stderr" == *"needs a tokenizer"* ]]
	run -66 --separate-stderr tokenize --base nothing chat.jsonl
	run -66 --separate-stderr tokenize --base tokenizer.json nothing
	run -73 --separate-stderr tokenize --base tokenizer.json \
		-o nowhere/x.st chat.jsonl
	run -64 --separate-stderr tokenize --nonsense
	mkdir -p empty
	run -65 --separate-stderr tokenize --base empty chat.jsonl
	[[ "$stderr" == *"no tokenizer.json"* ]]
	status=0
	tokenize --base tokenizer.json --report chat.jsonl > /dev/full ||
		status=$?
	[ "$status" -eq 74 ]
}

@test "a text that is no UTF-8 is refused, and where is said" {
	{ printf 'a line\n%.0s' $(seq 200000); printf 'caf\351\n'; } > latin.txt
	run -65 --separate-stderr tokenize --base tokenizer.json \
		--length 64 --jsonl latin.txt
	[ "$stderr" = "tokenize: latin.txt: byte 1400003 is no UTF-8" ]
	printf 'caf\303\251\n' > utf8.txt
	tokenize --base tokenizer.json --jsonl utf8.txt
}
