#!/bin/sh
# The dependency rule: a folder, and what its files may include besides it.
rules='
base
tensor   base
kernel   base
device   base kernel tensor
pager    base kernel tensor device
weight   base kernel tensor device
quant    base kernel tensor device weight
data     base tensor
adapt    base kernel tensor device weight data
op       base kernel tensor device weight data adapt
arch     base kernel tensor device weight data adapt op
train    base kernel tensor device pager weight quant data adapt op arch
infer    base kernel tensor device pager weight quant data adapt op arch
formats  base tensor device pager weight data
tools    base tensor device pager weight quant adapt data arch train infer formats
'
echo "$rules" | while read -r dir may; do
	[ "$dir" ] || continue
	for f in libcommon/"$dir"/*.[ch]* "$dir"/*.[ch]; do
		[ -e "$f" ] || continue
		for inc in $(sed -n 's|^#include "\([a-z]*/[a-z0-9_]*\.h\)".*|\1|p' "$f"); do
			case "$dir:$inc" in
			formats:arch/family.h) continue ;;
			esac
			case " $dir $may " in
			*" ${inc%%/*} "*) ;;
			*) echo "$f: $dir may not include $inc" ;;
			esac
		done
	done
done | { ! grep .; }
