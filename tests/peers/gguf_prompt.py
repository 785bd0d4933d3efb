"""gguf_prompt - a soft prompt that is merged becomes tokens of a GGUF's
vocabulary, and llama.cpp behind them computes what eval does behind the prompt"""
import json
import os

import tap

tap.need("gguf", "llama_cpp")
MODEL = os.environ.get("WEFT_MODEL", "")
if not MODEL.endswith(".gguf") or not os.path.exists(MODEL):
    print("ok 1 gguf_prompt # SKIP no WEFT_MODEL")
    raise SystemExit(0)

from cpp import llama, logits, losses, losses_of

TOKENS = 5
data, base = tap.path("train.jsonl"), tap.path("f32.st")
with open(data, "w") as f:
    for i in range(8):
        f.write(json.dumps({"prompt": f"Who made number {i}?",
                            "completion": " The weavers of Ghent."}) + "\n")
prompt, merged, out = (tap.path(x) for x in ("p.st", "merged.st", "m.gguf"))
tap.run("st-import", "--dtype", "f32", "-o", base, MODEL)
tap.run("peft-step", "-q", "--method", "prompt", "--virtual-tokens",
        str(TOKENS), "--learning-rate", "0.1", "-d", data, "-n", "4", "-g",
        "2", "-o", prompt, base)
tap.run("merge-adapter", "-q", "-A", prompt, "-o", merged, base)
tap.run("st-export", "--to", "gguf", out, merged)
m = llama(out)
first = m.tokenize(b"".join(b"<|weft_prompt_%d|>" % i for i in range(TOKENS)),
                   add_bos=False, special=True)
tap.check("the prompt is tokens", len(first) == TOKENS and
          first == list(range(first[0], first[0] + TOKENS)), str(first))
ids = m.tokenize(b"Who made number 77? The weavers of Ghent.", add_bos=False,
                 special=True)
# Behind a prompt the first token has a loss, too.
ours = losses(ids, "-A", prompt, base)
theirs = losses_of(logits(m, first + ids), first + ids)
m.close()
plain = losses(ids, base)
tap.check("the prompt was trained", sum(ours[1:]) < 0.95 * sum(plain),
          f"{sum(plain):.4g} before, {sum(ours[1:]):.4g} after")
tap.close("the prompt's tokens in llama.cpp", ours, theirs[-len(ours):], 1e-3)
tap.end()
