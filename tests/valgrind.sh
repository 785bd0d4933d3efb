#!/bin/bash
# valgrind.sh - a small pipeline and the small unit tests under valgrind: no
# invalid access, no uninitialised value that matters, nothing lost
set -u
cd "$(dirname "$0")/.." || exit 70
O=${O:-build}
model=tests/golden/A/llama/model
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export KERNELS=avx2     # valgrind knows no AVX-512
passed=0 failed=0

try() { # name command ...
	local name=$1
	shift
	if valgrind -q --suppressions=tests/valgrind.supp \
		--error-exitcode=99 --leak-check=full \
		--errors-for-leak-kinds=definite "$@" \
		> "$tmp/out" 2> "$tmp/err" < /dev/null; then
		passed=$((passed + 1))
	else
		echo "not ok $name"
		grep '^==' "$tmp/err" | head -n 20
		failed=$((failed + 1))
	fi
}

printf '{"input_ids": [3, 4, 5, 6, 7, 8], "labels": [3, 4, 5, 6, 7, 8]}\n' \
	> "$tmp/d.jsonl"
bin=$O/bin
try st-import "$bin/st-import" -o "$tmp/b.st" "$model"
try quantize-nf4 "$bin/quantize-nf4" -o "$tmp/q.st" "$tmp/b.st"
try tokenize "$bin/tokenize" -o "$tmp/d.st" "$tmp/d.jsonl"
try lora-init "$bin/lora-init" --only -r 4 -o "$tmp/i.st" "$tmp/b.st"
try peft-step "$bin/peft-step" -q -r 4 -n 3 -g 2 --dropout 0.1 -j 2 \
	-o "$tmp/a.st" "$tmp/q.st" "$tmp/d.st"
try merge-adapter "$bin/merge-adapter" --verify 8 -o "$tmp/m.st" "$tmp/q.st" \
	"$tmp/a.st"
try eval "$bin/eval" -d "$tmp/d.jsonl" "$tmp/q.st" "$tmp/a.st"
try st-ls "$bin/st-ls" "$tmp/a.st"
try st-check "$bin/st-check" "$tmp/a.st"
try st-diff "$bin/st-diff" "$tmp/a.st" "$tmp/a.st"
try st-export "$bin/st-export" --to hf "$tmp/hf" "$tmp/m.st"
for unit in base opt infer regex rng schedule spec pack adapt nf4 \
	st_roundtrip st_msg st_filter safetensors gguf tokenizer_bad dataset \
	chat; do
	[ -x "$O/unit/$unit" ] && try "unit/$unit" "$O/unit/$unit"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
