#!/bin/bash
# run.sh - every benchmark, one after the other, with the machine named
set -eu
cd "$(dirname "$0")/../.."
O=${O:-build}
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
date -u +%F
grep -m 1 'model name' /proc/cpuinfo | sed 's/.*: //'
echo "processors: $(nproc)"
for f in tests/bench/*.c; do
	name=$(basename "$f" .c)
	echo
	echo "== $name"
	"$O/bench/$name"
done
for f in tests/bench/step.sh; do
	[ -e "$f" ] && { echo; echo "== step"; bash "$f"; }
done
