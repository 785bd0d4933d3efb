"""probe - what st-check --arch prints is what the script of docs/families.md
prints, on the small models of tests/golden"""
import os
import re
import subprocess
import sys

import tap

tap.need("torch", "transformers")

here = os.path.dirname(os.path.abspath(__file__))
doc = open(f"{here}/../../docs/families.md").read()
script = tap.path("reference.py")
with open(script, "w") as f:
    f.write(re.search(r"```python\n(.*?)```", doc, re.S).group(1))


def numbers(text):
    rows = [line.split() for line in text.splitlines() if line.strip()]
    return [[float(w) if "." in w else w for w in row] for row in rows]


for name in sorted(os.listdir(f"{here}/../golden/A")):
    model = f"{here}/../golden/A/{name}/model"
    want = numbers(subprocess.run([sys.executable, script, model],
                                  capture_output=True, text=True).stdout)
    got = numbers(tap.run("st-check", "--arch", model).decode())
    words = [[[w for w in row if isinstance(w, str)] for row in rows]
             for rows in (want, got[:-1])]
    tap.check(f"{name}: the same words", words[0] == words[1] and want)
    tap.close(f"{name}: the same numbers",
              *[[w for row in rows for w in row if isinstance(w, float)]
                for rows in (got, want)], 2e-4)
tap.end()
