"""gguf_trained - a GGUF that somebody else quantised is trained on; the adapter
goes out as GGUF and as PEFT, and llama.cpp and PEFT compute what eval does"""
import json
import os

import tap

tap.need("torch", "transformers", "peft", "gguf", "llama_cpp")
MODEL = os.environ.get("WEFT_MODEL", "")
if not MODEL.endswith(".gguf") or not os.path.exists(MODEL):
    print("ok 1 gguf_trained # SKIP no WEFT_MODEL")
    raise SystemExit(0)

import torch
from cpp import llama, logits, losses, losses_of
from peft import PeftModel
from transformers import AutoModelForCausalLM

data = tap.path("train.jsonl")
with open(data, "w") as f:
    for i in range(24):
        f.write(json.dumps({"messages": [
            {"role": "user", "content": f"Who made number {i}?"},
            {"role": "assistant", "content": "The weavers of Ghent."}]})
            + "\n")
adapter, out = tap.path("adapter.st"), tap.path("adapter.gguf")
tap.run("peft-step", "-q", "-r", "8", "--rslora", "--learning-rate", "5e-3",
        "--no-pack", "-d", data, "-n", "4", "-g", "2", "-o", adapter, MODEL)
tap.run("st-export", "--to", "gguf", "--base", MODEL, out, adapter)
tap.run("st-export", "--to", "peft", tap.path("peft"), adapter)
tap.run("st-import", "--dtype", "f32", "-o", tap.path("f32.st"), MODEL)
tap.run("st-export", "--to", "hf", tap.path("hf"), tap.path("f32.st"))
tap.run("st-export", "--to", "gguf", tap.path("f32.gguf"),
        tap.path("f32.st"))
m = llama(tap.path("f32.gguf"), lora_path=out)
text = ("<|im_start|>user\nWho made number 77?<|im_end|>\n"
        "<|im_start|>assistant\nThe weavers of Ghent.")
ids = m.tokenize(text.encode(), special=True)
ours = losses(ids, "-A", adapter, tap.path("f32.st"))
plain = losses(ids, tap.path("f32.st"))
tap.check("the adapter was trained", sum(ours) < 0.8 * sum(plain),
          f"{sum(plain):.4g} before, {sum(ours):.4g} after")
tap.close("the adapter in llama.cpp", ours, losses_of(logits(m, ids), ids),
          1e-3)
m.close()
tap.close("the adapter as GGUF in eval", ours,
          losses(ids, "-A", out, tap.path("f32.st")), 1e-4)
base = AutoModelForCausalLM.from_pretrained(tap.path("hf"),
                                            dtype=torch.float32)
with torch.no_grad():
    got = PeftModel.from_pretrained(base, tap.path("peft")).eval()(
        torch.tensor([ids])).logits[0].numpy()
tap.close("the adapter in PEFT", ours, losses_of(got, ids), 1e-3)
# on the blocks that somebody else made
m = llama(MODEL, lora_path=out)
tap.close("on the blocks it was trained on, in llama.cpp",
          losses(ids, "-A", adapter, MODEL), losses_of(logits(m, ids), ids),
          0.5)
m.close()
tap.end()
