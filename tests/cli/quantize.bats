# quantize-nf4: what it says and does on a command line

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BIN:$PATH
	golden=$BATS_TEST_DIRNAME/../golden
	model=$golden/A/llama/model
}

# How often a word stands in a stream's headers.
words() { grep -aoc "$1" "$2" || true; }

# float_at FILE TENSOR ELEMENT HEX: overwrites a float of a .safetensors.
float_at() {
	local n begin
	n=$(od -An -tu8 -N8 "$1" | tr -d ' ')
	begin=$(head -c $((n + 8)) "$1" | tail -c "$n" |
		sed "s/.*\"$2\":{[^}]*\"data_offsets\":\[\([0-9]*\),.*/\1/")
	printf "%b" "$(sed 's/../\\x&/g' <<< "$4")" |
	dd of="$1" bs=1 seek=$((n + 8 + begin + 4 * $3)) conv=notrunc 2> err
}

@test "the same bytes for any -j, through pipe or file, by path or stdin" {
	quantize-nf4 -j1 -o one.st "$model"
	quantize-nf4 -j3 "$model" > two.st
	cmp one.st two.st
	quantize-nf4 --skip . -o dense.st "$model"
	quantize-nf4 -j2 < dense.st > three.st
	cat dense.st | quantize-nf4 - | cmp - three.st
}

@test "the same bytes from every level of kernels" {
	for options in "" "--bnb cuda" "--block 32 --no-double-quant"; do
		KERNELS=c quantize-nf4 $options -o plain.st "$model"
		quantize-nf4 $options "$model" | cmp - plain.st
	done
}

@test "-o is whole or not there" {
	quantize-nf4 -o base.st "$model"
	cp base.st before.st
	head -c 100000 base.st > cut.st
	run quantize-nf4 -o base.st cut.st
	[ "$status" -eq 65 ]
	cmp base.st before.st
	run quantize-nf4 -o nowhere/base.st "$model"
	[ "$status" -eq 73 ]
}

@test "embeddings, norms and head stay; --skip leaves more alone" {
	quantize-nf4 -v -o all.st "$model" 2> said
	grep -q "14 of 14 linear weights" said
	quantize-nf4 -v --skip 'layers\.0\.|down_proj' -o some.st "$model" 2> said
	grep -q "6 of 14 linear weights" said
	quantize-nf4 -v --skip . -o none.st "$model" 2> said
	grep -q "0 of 14 linear weights" said
	quantize-nf4 --skip q_porj -o typo.st "$model" 2> said
	grep -q "no linear weight has that in its name" said
}

@test "options change the stored bytes, and are recorded" {
	quantize-nf4 -o a.st "$model"
	quantize-nf4 --no-double-quant -o b.st "$model"
	quantize-nf4 --block 128 -o c.st "$model"
	quantize-nf4 --bnb cuda -o d.st "$model"
	for f in b.st c.st d.st; do
		run cmp -s a.st $f
		[ "$status" -eq 1 ]
	done
	[ "$(words dyn8 a.st)" -gt 0 ]
	[ "$(words dyn8 b.st)" -eq 0 ]
	grep -aq double-quant b.st
	echo '{"blocksize": 128}' > options.json
	quantize-nf4 -c options.json "$model" | cmp - c.st
}

@test "bad options: 64" {
	for options in "--block 48" "--block 16" "--block 8192" "--block x" \
		"--bnb gpu" "--nonsense" "--skip ("; do
		run quantize-nf4 $options "$model"
		[ "$status" -eq 64 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == quantize-nf4:* ]]
	done
}

@test "empty, cut, changed or missing input" {
	run quantize-nf4 < /dev/null
	[ "$status" -eq 65 ]
	run quantize-nf4 nowhere.st
	[ "$status" -eq 66 ]
	quantize-nf4 --skip . -o dense.st "$model"
	for n in 1 100 5000 100000 $(($(wc -c < dense.st) - 1)); do
		head -c "$n" dense.st > cut.st
		run bash -c 'quantize-nf4 < cut.st > out.st'
		[ "$status" -eq 65 ]
		[ "${#lines[@]}" -eq 1 ]
		run quantize-nf4 -o again.st out.st
		[ "$status" -eq 65 ]
	done
	cp dense.st bent.st
	printf '\x55' | dd of=bent.st bs=1 seek=120000 conv=notrunc 2> err
	run bash -c 'quantize-nf4 bent.st > out.st'
	[ "$status" -eq 65 ]
	run quantize-nf4 -o again.st out.st
	[ "$status" -eq 65 ]
}

@test "not finite: 65, with tensor and element" {
	cp -r "$model" bad
	float_at bad/model.safetensors model.layers.1.mlp.up_proj.weight \
		$((64 * 3 + 5)) 0000c07f
	run bash -c 'quantize-nf4 bad > out.st'
	[ "$status" -eq 65 ]
	[[ $output == *"model.layers.1.mlp.up_proj.weight"*"[3, 5] is NaN" ]]
	run quantize-nf4 -o again.st out.st
	[ "$status" -eq 65 ]
	float_at bad/model.safetensors model.layers.1.mlp.up_proj.weight \
		$((64 * 3 + 5)) 000080ff
	run quantize-nf4 -o out2.st bad
	[ "$status" -eq 65 ]
	[[ $output == *"[3, 5] is -infinity" ]]
	[ ! -e out2.st ]
}

@test "scales whose mean overflows: 65, and the way out" {
	cp -r "$model" huge
	for block in 0 1 2; do
		float_at huge/model.safetensors \
			model.layers.0.mlp.up_proj.weight $((64 * block)) ffff7f7f
	done
	run quantize-nf4 -o out.st huge
	[ "$status" -eq 65 ]
	[[ $output == *"up_proj.weight"*"double quantisation"* ]]
	quantize-nf4 --no-double-quant -o out.st huge
}

@test "what is quantised already is refused" {
	quantize-nf4 -o nf4.st "$model"
	run quantize-nf4 -o again.st nf4.st
	[ "$status" -eq 65 ]
	[[ $output == *"quantised already"* ]]
	[ ! -e again.st ]
}

@test "other streams pass through untouched" {
	quantize-nf4 --skip . -o dense.st "$model"
	quantize-nf4 -o nf4.st dense.st
	lora-init --only -r 4 -o adapter.st dense.st
	cat dense.st adapter.st | quantize-nf4 > both.st
	cat nf4.st adapter.st | cmp - both.st
	run quantize-nf4 -o none.st adapter.st
	[ "$status" -eq 65 ]
	[[ $output == *"no base"* ]]
}

@test "a terminal on standard output: 64" {
	command -v script > /dev/null || skip "no script(1)"
	run script -qec "quantize-nf4 '$model'" /dev/null
	[ "$status" -eq 64 ]
}

@test "help, manual page, version" {
	quantize-nf4 --help | grep -q -- --double-quant
	quantize-nf4 --version | grep -q quantize-nf4
	quantize-nf4 --man | grep -q arXiv:2305.14314
}

@test "--icq: more information in every tensor's codes, and says so" {
	quantize-nf4 --icq --log log.jsonl -o icq.st "$model" 2> said
	grep -q "^quantize-nf4: all: entropy" said
	[ "$(wc -l < log.jsonl)" -eq 14 ]
	jq -es 'all(.[]; .entropy > .entropy_plain + 0.05)' log.jsonl
	quantize-nf4 --icq -q -j1 "$model" 2> said | cmp - icq.st
	[ ! -s said ]
	KERNELS=c quantize-nf4 --icq -q "$model" | cmp - icq.st
	quantize-nf4 --icq --icq-steps 10 -q "$model" > ten.st
	run cmp -s ten.st icq.st
	[ "$status" -eq 1 ]
	st-ls icq.st | grep -q nf4
	grep -aq icq-steps ten.st
}

@test "--icq: such a base trains and merges; what cannot have it is refused" {
	data=$golden/B/data/data.jsonl
	quantize-nf4 --icq -q -o icq.st "$model"
	peft-step -q -r 2 -n 3 -g 1 -d "$data" -o a.st icq.st
	merge-adapter -q --dtype f32 --verify 50 -A a.st -o m.st icq.st
	run merge-adapter -q --requantise -A a.st -o r.st icq.st
	[ "$status" -eq 78 ]
	run bash -c 'st-export --to bnb out < icq.st'
	[ "$status" -eq 65 ]
	[[ $output == *"--to hf --dtype bf16 decodes it"* ]]
	[ ! -e out ]
	run quantize-nf4 --icq --icq-steps 0 "$model"
	[ "$status" -eq 64 ]
}
