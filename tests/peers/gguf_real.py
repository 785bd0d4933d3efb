"""gguf_real - SmolLM2 as GGUF in every type: bytes, logits, text; and one that
somebody else quantised, trained on, its adapter out as GGUF and as PEFT"""
import ctypes
import glob
import json
import os
import subprocess

import tap

tap.need("torch", "transformers", "peft", "gguf", "llama_cpp")
MODEL = os.environ.get("WEFT_MODEL", "")
if not MODEL.endswith(".gguf") or not os.path.exists(MODEL):
    print("ok 1 gguf_real # SKIP no WEFT_MODEL")
    raise SystemExit(0)

import gguf
import llama_cpp
import numpy as np
import torch
from cpp import llama, logits
from peft import PeftModel
from transformers import AutoModelForCausalLM

PROMPT = "The three largest cities of Italy are"


def program(*args):
    return subprocess.run([os.path.join(tap.BIN, args[0]), *args[1:]],
                          stdout=subprocess.PIPE, check=True).stdout.decode()


def losses(ids, *operands):
    """Of each token but the first."""
    data, to = tap.path("ids.jsonl"), tap.path("losses.json")
    with open(data, "w") as f:
        f.write(json.dumps({"input_ids": ids, "labels": ids}) + "\n")
    tap.run("eval", "-t", "loss", "-d", data, "--per-token", to, *operands)
    return json.load(open(to))


def losses_of(scores, ids):
    return torch.nn.functional.cross_entropy(
        torch.tensor(scores[:-1]).double(), torch.tensor(ids[1:]),
        reduction="none").numpy()


# ---- what came as a GGUF goes as it came ----
kept, path = tap.path("kept.st"), tap.path("kept.gguf")
tap.run("st-import", "--blocks", "keep", "-o", kept, MODEL)
tap.run("st-export", "--to", "gguf", path, kept)
a, b = gguf.GGUFReader(MODEL), gguf.GGUFReader(path)
ta, tb = ({t.name: t for t in r.tensors} for r in (a, b))
tap.check("kept blocks: the same tensors", ta.keys() == tb.keys())
tap.check("kept blocks: the same bytes", all(
    ta[k].tensor_type == tb[k].tensor_type and
    np.array_equal(ta[k].data, tb[k].data) for k in ta))
lost = {k for k in a.fields if k not in b.fields}
tap.check("metadata: what is lost says nothing of the numbers",
          all(k.startswith("general.") for k in
              lost - {"tokenizer.ggml.add_space_prefix"}), str(sorted(lost)))
tap.check("metadata: the rest is the same", all(
    a.fields[k].contents() == b.fields[k].contents() and
    a.fields[k].types == b.fields[k].types for k in a.fields
    if k in b.fields and not k.startswith("GGUF.")))

# ---- bytes against the reference ----
lib = ctypes.CDLL(glob.glob(os.path.join(os.path.dirname(
    llama_cpp.__file__), "lib", "libggml-base.so*"))[0])
chunk = lib.ggml_quantize_chunk
chunk.restype = ctypes.c_size_t
chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
                  ctypes.c_int64, ctypes.c_int64, ctypes.c_int64,
                  ctypes.c_void_p]


def by_ggml(x, kind, size):
    x = np.ascontiguousarray(x, np.float32)
    out = np.zeros(size, np.uint8)
    chunk(int(kind), x.ctypes.data, out.ctypes.data, 0, x.shape[0],
          x.shape[1], None)
    return out


full = None
for kind in ("f32", "f16", "bf16", "q8_0", "q4_0"):
    path = tap.path(kind + ".gguf")
    tap.run("st-export", "--to", "gguf", "--dtype", kind, path, MODEL)
    tensors = [t for t in gguf.GGUFReader(path).tensors
               if "blk.0." in t.name or "blk.29." in t.name]
    if kind == "f32":
        full = {t.name: np.array(t.data) for t in tensors}
        continue
    worst = sum(not np.array_equal(
        np.asarray(t.data).view(np.uint8).ravel(), np.asarray(
            gguf.quants.quantize(full[t.name], t.tensor_type))
        .view(np.uint8).ravel()) for t in tensors)
    tap.check(f"{kind}: gguf's bytes in every tensor", not worst,
              f"{worst} of {len(tensors)} differ")
    if kind[0] == "q":
        worst = sum(not np.array_equal(np.asarray(t.data).ravel(), by_ggml(
            full[t.name], t.tensor_type, t.data.size)) for t in tensors
            if t.tensor_type >= 2)
        tap.check(f"{kind}: ggml's own bytes", not worst, f"{worst} differ")

# ---- logits and text ----
# llama.cpp rounds activations to the type of its weights' product: to f16,
# bf16, or 8 bits in blocks of 32; we compute with them in f32.
for kind, most in (("f32", 1e-3), ("f16", 0.05), ("bf16", 0.2),
                   ("q8_0", 0.5), ("q4_0", 0.5), ("kept", 0.5)):
    path = tap.path(kind + ".gguf")
    m = llama(path)
    ids = m.tokenize(PROMPT.encode())
    said = m(PROMPT, max_tokens=24, temperature=0)["choices"][0]["text"]
    ids += m.tokenize(said.encode(), add_bos=False)
    tap.close(f"{kind}: losses", losses(ids, path),
              losses_of(logits(m, ids), ids), most)
    m.close()
    ours = program("generate", "-p", PROMPT, "-n", "24", "--temperature",
                   "0", path)
    same = os.path.commonprefix([ours.strip(), said.strip()])
    tap.check(f"{kind}: text", ours.strip() == said.strip() or
              (kind not in ("f32", "f16") and len(same) > 20),
              f"{said.strip()!r}" + ("" if ours.strip() == said.strip() else
                                     f", ours {ours.strip()!r}"))

# ---- trained on as it is; the adapter goes both ways ----
data = tap.path("train.jsonl")
with open(data, "w") as f:
    for i in range(24):
        f.write(json.dumps({"messages": [
            {"role": "user", "content": f"Who made number {i}?"},
            {"role": "assistant", "content": "The weavers of Ghent."}]})
            + "\n")
adapter, out = tap.path("adapter.st"), tap.path("adapter.gguf")
tap.run("peft-step", "-q", "-r", "8", "--rslora", "--learning-rate", "5e-3",
        "-d", data, "-n", "6", "-g", "4", "-o", adapter, MODEL)
tap.run("st-export", "--to", "gguf", "--base", MODEL, out, adapter)
tap.run("st-export", "--to", "peft", tap.path("peft"), adapter)
tap.run("st-import", "--dtype", "f32", "-o", tap.path("f32.st"), MODEL)
tap.run("st-export", "--to", "hf", tap.path("hf"), tap.path("f32.st"))
m = llama(tap.path("f32.gguf"), lora_path=out)
text = ("<|im_start|>user\nWho made number 77?<|im_end|>\n"
        "<|im_start|>assistant\nThe weavers of Ghent.")
ids = m.tokenize(text.encode(), special=True)
ours = losses(ids, "-A", adapter, tap.path("f32.st"))
plain = losses(ids, tap.path("f32.st"))
tap.check("the adapter was trained", sum(ours) < 0.8 * sum(plain),
          f"{sum(plain):.4g} before, {sum(ours):.4g} after")
tap.close("the adapter in llama.cpp", ours, losses_of(logits(m, ids), ids),
          1e-3)
m.close()
tap.close("the adapter as GGUF in eval", ours,
          losses(ids, "-A", out, tap.path("f32.st")), 1e-5)
base = AutoModelForCausalLM.from_pretrained(tap.path("hf"),
                                            dtype=torch.float32)
with torch.no_grad():
    got = PeftModel.from_pretrained(base, tap.path("peft")).eval()(
        torch.tensor([ids])).logits[0].numpy()
tap.close("the adapter in PEFT", ours, losses_of(got, ids), 1e-3)
# on the blocks that somebody else made
m = llama(MODEL, lora_path=out)
tap.close("on the blocks it was trained on, in llama.cpp",
          losses(ids, "-A", adapter, MODEL), losses_of(logits(m, ids), ids),
          0.5)
m.close()
tap.end()
