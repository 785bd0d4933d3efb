"""bnb_in - 4-bit checkpoints that transformers and bitsandbytes made: in and out
again every array is the same, and the values are bitsandbytes'"""
import json

import tap

tap.need("torch", "transformers", "bitsandbytes", "safetensors")

import bitsandbytes.functional as bnb
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

A = "tests/golden/A"
torch.set_num_threads(1)


def values(name, arrays):
    """The weight by bitsandbytes' definition, in f32."""
    state = next(v for k, v in arrays.items()
                 if k.startswith(name + ".quant_state."))
    state = json.loads(bytes(state.tolist()))
    scale = arrays[name + ".absmax"]
    if "nested_offset" in state:
        nested = arrays[name + ".nested_absmax"].repeat_interleave(
            state["nested_blocksize"])[:scale.numel()]
        scale = arrays[name + ".nested_quant_map"][scale.long()] * nested \
            + torch.tensor(state["nested_offset"])
    codes = arrays[name].flatten()
    codes = torch.stack((codes >> 4, codes & 15), 1).flatten().long()
    w = arrays[name + ".quant_map"][codes]
    return (w * scale.repeat_interleave(state["blocksize"])[:w.numel()]) \
        .reshape(state["shape"])


def case(model, dtype=torch.float32, **options):
    what = model + " " + " ".join(f"{k}={v}" for k, v in options.items())
    to = tap.path(str(abs(hash(what))))
    AutoModelForCausalLM.from_pretrained(
        f"{A}/{model}/model", dtype=dtype,
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True, **options)).save_pretrained(to)
    tap.run("st-import", "-o", to + ".st", to)
    tap.run("st-export", "--to", "bnb", to + "-out", stdin=to + ".st")
    tap.run("st-export", "--to", "hf", "--dtype", "f32", to + "-dense",
            stdin=to + ".st")
    was, got, dense = (load_file(d + "/model.safetensors")
                       for d in (to, to + "-out", to + "-dense"))
    bad = [k for k in was.keys() | got.keys()
           if k not in was or k not in got or was[k].dtype != got[k].dtype
           or not torch.equal(was[k], got[k])]
    tap.check(f"{what}: {len(was)} arrays go out as they came", not bad,
              " ".join(bad[:3]))
    coded = [k for k in was if k + ".absmax" in was]
    bad = [k for k in coded if not torch.equal(
        values(k, was), dense[k].T if model == "gpt2" else dense[k])]
    tap.check(f"{what}: the values of {len(coded)} weights", coded and not bad,
              " ".join(bad[:3]))
    tap.check(f"{what}: config.json as it came",
              open(f"{to}/config.json").read()
              == open(f"{to}-out/config.json").read())


for kind in ("nf4", "fp4"):
    for double in (False, True):
        case("llama", bnb_4bit_quant_type=kind,
             bnb_4bit_use_double_quant=double)
case("llama_bf16", torch.bfloat16, bnb_4bit_quant_type="nf4",
     bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16)
case("gpt2", bnb_4bit_quant_type="nf4")
case("gemma3", bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
case("qwen3", bnb_4bit_quant_type="fp4",
     llm_int8_skip_modules=["lm_head", "down_proj"])
tap.end()
