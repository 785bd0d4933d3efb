"""make_families - tests/golden/A/<name> for families that no other set has:
a tiny random model with its adapter, and what transformers and PEFT make of
it. python3 make_families.py [name ...] writes them beside this file."""
import json
import os
import sys

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, CONFIG_MAPPING

SIZE = dict(vocab_size=64, hidden_size=32, intermediate_size=48,
            num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=64,
            bos_token_id=1, eos_token_id=2, pad_token_id=0, use_cache=False)
FALCON = dict(intermediate_size=None, num_key_value_heads=None)
LENGTHS, LONGEST = (14, 9), 14

# the case, its model_type, and its settings
CASES = {
    "starcoder2": ("starcoder2", dict(sliding_window=6)),
    "falcon": ("falcon", dict(FALCON, new_decoder_architecture=True,
                              num_kv_heads=2, bias=True)),
    "falcon_old": ("falcon", dict(FALCON, multi_query=True)),
    "granite": ("granite", dict(embedding_multiplier=3.0,
                                attention_multiplier=0.25,
                                residual_multiplier=0.4,
                                logits_scaling=1.7)),
    "cohere": ("cohere", dict(logit_scale=0.6)),
    "phi": ("phi", dict(partial_rotary_factor=0.5)),
    "smollm3": ("smollm3", dict(no_rope_layer_interval=2)),
}


def randomise(model, seed):
    rng = np.random.Generator(np.random.PCG64(seed))
    for name, p in sorted(model.named_parameters()):
        x = torch.tensor(rng.standard_normal(p.shape), dtype=torch.float32)
        norm = p.dim() == 1 and name.endswith("weight")
        p.data = 1 + 0.2 * x if norm else 0.2 * x


def inputs(seed):
    rng = np.random.Generator(np.random.PCG64(seed))
    ids = torch.tensor(rng.integers(3, 64, (len(LENGTHS), LONGEST)))
    mask = torch.tensor([[int(t < n) for t in range(LONGEST)]
                         for n in LENGTHS])
    labels = torch.where(mask == 1, ids, -100)
    labels[:, :2] = -100
    return ids * mask, mask, labels


def run(model, ids, mask, labels, kind, grads):
    """Named arrays of one pass, as the cases have them."""
    body = model.get_base_model() if grads else model
    layers = next(m for m in body.modules()
                  if isinstance(m, torch.nn.ModuleList))
    out, hooks = {}, []

    def keep(name):
        def hook(_, __, y):
            out[name] = (y[0] if isinstance(y, tuple) else y).detach()
        return hook

    for i, layer in enumerate(layers):
        hooks.append(layer.register_forward_hook(keep(f"{kind}.layer.{i}")))
    hooks.append(body.get_output_embeddings().register_forward_pre_hook(
        lambda _, x: out.__setitem__(f"{kind}.final_norm", x[0].detach())))
    logits = model(input_ids=ids, attention_mask=mask).logits
    for h in hooks:
        h.remove()
    target = labels[:, 1:]
    nll = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), target.flatten(), ignore_index=-100,
        reduction="none").view(target.shape)
    loss = nll.sum() / (target != -100).sum()
    out[f"{kind}.logits"] = logits.detach()
    out[f"{kind}.nll"] = nll.detach()
    out[f"{kind}.loss"] = loss.detach()
    if grads:
        model.zero_grad()
        loss.backward()
        for name, p in model.named_parameters():
            if p.grad is not None:
                out["grad." + name.replace(".default", "")] = p.grad
    return out


def distance(a, b):
    d, b = (a.double() - b).abs(), b.double()
    return dict(max_abs=d.max().item(), ref_absmax=b.abs().max().item(),
                rms_rel=(d.square().mean().sqrt()
                         / b.square().mean().sqrt().clamp_min(1e-300)).item())


def both(model, ids, mask, labels, kind, grads):
    """The arrays in f32, and how far they are from those in f64."""
    rows = mask.bool()
    out = run(model, ids, mask, labels, kind, grads)
    wide = run(model.double(), ids, mask, labels, kind, grads)
    model.float()
    off = {}
    for name, x in out.items():
        y = wide[name]
        if x.dim() == 3:
            x, y = x[rows], y[rows]
        off[name] = distance(x, y)
    return out, off


def write(name, number, to):
    kind, settings = CASES[name]
    config = CONFIG_MAPPING[kind](**dict(SIZE, **settings))
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config).eval()
    randomise(model, 100 + number)
    model.tie_weights()
    model.save_pretrained(f"{to}/model")
    ids, mask, labels = inputs(200 + number)
    out, off = both(model, ids, mask, labels, "base", False)
    model = get_peft_model(model, LoraConfig(
        r=4, lora_alpha=8, target_modules="all-linear",
        task_type="CAUSAL_LM")).eval()
    rng = np.random.Generator(np.random.PCG64(300 + number))
    for _, p in sorted(model.named_parameters()):
        if p.requires_grad:
            p.data = 0.1 * torch.tensor(rng.standard_normal(p.shape),
                                        dtype=torch.float32)
    model.save_pretrained(f"{to}/adapter")
    os.remove(f"{to}/adapter/README.md")
    more, other = both(model, ids, mask, labels, "lora", True)
    more = {k: v for k, v in more.items()
            if ".layer." not in k and ".final_norm" not in k}
    out.update(more)
    off.update({k: other[k] for k in more})
    loss = {f"{k}_loss": out.pop(f"{k}.loss").item()
            for k in ("base", "lora")}
    out.update(input_ids=ids, attention_mask=mask, labels=labels)
    save_file({k: v.contiguous() for k, v in out.items()},
              f"{to}/case.safetensors")
    with open(f"{to}/case.json", "w") as f:
        json.dump(dict(arch=kind, note="made by make_families.py",
                       f32_vs_f64=off, **loss), f, indent=1)


here = os.path.dirname(os.path.abspath(__file__))
torch.set_num_threads(1)
for number, name in enumerate(CASES):
    if not sys.argv[1:] or name in sys.argv[1:]:
        write(name, number, f"{here}/A/{name}")
