"""gguf_in - GGUF files that the gguf package writes are read as it reads them"""
import json

import tap

tap.need("gguf", "numpy", "torch", "transformers", "safetensors")

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Q
from safetensors.torch import load_file
from transformers import AutoConfig

rng = np.random.default_rng(5)
HIDDEN, FFN, HEADS, KV, DIM, LAYERS, VOCAB = 64, 96, 4, 2, 16, 2, 40
NAMES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
         "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
         "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
         "ffn_norm": "post_attention_layernorm",
         "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}


def permute(w, heads):
    """As llama.cpp's converter has it."""
    return (w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:])
            .swapaxes(1, 2).reshape(w.shape))


def tensors(arch):
    """Random weights under Hugging Face's names."""
    t = {"model.embed_tokens.weight": (VOCAB, HIDDEN),
         "model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCAB, HIDDEN)}
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        t |= {p + "input_layernorm.weight": (HIDDEN,),
              p + "post_attention_layernorm.weight": (HIDDEN,),
              p + "self_attn.q_proj.weight": (HEADS * DIM, HIDDEN),
              p + "self_attn.k_proj.weight": (KV * DIM, HIDDEN),
              p + "self_attn.v_proj.weight": (KV * DIM, HIDDEN),
              p + "self_attn.o_proj.weight": (HIDDEN, HEADS * DIM),
              p + "mlp.gate_proj.weight": (FFN, HIDDEN),
              p + "mlp.up_proj.weight": (FFN, HIDDEN),
              p + "mlp.down_proj.weight": (HIDDEN, FFN)}
        if arch == "qwen3":
            t |= {p + "self_attn.q_norm.weight": (DIM,),
                  p + "self_attn.k_norm.weight": (DIM,)}
        else:
            t |= {p + f"self_attn.{x}_proj.bias": (n * DIM,)
                  for x, n in (("q", HEADS), ("k", KV), ("v", KV))}
    return {k: rng.standard_normal(s).astype(np.float32)
            for k, s in t.items()}


def gguf_name(name):
    flat = {"model.embed_tokens": "token_embd", "model.norm": "output_norm",
            "lm_head": "output"}
    stem, suffix = name.rsplit(".", 1)
    if stem in flat:
        return f"{flat[stem]}.{suffix}"
    layer, part = stem[len("model.layers."):].split(".", 1)
    back = {v: k for k, v in NAMES.items()}
    return f"blk.{layer}.{back[part]}.{suffix}"


def write(path, arch, kind, weights, rope):
    w = gguf.GGUFWriter(path, arch)
    w.add_block_count(LAYERS)
    w.add_context_length(256)
    w.add_embedding_length(HIDDEN)
    w.add_feed_forward_length(FFN)
    w.add_head_count(HEADS)
    w.add_head_count_kv(KV)
    w.add_key_length(DIM)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_rope_freq_base(10000.0)
    if rope == "yarn":
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(4.0)
        w.add_rope_scaling_orig_ctx_len(64)
    if rope == "llama3":
        w.add_tensor("rope_freqs.weight", llama3_factors())
    for name, x in weights.items():
        if arch == "llama" and ".q_proj." in name:
            x = permute(x, HEADS)
        if arch == "llama" and ".k_proj." in name:
            x = permute(x, KV)
        if x.ndim < 2 or kind == Q.F32:
            w.add_tensor(gguf_name(name), x)
        elif kind == Q.F16:
            w.add_tensor(gguf_name(name), x.astype(np.float16))
        else:
            w.add_tensor(gguf_name(name), gguf.quantize(x, kind),
                         raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def llama3_factors(factor=8.0, low=1.0, high=4.0, old=8192):
    """As llama.cpp's converter computes them."""
    out = []
    for f in 1.0 / 10000.0 ** (np.arange(0, DIM, 2) / DIM):
        wave = 2 * np.pi / f
        if wave < old / high:
            out.append(1.0)
        elif wave > old / low:
            out.append(factor)
        else:
            smooth = (old / wave - low) / (high - low)
            out.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(out, np.float32)


def expected(kind, x):
    """What the file holds of x, as st-import stores it."""
    if x.ndim < 2 or kind == Q.F32:
        return torch.from_numpy(x)
    if kind == Q.F16:
        return torch.from_numpy(x.astype(np.float16))
    decoded = gguf.dequantize(gguf.quantize(x, kind), kind)
    return torch.from_numpy(decoded.reshape(x.shape)).to(torch.bfloat16)


def case(arch, kind, rope=None):
    what = f"{arch} {kind.name} {rope or ''}".strip().replace(" ", "-")
    weights = tensors(arch)
    write(tap.path(what + ".gguf"), arch, kind, weights, rope)
    tap.run("st-import", "-o", tap.path(what + ".st"),
            tap.path(what + ".gguf"))
    tap.run("st-export", "--to", "hf", tap.path(what),
            stdin=tap.path(what + ".st"))
    got = load_file(tap.path(what) + "/model.safetensors")
    bad = [k for k, x in weights.items()
           if k not in got or got[k].dtype != expected(kind, x).dtype
           or not torch.equal(got[k], expected(kind, x))]
    tap.check(f"{what}: {len(weights)} tensors are gguf's values",
              not bad and len(got) == len(weights), " ".join(bad[:3]))
    config = AutoConfig.from_pretrained(tap.path(what))
    rope_there = config.rope_parameters
    tap.check(f"{what}: config.json is transformers'",
              config.model_type == arch and config.head_dim == DIM
              and config.num_key_value_heads == KV
              and config.rms_norm_eps == 1e-6
              and not config.tie_word_embeddings
              and rope_there["rope_theta"] == 10000.0
              and rope_there["rope_type"] == (rope or "default"),
              json.dumps(rope_there))
    if rope == "llama3":
        tap.check(f"{what}: the rule's numbers are found again",
                  rope_there["factor"] == 8.0
                  and rope_there["low_freq_factor"] == 1.0
                  and rope_there["high_freq_factor"] == 4.0
                  and rope_there["original_max_position_embeddings"] == 8192)


for kind in (Q.F32, Q.F16, Q.BF16, Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1,
             Q.Q8_0):
    case("llama", kind)
case("llama", Q.F32, "yarn")
case("llama", Q.F32, "llama3")
case("qwen2", Q.Q8_0)
case("qwen3", Q.Q4_0)
tap.end()
