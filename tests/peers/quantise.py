"""quantise - quantize-nf4's bytes are those of bitsandbytes on the CPU"""
import json
import os

import tap

tap.need("torch", "bitsandbytes", "safetensors")

import torch
import bitsandbytes.functional as F
from safetensors.torch import load_file, save_file

torch.set_num_threads(1)  # its mean depends on the number of threads


def model(name, dtype, hidden, ffn, vocab=40, layers=1):
    """A model directory of weights of many scales."""
    g = torch.Generator().manual_seed(hidden)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama",
        "hidden_size": hidden, "intermediate_size": ffn,
        "num_hidden_layers": layers, "num_attention_heads": 2,
        "num_key_value_heads": 1, "vocab_size": vocab, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "max_position_embeddings": 64,
        "hidden_act": "silu", "tie_word_embeddings": False,
        "attention_bias": False, "mlp_bias": False,
    }
    t = {}

    def add(key, *shape):
        x = torch.randn(shape, generator=g)
        rows = torch.randn(shape[0], generator=g).mul(2).exp()
        if len(shape) == 2:
            x = x * rows[:, None]
        t[key] = x.mul(0.02).to(dtype)

    add("model.embed_tokens.weight", vocab, hidden)
    add("lm_head.weight", vocab, hidden)
    add("model.norm.weight", hidden)
    for i in range(layers):
        p = f"model.layers.{i}."
        add(p + "input_layernorm.weight", hidden)
        add(p + "post_attention_layernorm.weight", hidden)
        add(p + "self_attn.q_proj.weight", hidden, hidden)
        add(p + "self_attn.k_proj.weight", hidden // 2, hidden)
        add(p + "self_attn.v_proj.weight", hidden // 2, hidden)
        add(p + "self_attn.o_proj.weight", hidden, hidden)
        add(p + "mlp.gate_proj.weight", ffn, hidden)
        add(p + "mlp.up_proj.weight", ffn, hidden)
        add(p + "mlp.down_proj.weight", hidden, ffn)
    t["model.layers.0.mlp.up_proj.weight"][:3] = 0
    d = tap.path(name)
    os.mkdir(d)
    json.dump(config, open(f"{d}/config.json", "w"))
    save_file(t, f"{d}/model.safetensors", metadata={"format": "pt"})
    return d, t


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(
        a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8))


def compare(d, tensors, dtype, block, nested):
    out = tap.path(f"{os.path.basename(d)}.{block}.{nested}")
    options = [] if nested else ["--no-double-quant"]
    tap.run("quantize-nf4", "--block", block, *options, "-o", out + ".st", d)
    tap.run("st-export", "--to", "bnb", out, stdin=out + ".st")
    got = load_file(f"{out}/model.safetensors")
    bad = []
    for key, x in tensors.items():
        if not key.endswith("_proj.weight"):
            if not same(got[key], x):
                bad.append(key)
            continue
        q, state = F.quantize_4bit(x, blocksize=block, quant_type="nf4",
                                   compress_statistics=nested)
        want = {key: q}
        for k, v in state.as_dict(packed=True).items():
            want[f"{key}.{k}"] = v
        for k, v in want.items():
            if k not in got or not same(got[k], v):
                bad.append(k)
    tap.check(f"{os.path.basename(d)}, {dtype}, blocks of {block}, "
              f"{'double' if nested else 'single'}: the same bytes",
              not bad, ", ".join(bad[:3]))


for name, dtype, hidden, ffn in (("even", torch.float32, 64, 96),
                                 ("ragged", torch.float32, 44, 61),
                                 ("bf16", torch.bfloat16, 128, 352),
                                 ("f16", torch.float16, 60, 100),
                                 ("wide", torch.bfloat16, 512, 1408)):
    d, t = model(name, dtype, hidden, ffn)
    for block in (32, 64, 128, 256, 4096):
        for nested in (True, False):
            compare(d, t, dtype, block, nested)
tap.end()
