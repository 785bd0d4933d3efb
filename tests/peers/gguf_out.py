"""gguf_out - tiny models of every family: what is exported as GGUF is, in
llama.cpp, the model that went in, and comes back"""
import json

import tap

tap.need("torch", "transformers", "gguf", "llama_cpp")

import numpy as np
import torch
from cpp import llama, logits
from tiny import CASES, write

# What llama.cpp cannot be told, and so is refused: case, the word that says it.
REFUSED = {"llama: llama3, other numbers": "rope_freqs",
           "llama: yarn, its own betas": "rope.fast",
           "llama: yarn, not truncated": "rope.truncate",
           "llama: yarn, attention_factor": "rope.attention",
           "llama: yarn, mscale": "rope.mscale", "qwen3: biases": "bias",
           "smollm3: every second layer has no rope": "turns",
           "smollm3: no rope by interval alone": "turns",
           "phi: exact GELU": "act", "gemma2: windows by turns": "scale",
           "gemma2: layer_types left out": "scale",
           "gpt2: exact GELU, a small feed-forward": "act",
           "starcoder2: no biases, a window, exact GELU": "act",
           "falcon: new decoder, one norm": "bias",
           "falcon: one branch after the other": "bias",
           "cohere: a head of its own, biases": "bias"}
# Its GELU is the tanh form, by a table in f16.
GELU = {"gpt2", "gpt_neox", "phi", "starcoder2", "falcon", "gemma2",
        "gemma3_text"}


def losses(model):
    to = tap.path("losses.json")
    tap.run("eval", "-t", "loss", "-d", tap.path("data.jsonl"),
            "--per-token", to, model)
    return [x for line in open(to) for x in json.loads(line)]


rows = [torch.randint(3, 256, (n,), generator=torch.Generator()
                      .manual_seed(5)).tolist() for n in (90, 33, 2)]
with open(tap.path("data.jsonl"), "w") as f:
    for r in rows:
        f.write(json.dumps({"input_ids": r, "labels": r}) + "\n")
for number, (what, kind, settings, after) in enumerate(CASES):
    to, model = write(number, kind, settings, after)
    path = tap.path(f"m{number}.gguf")
    what = f"{kind}: {what}"
    try:
        tap.run("st-export", "--to", "gguf", path, to)
    except RuntimeError as e:
        word = REFUSED.get(what, "nothing")
        tap.check(f"{what} is refused", f": {word}" in str(e) or
                  f".{word}" in str(e), str(e).strip())
        continue
    m = llama(path)
    window = settings.get("sliding_window") if kind == "mistral" else None
    worst = size = 0
    for r in rows:
        r = r[:window]
        with torch.no_grad():
            want = model(torch.tensor([r])).logits[0].numpy()
        worst = max(worst, np.abs(logits(m, r) - want).max())
        size = max(size, np.abs(want).max())
    m.close()
    tap.close(f"{what}, read back", losses(path), losses(to), 1e-6)
    if "tied" in what:
        tap.check(f"{what}: without a head", "lm_head" not in
                  tap.run("st-ls", path).decode())
    tap.check(what, worst < (2e-3 if kind in GELU else 1e-5) * size,
              f"{worst:.3g} of {size:.3g}")
tap.end()
