"""gguf_real - SmolLM2 as GGUF in every type: bytes, logits, text"""
import ctypes
import glob
import os
import subprocess

import tap

tap.need("torch", "gguf", "llama_cpp")
MODEL = os.environ.get("WEFT_MODEL", "")
if not MODEL.endswith(".gguf") or not os.path.exists(MODEL):
    print("ok 1 gguf_real # SKIP no WEFT_MODEL")
    raise SystemExit(0)

import gguf
import llama_cpp
import numpy as np
from cpp import llama, logits, losses, losses_of

FILE = ("general.file_type", "general.quantization_version")
TYPE = {"f32": "ALL_F32"}
PROMPT = "The three largest cities of Italy are"


def program(*args):
    return subprocess.run([os.path.join(tap.BIN, args[0]), *args[1:]],
                          stdout=subprocess.PIPE, check=True).stdout.decode()


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
# Without a space before the text, which is the default of such a vocabulary.
lost = {k for k in a.fields if k not in b.fields}
tap.check("metadata: nothing is lost", lost <= {
    "tokenizer.ggml.add_space_prefix"}, str(sorted(lost)))
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
    read = gguf.GGUFReader(path)
    tap.check(f"{kind}: what it says of itself", all(
        read.fields[k].contents() == a.fields[k].contents() for k in a.fields
        if k.startswith("general.") and k not in FILE), "")
    tap.check(f"{kind}: what the file is", read.fields[FILE[0]].contents() ==
              gguf.LlamaFileType[TYPE.get(kind, "MOSTLY_" + kind.upper())] and
              (FILE[1] in read.fields) == (kind[0] == "q"))
    tensors = [t for t in read.tensors
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
    said = m(PROMPT, max_tokens=12, temperature=0)["choices"][0]["text"]
    ids += m.tokenize(said.encode(), add_bos=False)
    tap.close(f"{kind}: losses", losses(ids, path),
              losses_of(logits(m, ids), ids), most)
    m.close()
    ours = program("generate", "-p", PROMPT, "-n", "12", "--temperature",
                   "0", path)
    same = os.path.commonprefix([ours.strip(), said.strip()])
    tap.check(f"{kind}: text", ours.strip() == said.strip() or
              (kind not in ("f32", "f16") and len(same) > 20),
              f"{said.strip()!r}" + ("" if ours.strip() == said.strip() else
                                     f", ours {ours.strip()!r}"))

tap.end()
