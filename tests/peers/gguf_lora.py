"""gguf_lora - PEFT's adapters as GGUF: llama.cpp and eval compute what PEFT
does"""
import json

import tap

tap.need("torch", "transformers", "peft", "gguf", "llama_cpp")

import gguf
import numpy as np
import torch
from cpp import llama, logits
from peft import LoraConfig, PeftModel, get_peft_model
from tiny import write

GELU = {"gpt2", "gpt_neox", "starcoder2", "falcon"}
FALCON = dict(intermediate_size=None, num_key_value_heads=None)
rows = [torch.randint(3, 256, (n,), generator=torch.Generator()
                      .manual_seed(5)).tolist() for n in (90, 33, 2)]
with open(tap.path("data.jsonl"), "w") as f:
    for r in rows:
        f.write(json.dumps({"input_ids": r, "labels": r}) + "\n")


def adapt(model, to, **options):
    """A LoRA adapter whose B is not zero, saved."""
    peft = get_peft_model(model, LoraConfig(
        task_type="CAUSAL_LM", target_modules="all-linear", **options))
    g = torch.Generator().manual_seed(9)
    for name, p in peft.named_parameters():
        if ".lora_B" in name:
            p.data = torch.randn(p.shape, generator=g) * 0.1
    peft.save_pretrained(to)
    return peft.eval()


def losses(base, adapter):
    to = tap.path("losses.json")
    tap.run("eval", "-t", "loss", "-d", tap.path("data.jsonl"),
            "--per-token", to, "-A", adapter, base)
    return [x for line in open(to) for x in json.loads(line)]


def without_heads(path, to):
    """The adapter as another program writes it."""
    r = gguf.GGUFReader(path)
    arch = r.fields["general.architecture"].contents()
    w = gguf.GGUFWriter(to, arch)
    w.add_type("adapter")
    w.add_string("adapter.type", "lora")
    w.add_float32("adapter.lora.alpha",
                  r.fields["adapter.lora.alpha"].contents())
    for t in r.tensors:
        w.add_tensor(t.name, np.array(t.data), raw_dtype=t.tensor_type)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


PLAIN = dict(r=4, lora_alpha=8)
CASES = [
    ("plain", "llama", {}, PLAIN),
    ("rank-stabilised", "llama", {}, dict(PLAIN, use_rslora=True)),
    ("ranks and alphas of their own", "llama", {},
     dict(PLAIN, rank_pattern={"q_proj": 6, "layers.1.mlp.up_proj": 2},
          alpha_pattern={"k_proj": 5, "down_proj": 24})),
    ("both", "llama", {},
     dict(PLAIN, use_rslora=True, rank_pattern={"v_proj": 9},
          alpha_pattern={"q_proj": 3})),
    ("plain", "qwen2", {}, PLAIN),
    ("plain", "qwen3", dict(head_dim=16), PLAIN),
    ("plain", "phi3", {}, PLAIN),
    ("plain", "olmo2", {}, PLAIN),
    ("plain", "granite", {}, PLAIN),
    ("turned", "gpt2", FALCON, PLAIN),
    ("grouped", "falcon",
     dict(FALCON, new_decoder_architecture=True, num_kv_heads=2), PLAIN),
    ("grouped", "gpt_neox",
     dict(num_key_value_heads=None, hidden_size=64), PLAIN),
]
for number, (what, kind, settings, options) in enumerate(CASES):
    to, model = write(number, kind, settings, {})
    base, path = tap.path("base.gguf"), tap.path("adapter.gguf")
    peft = adapt(model, tap.path("adapter"), **options)
    what = f"{kind}: {what}"
    tap.run("st-export", "--force", "--to", "gguf", base, to)
    tap.run("st-export", "--force", "--to", "gguf", "--base", base, path,
            tap.path("adapter"))
    m = llama(base, lora_path=path)
    worst = size = moved = 0
    want_losses = []
    for r in rows:
        with torch.no_grad():
            want = peft(torch.tensor([r])).logits[0]
            with peft.disable_adapter():
                plain = peft(torch.tensor([r])).logits[0]
        want_losses += torch.nn.functional.cross_entropy(
            want[:-1].double(), torch.tensor(r[1:]),
            reduction="none").tolist()
        worst = max(worst, np.abs(logits(m, r) - want.numpy()).max())
        size = max(size, want.abs().max().item())
        moved = max(moved, (want - plain).abs().max().item())
    m.close()
    # Sums in f32 in another order; granite's multipliers enlarge them (2e-5).
    tap.check(f"{what}, in llama.cpp",
              worst < (2e-3 if kind in GELU else 5e-5) * size and
              moved > 0.1 * size, f"{worst:.3g} of {size:.3g}, which the "
              f"adapter changes by {moved:.3g}")
    tap.close(f"{what}, as GGUF in eval", losses(to, path), want_losses, 1e-4)
    if "lama" in what:
        without_heads(path, tap.path("other.gguf"))
        tap.close(f"{what}, without heads", losses(to, tap.path("other.gguf")),
                  want_losses, 1e-4)
    back = tap.path("back")
    tap.run("st-export", "--force", "--to", "peft", back, path)
    again = PeftModel.from_pretrained(write(number, kind, settings, {})[1],
                                      back).eval()
    with torch.no_grad():
        got = again(torch.tensor([rows[0]])).logits[0]
        want = peft(torch.tensor([rows[0]])).logits[0]
    tap.close(f"{what}, back in PEFT", got, want, 1e-5)
tap.end()
