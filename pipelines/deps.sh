#!/bin/sh
# deps.sh build|demo [check] - installs the Debian packages that are missing
#
# With root or sudo it calls apt-get; elsewhere it prints the list and stops.
set -u
build='gcc make libzstd-dev libmsgpack-dev libjansson-dev libxxhash-dev
libpcre2-dev libutf8proc-dev librandom123-dev libopenblas-dev libuv1-dev'
check='libcmocka-dev bats zstd jq'
demo='python3 python3-pip'
want=
for what; do
	case $what in
	build) want="$want $build" ;;
	check) want="$want $check" ;;
	demo) want="$want $demo" ;;
	*) echo "deps.sh: no such set: $what" >&2; exit 64 ;;
	esac
done
command -v dpkg-query > /dev/null || {
	echo "not a Debian system: please install the likes of" $want >&2
	exit 0 # the compiler will say what is missing
}
missing=
for p in $want; do
	dpkg-query -W -f '${Status}' "$p" 2> /dev/null |
	grep -q 'ok installed' || missing="$missing $p"
done
[ "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then
	sudo=
elif command -v sudo > /dev/null && sudo -n true 2> /dev/null; then
	sudo='sudo -n'
else
	echo "missing packages; please run: apt-get install$missing" >&2
	exit 69
fi
echo "installing:$missing" >&2
$sudo apt-get update -qq > /dev/null
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq $missing > /dev/null
