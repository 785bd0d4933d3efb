"""checkpoint - what st-export writes loads elsewhere with the same numbers"""
import glob
import json
import os
import shutil

import tap

tap.need("torch", "peft", "transformers", "bitsandbytes", "safetensors")

import bitsandbytes.functional as bnb
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

A = "tests/golden/A"
torch.set_num_threads(1)
torch.manual_seed(2)
ids = torch.randint(3, 256, (3, 24))


def load(path, dtype=torch.float32):
    return AutoModelForCausalLM.from_pretrained(
        path, dtype=dtype, attn_implementation="eager").eval()


def logits(model):
    with torch.no_grad():
        return model(ids).logits.float().numpy()


def quantise(model, *options):
    name = model.split("/")[-2] + "".join(options)
    tap.run("quantize-nf4", *options, "-o", tap.path(name + ".st"), model)
    tap.run("st-export", "--force", "--to", "bnb", tap.path(name),
            stdin=tap.path(name + ".st"))
    return tap.path(name)


def bnb_files(model, nested, *options):
    """The file's tensors are those that bitsandbytes makes of the base."""
    ours = load_file(quantise(model, *options) + "/model.safetensors")
    base = load_file(model + "/model.safetensors")
    what = f"{model.split('/')[-2]} {' '.join(options)}".strip()
    bad, n = [], 0
    for name, w in base.items():
        if not name.endswith("_proj.weight"):
            if not torch.equal(ours.pop(name), w):
                bad.append(name)
            continue
        q, state = bnb.quantize_4bit(w, blocksize=64, quant_type="nf4",
                                     compress_statistics=nested)
        want = {name: q}
        for key, value in state.as_dict(packed=True).items():
            want[f"{name}.{key}"] = value
        for key, value in want.items():
            n += 1
            got = ours.pop(key, None)
            if got is None or got.dtype != value.dtype \
                    or not torch.equal(got.flatten(), value.flatten()):
                bad.append(key)
    tap.check(f"{what}: {n} arrays are bitsandbytes' own",
              not bad and not ours, " ".join(bad[:3] + list(ours)[:3]))


def decoded(model):
    """The model with its 4-bit layers decoded by bitsandbytes' definition: its
    fast paths for some processors want rows of whole blocks."""
    for name, layer in list(model.named_modules()):
        if type(layer).__name__ != "Linear4bit":
            continue
        q = layer.weight.quant_state
        scale = q.absmax
        if q.nested:
            scale = bnb.dequantize_blockwise(q.absmax, q.state2) + q.offset
        codes = layer.weight.data.flatten()
        codes = torch.stack((codes >> 4, codes & 15), 1).flatten().long()
        w = q.code[codes] * scale.float().repeat_interleave(
            q.blocksize)[:codes.numel()]
        dense = torch.nn.Linear(*reversed(q.shape), bias=False)
        dense.weight.data = w.reshape(q.shape)
        dense.bias = layer.bias
        model.get_submodule(name.rpartition(".")[0]).register_module(
            name.rpartition(".")[2], dense)
    return model


def bnb_loads(model, *options):
    name = quantise(model, *options)
    there = load(name)
    tap.run("st-export", "--to", "hf", "--dtype", "f32", name + "-dense",
            stdin=name + ".st")
    kinds = [type(m).__name__ for m in there.modules()]
    tap.check(f"{name.split('/')[-1]}: loads pre-quantised",
              "Linear4bit" in kinds)
    tap.close(f"{name.split('/')[-1]}: logits of the decoded weights",
              logits(decoded(there)), logits(load(name + "-dense")), 1e-5)


bnb_files(f"{A}/llama/model", True)
bnb_files(f"{A}/llama/model", False, "--no-double-quant")
bnb_files(f"{A}/llama_bf16/model", True)
bnb_loads(f"{A}/llama/model")
bnb_loads(f"{A}/llama/model", "--no-double-quant")
bnb_loads(f"{A}/llama/model", "--skip", "layers.0.mlp")
bnb_loads(f"{A}/llama3_tied/model")
bnb_loads(f"{A}/gpt2/model")
bnb_loads(f"{A}/gpt_neox/model")

# Norms in f32 beside weights in bf16, as a GGUF has them: transformers would
# compute with both types, and fail.
shutil.copytree(f"{A}/llama_bf16/model", tap.path("mixed/model"))
mixed = load_file(f"{A}/llama_bf16/model/model.safetensors")
os.chmod(tap.path("mixed/model/model.safetensors"), 0o644)
save_file({k: v.float() if "norm" in k else v for k, v in mixed.items()},
          tap.path("mixed/model/model.safetensors"), {"format": "pt"})
there = AutoModelForCausalLM.from_pretrained(
    quantise(tap.path("mixed/model")))
tap.check("mixed types: one type beside the 4-bit weights",
          {p.dtype for p in there.parameters()}
          == {torch.bfloat16, torch.uint8},
          " ".join({str(p.dtype) for p in there.parameters()}))

# A model in several files.
tap.run("st-import", "-o", tap.path("base.st"), f"{A}/llama/model")
tap.run("st-export", "--to", "hf", "--shard-size", 100000,
        tap.path("shards"), stdin=tap.path("base.st"))
tap.check("it is in several files",
          len(glob.glob(tap.path("shards/*.safetensors"))) > 2)
tap.close("sharded, it is the same model", logits(load(tap.path("shards"))),
          logits(load(f"{A}/llama/model")), 0)
tap.run("st-import", "-o", tap.path("again.st"), tap.path("shards"))
tap.check("read back, it is the same stream but for how it came",
          tap.run("st-export", "--to", "hf", tap.path("again"),
                  stdin=tap.path("again.st")) == b""
          and open(tap.path("again/config.json"), "rb").read()
          == open(f"{A}/llama/model/config.json", "rb").read())

# Types.
for kind, dtype in (("bf16", torch.bfloat16), ("f16", torch.float16)):
    tap.run("st-import", "--dtype", kind, "-o", tap.path(kind + ".st"),
            f"{A}/llama/model")
    tap.run("st-export", "--to", "hf", tap.path(kind),
            stdin=tap.path(kind + ".st"))
    got = load_file(tap.path(kind) + "/model.safetensors")
    want = load_file(f"{A}/llama/model/model.safetensors")
    tap.check(f"{kind}: rounded as torch does", all(
        torch.equal(got[k], v.to(dtype)) for k, v in want.items()))
    config = json.load(open(tap.path(kind) + "/config.json"))
    tap.check(f"{kind}: config.json says so",
              config["dtype"] == str(dtype).split(".")[1])

# Adapters: PEFT's, through a stream, are PEFT's again.
for run in ("B/lora_qv_patterns", "B/lora_modules_to_save", "B/rslora"):
    adapter = f"tests/golden/{run}/init"
    out = tap.path(run.split("/")[1])
    tap.run("st-import", "-o", out + ".st", adapter)
    tap.run("st-export", "--to", "peft", "--base-name", "x/y", out,
            stdin=out + ".st")
    a = load_file(adapter + "/adapter_model.safetensors")
    b = load_file(out + "/adapter_model.safetensors")
    tap.check(f"{run}: the same tensors", a.keys() == b.keys() and all(
        torch.equal(a[k], b[k]) for k in a))
    for t in a.values():
        t.normal_(0, 0.05)
    models = [PeftModel.from_pretrained(load(f"{A}/llama/model"), p)
              for p in (adapter, out)]
    for m in models:
        m.load_state_dict({k.replace(".weight", ".default.weight")
                           if ".lora_" in k else k.replace(
                               ".weight", ".modules_to_save.default.weight"):
                           v for k, v in a.items()}, strict=False)
    tap.close(f"{run}: PEFT makes the same model of both",
              logits(models[1].eval()), logits(models[0].eval()), 0)
tap.end()
