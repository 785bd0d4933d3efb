#!/bin/bash
# run.sh - every benchmark, one after the other, with the machine named
#
# Words choose: run.sh kernels elementwise quantise layers programs step methods
# infer tokenizer
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
date -u +%F
grep -m 1 'model name' /proc/cpuinfo | sed 's/.*: //'
echo "processors: $(nproc)"
infer() {
	local tmp
	if [ -z "${WEFT_MODEL-}" ]; then
		echo "infer: WEFT_MODEL is not set"
		return
	fi
	tmp=$(mktemp -d)
	"$bin/st-import" -u -o "$tmp/bf16.st" "$WEFT_MODEL"
	"$bin/quantize-nf4" -u -o "$tmp/nf4.st" "$tmp/bf16.st"
	echo "tokens/s: best median"
	(cd "$tmp" && "$OLDPWD/$bench/infer" nf4.st bf16.st)
	rm -r "$tmp"
}
for name in ${*:-kernels elementwise quantise layers programs step \
	methods infer tokenizer}; do
	printf '\n== %s\n' "$name"
	case $name in
	step | methods | programs | tokenizer) bash "tests/bench/$name.sh" ;;
	infer) infer ;;
	*) "$bench/$name" ;;
	esac
done
