#!/usr/bin/env bats
# data.bats - data from several files: tables, mixing, splitting, the gate
bats_require_minimum_version 1.5.0

load memory.sh

setup_file() {
	export T=$BATS_FILE_TMPDIR
	jq -c '.models[0] as $model | .variants[0].parts + {model: $model,
		added_tokens: [["<s>", 400], ["</s>", 401],
			["<|im_start|>", 402], ["<|im_end|>", 403]]
			| map({id: .[1], content: .[0], special: true})}' \
		tests/golden/text/tokenizers.json > "$T/tokenizer.json"
	jq -nc '{bos_token: "<s>", eos_token: "</s>", chat_template:
		"<|im_start|> as ChatML"}' > "$T/tokenizer_config.json"
	# The first token says which file a sample is from.
	jq -nc 'range(70) | {input_ids: [1, 10 + .]}' > "$T/a.jsonl"
	jq -nc 'range(20) | {input_ids: [2, 10 + .]}' > "$T/b.jsonl"
	jq -nc 'range(400) | {input_ids:
		[3, 2 + . % 199, 2 + (. / 199 | floor)]}' \
		> "$T/many.jsonl"
}

setup() {
	cd "$T" || return 1
	PATH=$BIN:$PATH
	t="tokenize --base tokenizer.json"
}

from() { jq -r '.input_ids[0]' "$@" | tr -d '\n'; }

@test "a table gives what its records as JSON do" {
	printf 'id,question,answer\r\n1,"What, then?","A ""weft""\nand more"\r\n2,b,c\r\n' \
		> qa.csv
	printf '%s' '{"prompt": "What, then?", "completion": "A \"weft\"\nand more"}
		{"prompt": "b", "completion": "c"}' > qa.jsonl
	$t --jsonl qa.jsonl > want
	[ "$(wc -l < want)" -eq 2 ]
	$t --columns prompt=question,completion=answer --jsonl qa.csv > got
	cmp want got
	$t --data-format csv --column_mapping prompt=question,completion=answer \
		--jsonl < qa.csv | cmp - want
	tr , '\t' < qa.csv | sed 's/What\t/What,/' > qa.tsv
	$t --columns prompt=question,completion=answer --jsonl qa.tsv |
		cmp - want
	run -65 --separate-stderr $t --jsonl qa.csv
	[[ "$stderr" == *"--columns"* ]]
	run -64 --separate-stderr $t --columns nonsense qa.csv
	run -65 --separate-stderr $t --data-format json qa.csv
}

@test "a list of messages may be a text of JSON, as tables have it" {
	list='[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "A"}]'
	printf '{"messages": %s}' "$list" > own.jsonl
	$t --template chatml --add-token '<|im_end|>' --jsonl own.jsonl > want
	jq -c '.messages |= tojson' own.jsonl > text.jsonl
	$t --template chatml --add-token '<|im_end|>' --jsonl text.jsonl | cmp - want
	printf 'messages\n"%s"\n' "$(echo "$list" | sed 's/"/""/g')" > t.csv
	$t --template chatml --add-token '<|im_end|>' --jsonl t.csv | cmp - want
	echo '{"messages": "[{"}' > bad.jsonl
	run -65 --separate-stderr $t --template chatml --jsonl bad.jsonl
	[[ "$stderr" == *"record 1: the text in messages: "* ]]
}

@test "files are mixed by their weights, to a sample, until the first ends" {
	tokenize --mix 0.7,0.3 --jsonl a.jsonl b.jsonl > mixed
	# 20 of b's, and as many of a's as come before a 21st.
	[ "$(from mixed | tr -d 1 | wc -c)" -eq 20 ]
	[ "$(from mixed | tr -d 2 | wc -c)" -eq 49 ]
	for n in 10 20 50; do
		[ "$(from mixed | head -c $n | tr -d 1 | wc -c)" -eq $((n * 3 / 10)) ]
	done
	# Each file's samples keep their order.
	jq -c 'select(.input_ids[0] == 2)' mixed > of_b
	tokenize --jsonl b.jsonl | jq -c . | cmp - of_b
	tokenize --mix 7,3 --jsonl a.jsonl b.jsonl | cmp - mixed
	tokenize -o a.st a.jsonl
	tokenize --mix 0.7,0.3 --jsonl a.st b.jsonl | cmp - mixed
	run -64 --separate-stderr tokenize --mix 1 --jsonl a.jsonl b.jsonl
	[ "$stderr" = "tokenize: --mix: 1 weights for 2 files" ]
	run -64 --separate-stderr tokenize --mix 1,0 --jsonl a.jsonl b.jsonl
	run -64 --separate-stderr tokenize --mix 1,x --jsonl a.jsonl b.jsonl
}

@test "a file that ends may start over until all have ended" {
	tokenize --mix 0.5,0.5 --mix-strategy over --jsonl a.jsonl b.jsonl > mixed
	# All of a's; b's between them, 3.5 times over.
	[ "$(from mixed | tr -d 2 | wc -c)" -eq 70 ]
	[ "$(from mixed | tr -d 1 | wc -c)" -eq 70 ]
	jq -c 'select(.input_ids[0] == 2)' mixed | head -n 40 | tail -n 20 > again
	tokenize --jsonl b.jsonl | jq -c . | cmp - again
	run -64 --separate-stderr tokenize --mix 0.5,0.5 \
		--mix-strategy interleave_over --jsonl a.jsonl - < b.jsonl
	[[ "$stderr" == *"cannot start over"* ]]
}

@test "a split is by what a sample is, and by the seed" {
	tokenize --split 0.2 --held-out held.jsonl --jsonl many.jsonl > kept
	n=$(wc -l < held.jsonl)
	[ "$n" -gt 50 ] && [ "$n" -lt 110 ]
	[ "$(cat kept held.jsonl | sort | cksum)" = \
		"$(tokenize --jsonl many.jsonl | sort | cksum)" ]
	# In another order, twice over: the same are held out.
	{ tac many.jsonl; cat many.jsonl; } > twice.jsonl
	tokenize --split 0.2 --held-out other.jsonl --jsonl twice.jsonl > rest
	[ "$(sort -u other.jsonl | cksum)" = "$(sort held.jsonl | cksum)" ]
	tokenize --split 0.2 --seed 1 --held-out other.jsonl --jsonl \
		many.jsonl > rest
	! cmp -s held.jsonl other.jsonl
	tokenize --val_set_size 0.2 --held-out held.st many.jsonl > kept.st
	tokenize --jsonl held.st | cmp - held.jsonl
	st-check held.st kept.st > said
	run -64 --separate-stderr tokenize --split 0.2 many.jsonl
	run -64 --separate-stderr tokenize --held-out x many.jsonl
	run -64 --separate-stderr tokenize --split 1 --held-out x many.jsonl
}

@test "shuffling is another order of the same samples, by the seed" {
	tokenize --jsonl many.jsonl > plain
	tokenize --shuffle --jsonl many.jsonl > one
	! cmp -s plain one
	[ "$(sort one | cksum)" = "$(sort plain | cksum)" ]
	tokenize --shuffle --seed 42 --jsonl many.jsonl | cmp - one
	tokenize --shuffle --seed 7 --jsonl many.jsonl > other
	! cmp -s one other
	cmp <(sort plain) <(sort other)
}

@test "the gate judges shares, and names its options" {
	jq -nc 'range(20) | {text: "the weft \(. % 4)"}' > same.jsonl
	run -65 --separate-stderr $t -o x.st same.jsonl
	[ "$stderr" = "tokenize: same.jsonl: record 5 repeats an earlier one, as\
 16 of 20 do, more than --max-duplicates 0.5: look at the data, or raise it" ]
	run ! st-check x.st
	$t --max-duplicates 0.8 --report same.jsonl 2> err > report
	[ "$(jq .duplicates report)" -eq 16 ]
	grep -q '16 of 20 records repeat an earlier one' err
	# A length that is chosen cuts what it cuts, unless a limit is given.
	tokenize --length 2 --report many.jsonl > report
	[ "$(jq .truncated report)" -eq 400 ]
	run -65 --separate-stderr tokenize --length 2 --max-truncated 0.1 \
		--report many.jsonl
	[[ "$stderr" == *"record 1 does not fit into --length, as 400 of 400"* ]]
	echo '{"text": ""} {"text": "the weft"}' > empty.jsonl
	run -65 --separate-stderr $t --jsonl empty.jsonl
	[[ "$stderr" == *"record 1: there is nothing to learn"* ]]
	$t --max-empty 0.5 --report empty.jsonl > report 2> err
	[ "$(jq .empty report)" -eq 1 ]
	grep -q '1 empty and 0 unlabelled records left out' err
	run -64 --separate-stderr $t --max-empty 2 --jsonl empty.jsonl
	run -64 --separate-stderr $t --allow nonsense --jsonl empty.jsonl
	[[ "$stderr" == *"unlabelled, no-stop, double-bos, template"* ]]
}

@test "--allow lets each fault through" {
	echo '{"input_ids": [1, 2], "labels": [1, -100]} {"input_ids": [1, 2]}' \
		> unlabelled.jsonl
	run -65 tokenize --jsonl unlabelled.jsonl
	tokenize --allow unlabelled --jsonl unlabelled.jsonl > out
	[ "$(wc -l < out)" -eq 1 ]
	echo '{"text": "<s><s>the"}' > bos.jsonl
	run -65 $t --jsonl bos.jsonl
	$t --allow double-bos --jsonl bos.jsonl > out
	[ "$(jq '.input_ids | map(select(. == 400)) | length' out)" -eq 1 ]
	mkdir -p bare
	cp tokenizer.json bare
	echo '{"prompt": "2+2=", "completion": "4"}' > qa.jsonl
	run -65 --separate-stderr tokenize --base bare --jsonl qa.jsonl
	[[ "$stderr" == *"record 1: no stop token is learned"*eos_token* ]]
	tokenize --base bare --allow no-stop --jsonl qa.jsonl > out
	jq -nc '{messages: [{role: "user", content: "Hi"},
		{role: "assistant", content: "the weft"}]}' > chat.jsonl
	run -65 $t --template llama3 --jsonl chat.jsonl
	$t --template llama3 --allow template,no-stop --jsonl chat.jsonl > out
}

@test "peft-step measures on what it holds out, and mixes" {
	model=$BATS_TEST_DIRNAME/../golden/A/llama/model
	peft-step -q -r 2 --split 0.2 -d many.jsonl -n 2 -g 1 --log log \
		-o one.st "$model"
	[ "$(jq -s 'map(select(.eval_loss)) | length' log)" -eq 1 ]
	tokenize --split 0.2 --held-out held.st -o kept.st many.jsonl
	peft-step -q -r 2 -d kept.st --eval-data held.st -n 2 -g 1 \
		--log other -o two.st "$model"
	cmp log other
	cmp one.st two.st
	tokenize --mix 0.5,0.5 -o mixed.st a.jsonl b.jsonl
	peft-step -q -r 2 -d mixed.st -n 2 -g 1 -o one.st "$model"
	peft-step -q -r 2 --mix 0.5,0.5 -d a.jsonl -d b.jsonl -n 2 -g 1 \
		-o two.st "$model"
	cmp one.st two.st
	run -64 --separate-stderr peft-step --split 0.1 -d a.jsonl \
		--eval-data b.jsonl "$model"
	run -65 --separate-stderr peft-step --split 1e-9 -d a.jsonl "$model"
	[[ "$stderr" == *"leaves none to measure on" ]]
	# The length is a default: what it cuts is judged.
	jq -nc '{input_ids: [range(1100) | . % 90]}' > long.jsonl
	run -65 --separate-stderr peft-step -d long.jsonl "$model"
	echo "$stderr"
	[[ "$stderr" == *"record 1 does not fit"*"--max-truncated 0.1"* ]]
	peft-step -r 2 --max-truncated 1 -d long.jsonl -n 1 -g 1 -o one.st \
		"$model" 2> err
	grep -q '^peft-step: 1 samples cut to 1024 tokens, 0 left out$' err
}

@test "more data take no more memory" {
	case $O in *-asan | *-tsan) skip "a sanitizer takes memory of its own" ;;
	esac
	for how in "--jsonl" "--mix 1 --length 64 --split 0.5 --held-out /dev/null"; do
		# shellcheck disable=SC2086
		few=$(peak 'records 8000000' tokenize --base tokenizer.json $how)
		# shellcheck disable=SC2086
		many=$(peak 'records 24000000' tokenize --base tokenizer.json $how)
		echo "$how: $few kB, then $many kB"
		[ "$many" -lt $((few + 5000)) ]
	done
}
