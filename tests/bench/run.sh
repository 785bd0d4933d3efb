#!/bin/bash
# run.sh - every benchmark, one after the other, with the machine named
#
# Words choose: run.sh kernels elementwise quantise layers programs step paged
# methods infer tokenizer
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
date -u +%F
grep -m 1 'model name' /proc/cpuinfo | sed 's/.*: //'
echo "processors: $(nproc)"
infer() ( # in a shell of its own, whose end is not this one's
	begin_with_model infer
	model_bases
	echo "tokens/s: best median"
	cd "$tmp" && "$OLDPWD/$bench/infer" nf4.st bf16.st
)
for name in ${*:-kernels elementwise quantise layers programs step \
	paged methods infer tokenizer}; do
	printf '\n== %s\n' "$name"
	case $name in
	step | paged | methods | programs | tokenizer) bash "tests/bench/$name.sh" ;;
	infer) infer ;;
	*) "$bench/$name" ;;
	esac
done
