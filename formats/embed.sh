#!/bin/sh
# embed.sh family|template FILE ... - the files' text as a C table on stdout
set -eu
kind=$1; shift
case $kind in
family) include=arch/family.h; type=family_text; table=family_builtin
	count=family_nbuiltin ;;
template) include=formats/chat.h; type=chat_text; table=chat_builtin
	count=chat_nbuiltin ;;
*) echo "embed.sh: what is a $kind?" >&2; exit 64 ;;
esac
echo "#include \"$include\""
echo "const struct $type ${table}[] = {"
n=0
for f; do
	[ -e "$f" ] || continue
	name=$(basename "$f"); name=${name%.*}
	printf '{ "%s",\n' "$name"
	sed 's/\\/\\\\/g; s/"/\\"/g; s/\t/\\t/g; s/.*/"&\\n"/' "$f"
	echo '},'
	n=$((n + 1))
done
echo "{ 0 } };"
echo "const size_t $count = $n;"
