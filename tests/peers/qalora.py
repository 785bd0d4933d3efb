"""QA-LoRA as PEFT computes it: the adapter that we write for it, through its
own forward, against the model that we merge."""
import json
import os
import sys
import types

sys.path.insert(0, os.path.dirname(__file__))
import tap

tap.need("torch", "peft", "safetensors")
import torch
from peft.tuners.lora import variants
from safetensors.torch import load_file

golden = os.path.join(os.path.dirname(__file__), "..", "golden")
path = lambda name: os.path.join(tap.TMP, name)
tap.run("st-import", "-o", path("base.st"), os.path.join(golden, "A/llama/model"))
tap.run("quantize-int", "-o", path("int4.st"), path("base.st"))
for pool in ("mean", "sum", "peft"):
    tap.run("lora-init", "--only", "--method", "qalora", "--qalora-pool", pool,
            "-r", 4, "-o", path("fresh.st"), path("int4.st"))
    tap.run("peft-step", "-q", "-n", 8, "-g", 1, "--learning-rate", "1e-2", "-d",
            os.path.join(golden, "B/data/data.jsonl"), "-A", path("fresh.st"),
            "-o", path("a.st"), path("int4.st"))
    tap.run("st-export", "--force", "--to", "peft", path("peft"), path("a.st"))
    dense = {}
    for name, options in (("before", ["--scale", 0]), ("after", [])):
        tap.run("merge-adapter", "-q", "--dtype", "f32", *options, "-A",
                path("a.st"), "-o", path("m.st"), path("int4.st"))
        tap.run("st-export", "--force", "--to", "hf", path("hf"), path("m.st"))
        dense[name] = load_file(path("hf/model.safetensors"))
    config = json.load(open(path("peft/adapter_config.json")))
    adapter = load_file(path("peft/adapter_model.safetensors"))
    worst = 0
    for key, a in adapter.items():
        if not key.endswith(".lora_A.weight"):
            continue
        module = key[len("base_model.model."):-len(".lora_A.weight")]
        b = adapter[key.replace("lora_A", "lora_B")]
        w0, w1 = (dense[k][module + ".weight"] for k in ("before", "after"))
        x = torch.randn(3, 7, w0.shape[1])
        alpha = config["alpha_pattern"].get(module, config["lora_alpha"])
        fake = types.SimpleNamespace(
            lora_A={"d": types.SimpleNamespace(weight=a)},
            lora_B={"d": types.SimpleNamespace(weight=b)}, training=False,
            lora_dropout={"d": torch.nn.Identity()},
            scaling={"d": alpha / config["r"]}, in_features=w0.shape[1],
            qalora_group_size={"d": config["qalora_group_size"]})
        y = variants.QALoraLinearVariant.forward(fake, "d", x, x @ w0.T)
        worst = max(worst, float((y - x @ w1.T).abs().max()))
    tap.check(f"{pool}: PEFT computes what we merge (off by {worst:.1e})",
              0 < worst < 2e-5)
tap.end()
