# quantize-int: what it says and does on a command line

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BIN:$PATH
	model=$BATS_TEST_DIRNAME/../golden/A/llama/model
}

@test "the same bytes for any -j and kernels, through pipe or file" {
	for options in "" "--bits 3 --zero whole --icq" "--bits 2 --zero middle"; do
		quantize-int $options -j1 -o one.st "$model"
		quantize-int $options -j3 "$model" | cmp - one.st
		KERNELS=c quantize-int $options "$model" | cmp - one.st
		st-check -q one.st
	done
}

@test "options change the stored bytes, and are recorded" {
	quantize-int -o a.st "$model"
	n=0
	for options in "--bits 3" "--group 16" "--zero whole" "--scales f16" \
		"--scales bf16" "--zero middle" "--zero whole --icq" "--group 0"; do
		quantize-int $options -o b$((++n)).st "$model"
		run cmp -s a.st b$n.st
		[ "$status" -eq 1 ]
	done
	run cmp -s b3.st b7.st
	[ "$status" -eq 1 ]
	grep -aq group b2.st
	echo '{"group_size": 16}' > options.json
	quantize-int -c options.json "$model" | cmp - b2.st
}

@test "what is stored is close to the model, the closer the more bits" {
	st-import -o base.st "$model"
	for pair in "8 0.006 0.003" "4 0.1 0.05" "3 0.2 0.1" "2 0.5 0.2"; do
		set -- $pair
		quantize-int --bits "$1" -o q.st base.st
		st-diff --relative "$2" base.st q.st
		run st-diff -q --relative "$3" base.st q.st
		[ "$status" -eq 1 ]
	done
}

@test "embeddings, norms and head stay; --skip leaves more alone" {
	quantize-int -v -o all.st "$model" 2> said
	grep -q "14 of 14 linear weights" said
	quantize-int -v --skip 'layers\.0\.|down_proj' -o some.st "$model" 2> said
	grep -q "6 of 14 linear weights" said
	quantize-int --skip q_porj -o typo.st "$model" 2> said
	grep -q "no linear weight has that in its name" said
}

@test "bad options: 64; a group that does not fit: 78, and one that does" {
	for options in "--bits 5" "--bits 0" "--zero none" "--scales f64" \
		"--icq" "--icq --zero middle" "--nonsense" "--skip ("; do
		run quantize-int $options "$model"
		[ "$status" -eq 64 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == quantize-int:* ]]
	done
	run quantize-int --group 40 -o out.st "$model"
	[ "$status" -eq 78 ]
	[[ $output == *"q_proj.weight"*"--group 32 would do"* ]]
	[ ! -e out.st ]
}

@test "cut or quantised input is refused, other streams pass" {
	run quantize-int < /dev/null
	[ "$status" -eq 65 ]
	st-import -o base.st "$model"
	quantize-int -o q.st base.st
	run quantize-int -o again.st q.st
	[ "$status" -eq 65 ]
	[[ $output == *"quantised already"* ]]
	[ ! -e again.st ]
	head -c 100000 base.st > cut.st
	run bash -c 'quantize-int < cut.st > out.st'
	[ "$status" -eq 65 ]
	run st-check out.st
	[ "$status" -ne 0 ]
	lora-init --only -r 4 -o adapter.st base.st
	cat base.st adapter.st | quantize-int > both.st
	cat q.st adapter.st | cmp - both.st
}

@test "--gptq: data of -d or in the pipe, for any -j; other streams pass" {
	data=$BATS_TEST_DIRNAME/../golden/B/data/data.jsonl
	st-import -o base.st "$model"
	tokenize -o data.st "$data"
	quantize-int --gptq --bits 3 -d "$data" --log log.jsonl -o one.st base.st
	quantize-int --gptq --bits 3 -d data.st -j1 base.st | cmp - one.st
	quantize-int --gptq --bits 3 -j3 -d data.st < base.st | cmp - one.st
	[ "$(wc -l < log.jsonl)" -eq 14 ]
	jq -es 'all(.[]; .output_error > 0 and .damp == 0.01)' log.jsonl
	quantize-int --bits 3 -o rounded.st base.st
	run cmp -s one.st rounded.st
	[ "$status" -eq 1 ]
	cat base.st data.st | quantize-int --gptq --bits 3 > both.st
	st-check -q both.st
	cat data.st one.st | cmp - both.st
	cat data.st base.st | quantize-int --gptq --bits 3 | cmp - both.st
	peft-step -q -r 2 -n 2 -o a.st < both.st
	quantize-int --gptq -v --skip 'layers\.0\.' -d data.st -o some.st base.st \
		2> said
	grep -q "7 of 14 linear weights" said
	[ "$(st-ls some.st | grep -c int4)" -eq 7 ]
}

@test "--gptq: what it lacks, or what is wrong with it" {
	data=$BATS_TEST_DIRNAME/../golden/B/data/data.jsonl
	st-import -o base.st "$model"
	run quantize-int --gptq -o out.st base.st
	[ "$status" -eq 65 ]
	[[ $output == *"no data to calibrate with"* ]]
	[ ! -e out.st ]
	for options in "-d $data" "--gptq -d $data --damp 0" \
		"--gptq -d $data --calibration-tokens 0" "--gptq --damp x"; do
		run quantize-int $options base.st
		[ "$status" -eq 64 ]
		[ "${#lines[@]}" -eq 1 ]
	done
	run quantize-int --gptq -d "$data" --group 40 -o out.st base.st
	[ "$status" -eq 78 ]
	run quantize-int --gptq -d nowhere -o out.st base.st
	[ "$status" -eq 66 ]
	cat base.st base.st > two.st
	run quantize-int --gptq -d "$data" -o out.st two.st
	[ "$status" -eq 65 ]
	head -c 100000 base.st > cut.st
	run bash -c "quantize-int --gptq -d '$data' < cut.st > out.st"
	[ "$status" -eq 65 ]
	run st-check out.st
	[ "$status" -ne 0 ]
}
