"""merged - what a merge gives is what PEFT computes, loaded in transformers"""
import glob
import json
import os

import tap

tap.need("torch", "peft", "transformers")

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

MODEL = "tests/golden/A/llama/model"
ADAPTER = "tests/golden/A/llama/adapter"
torch.set_num_threads(1)
torch.manual_seed(1)
ids = torch.randint(3, 256, (4, 30))


def logits(model):
    with torch.no_grad():
        return model(ids).logits.numpy()


def load(path):
    return AutoModelForCausalLM.from_pretrained(
        path, dtype=torch.float32, attn_implementation="eager").eval()


tap.run("merge-adapter", "--verify", 32, "-o", tap.path("m.st"), MODEL,
        ADAPTER)
tap.run("st-export", "--to", "hf", tap.path("hf"), stdin=tap.path("m.st"))
peft = PeftModel.from_pretrained(load(MODEL), ADAPTER).eval()
tap.close("merged and exported, transformers gives PEFT's logits",
          logits(load(tap.path("hf"))), logits(peft), 1e-4)
config = json.load(open(tap.path("hf/config.json")))
tap.check("the exported config names the architecture",
          config["architectures"] == ["LlamaForCausalLM"])

# Trained adapters of every sort: patterns, rsLoRA, modules trained whole.
for n, d in enumerate(sorted(glob.glob("tests/golden/B/*/final"))):
    if not os.path.exists(f"{d}/adapter_config.json"):
        continue
    kind = json.load(open(f"{d}/adapter_config.json"))
    if kind["peft_type"] not in ("LORA", "ADALORA"):
        continue
    tap.run("merge-adapter", "-q", "--verify", 32, "-o", tap.path("t.st"),
            MODEL, d)
    tap.run("st-export", "--to", "hf", tap.path(f"t{n}"),
            stdin=tap.path("t.st"))
    peft = PeftModel.from_pretrained(load(MODEL), d).merge_and_unload()
    want, got = peft.state_dict(), load(tap.path(f"t{n}")).state_dict()
    most = max(float((want[k] - got[k]).abs().max()) for k in want)
    name = d.split("/")[-2]
    tap.check(f"{name}: merged weights are PEFT's",
              want.keys() == got.keys() and most < 2e-6, f"{most:.3g}")

tap.run("st-import", "-o", tap.path("b.st"), MODEL)
tap.run("st-export", "--to", "hf", tap.path("same"), stdin=tap.path("b.st"))
tap.close("a model that only passed through is the same",
          logits(load(tap.path("same"))), logits(load(MODEL)), 0)
for name in ("config.json", "generation_config.json"):
    same = open(f"{MODEL}/{name}", "rb").read() == \
        open(tap.path(f"same/{name}"), "rb").read()
    tap.check(f"{name} is byte-identical", same)
tap.end()
