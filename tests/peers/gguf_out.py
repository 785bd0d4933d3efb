"""gguf_out - tiny models of every family: what is exported as GGUF is, in
llama.cpp, the model that went in, and comes back"""
import json

import tap

tap.need("torch", "transformers", "gguf", "llama_cpp")

import gguf
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


# ---- what the gguf package says of a model comes through ----
def said(path):
    fields = gguf.GGUFReader(path).fields
    return {k: (f.types, f.contents()) for k, f in fields.items()
            if k.startswith("general.") and k not in (
                "general.architecture", "general.type", "general.file_type",
                "general.quantization_version", "general.alignment")}


made, plain = tap.path("made.gguf"), gguf.GGUFReader(tap.path("m0.gguf"))
w = gguf.GGUFWriter(made, plain.fields["general.architecture"].contents())
for k, f in plain.fields.items():
    if not k.startswith("GGUF.") and k != "general.architecture":
        w.add_key_value(k, f.contents(), f.types[0],
                        f.types[-1] if len(f.types) > 1 else None)
w.add_name("Weaver 'é' \u4e2d\U0001f600")
w.add_author("a\tb\n\"c\"")
w.add_license("apache-2.0")
w.add_size_label("7M")
w.add_tags(["text-generation", "ü", ""])
w.add_languages(["en", "fr"])
w.add_base_model_count(1)
w.add_base_model_name(0, "Loom")
w.add_quantized_by("nobody")
w.add_custom_alignment(64)
V = gguf.GGUFValueType
for kind, value in ((V.UINT8, 255), (V.INT8, -128), (V.UINT16, 65535),
                    (V.INT16, -32768), (V.UINT32, 2 ** 32 - 1),
                    (V.INT32, -2 ** 31), (V.UINT64, 2 ** 53),
                    (V.INT64, -2 ** 53), (V.FLOAT32, float(np.float32(0.1))),
                    (V.FLOAT64, 0.1), (V.BOOL, True), (V.STRING, "x")):
    w.add_key_value(f"general.one.{kind.name}", value, kind)
    w.add_key_value(f"general.many.{kind.name}", [value, value], V.ARRAY, kind)
for t in plain.tensors:
    w.add_tensor(t.name, t.data, raw_dtype=t.tensor_type)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
tap.run("st-import", "-o", tap.path("made.st"), made)
tap.run("quantize-nf4", "-o", tap.path("made.nf4"), tap.path("made.st"))
tap.run("st-export", "--to", "hf", tap.path("made"), tap.path("made.st"))
for what, model in (("a file", made), ("a stream", tap.path("made.st")),
                    ("quantised", tap.path("made.nf4")),
                    ("a directory", tap.path("made"))):
    tap.run("st-export", "--force", "--to", "gguf", "--dtype", "f16",
            tap.path("again.gguf"), model)
    tap.check(f"general.* from {what}", said(tap.path("again.gguf")) ==
              said(made), f"{len(said(made))} keys")
    tap.check(f"general.file_type from {what}", gguf.GGUFReader(tap.path(
        "again.gguf")).fields["general.file_type"].contents() ==
        gguf.LlamaFileType.MOSTLY_F16)
tap.end()
