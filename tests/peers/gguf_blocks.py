"""gguf_blocks - every block format, of random bytes, is decoded to the bits that
the gguf package's dequantize gives

Scales are any finite f16, of both signs, with zeros, the smallest and the
largest among them; all else of a block is random.
"""
import tap

tap.need("gguf", "numpy", "torch", "safetensors")

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Q
from safetensors.numpy import load_file

rng = np.random.default_rng(11)
HIDDEN, FFN, HEADS, DIM, VOCAB = 512, 1024, 4, 128, 64
# Where a block has its f16 numbers.
SCALES = {Q.Q4_0: [0], Q.Q4_1: [0, 2], Q.Q5_0: [0], Q.Q5_1: [0, 2],
          Q.Q8_0: [0], Q.Q2_K: [80, 82], Q.Q3_K: [108], Q.Q4_K: [0, 2],
          Q.Q5_K: [0, 2], Q.Q6_K: [208], Q.IQ4_NL: [0]}
SHAPES = {"attn_q": (HEADS * DIM, HIDDEN), "attn_k": (HEADS * DIM, HIDDEN),
          "attn_v": (HEADS * DIM, HIDDEN), "attn_output": (HIDDEN, HEADS * DIM),
          "ffn_gate": (FFN, HIDDEN), "ffn_up": (FFN, HIDDEN),
          "ffn_down": (HIDDEN, FFN)}
NAMES = {"attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
         "ffn_down": "mlp.down_proj", "attn_q": "self_attn.q_proj",
         "attn_k": "self_attn.k_proj"}


def halves(n):
    bits = rng.integers(0, 1 << 16, n, dtype=np.uint16)
    bits[bits & 0x7c00 == 0x7c00] &= 0xbfff     # no infinity, no NaN
    bits[:8] = [0, 0x8000, 1, 0x8001, 0x7bff, 0xfbff, 0x0400, 0x3c00]
    return rng.permutation(bits)


def blocks(kind, shape):
    count, size = gguf.GGML_QUANT_SIZES[kind]
    n = shape[0] * shape[1] // count
    raw = rng.integers(0, 256, (n, size), dtype=np.uint8)
    for at in SCALES[kind]:
        raw[:, at:at + 2] = halves(n).view(np.uint8).reshape(n, 2)
    return raw.reshape(shape[0], -1)


def write(path, kind):
    """A model of the qwen2 kind, whose rows are in their own order."""
    w = gguf.GGUFWriter(path, "qwen2")
    w.add_block_count(1)
    w.add_context_length(256)
    w.add_embedding_length(HIDDEN)
    w.add_feed_forward_length(FFN)
    w.add_head_count(HEADS)
    w.add_head_count_kv(HEADS)
    w.add_key_length(DIM)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_rope_freq_base(10000.0)
    weights = {}
    for name in ("token_embd", "output"):
        weights[name] = blocks(kind, (VOCAB, HIDDEN))
    for name, shape in SHAPES.items():
        weights[f"blk.0.{name}"] = blocks(kind, shape)
    for name, raw in weights.items():
        w.add_tensor(name + ".weight", raw, raw_dtype=kind)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        w.add_tensor(name + ".weight", np.ones(HIDDEN, np.float32))
    for name in ("attn_q", "attn_k", "attn_v"):
        w.add_tensor(f"blk.0.{name}.bias", np.ones(HEADS * DIM, np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return weights


for kind in SCALES:
    weights = write(tap.path("m.gguf"), kind)
    tap.run("st-import", "--dtype", "f32", tap.path("m.gguf"), "-o",
            tap.path("m.st"))
    tap.run("st-export", "--force", "--to", "hf", tap.path("out"),
            stdin=tap.path("m.st"))
    got = load_file(tap.path("out/model.safetensors"))
    bad = count = 0
    for name, raw in weights.items():
        ours = {"token_embd": "model.embed_tokens", "output": "lm_head"}.get(
            name) or "model.layers.0." + NAMES[name.split(".")[-1]]
        with np.errstate(all="ignore"):
            want = gguf.dequantize(raw, kind).astype(np.float32)
        a, b = want.view(np.uint32), got[ours + ".weight"].view(np.uint32)
        bad += int((a != b).sum())
        count += a.size
    tap.check(f"{kind.name}: the bits of gguf.dequantize", not bad,
              f"{count} values, {bad} differ")
tap.end()
