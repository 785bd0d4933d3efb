"""families - tiny random models with every spelling and setting of the
families' configs: the loss of each token is transformers'"""
import json

import tap

tap.need("torch", "transformers")

import torch
from tiny import (CASES, FALCON, GPT, SIZE, randomise, rope, rows_of,
                  token_losses, write)

rows = rows_of(tap.path("data.jsonl"), (90, 33, 2))
for number, (what, kind, settings, after) in enumerate(CASES):
    to, model = write(number, kind, settings, after)
    losses = tap.path(f"losses{number}.json")
    try:
        tap.run("eval", "-t", "loss", "-d", tap.path("data.jsonl"),
                "--per-token", losses, to)
    except RuntimeError as e:
        tap.check(f"{kind}: {what}", False, str(e).strip())
        continue
    got = [x for line in open(losses) for x in json.loads(line)]
    tap.close(f"{kind}: {what}", got, token_losses(model, rows), 1e-4)

# What transformers computes and the family cannot say must not be let in.
for what, kind, settings in [
        ("a window from some layer on", "qwen2",
         dict(sliding_window=4, use_sliding_window=True,
              max_window_layers=1)),
        ("another activation", "llama", dict(hidden_act="gelu")),
        ("a rope that grows", "llama",
         dict(rope_parameters=rope("dynamic", factor=2.0))),
        ("slopes for positions", "falcon", dict(FALCON, alibi=True)),
        ("a gain for each head", "cohere", dict(use_qk_norm=True)),
        ("a scale for each layer", "gpt2",
         dict(GPT, scale_attn_by_inverse_layer_idx=True)),
]:
    to, _ = write(len(CASES), kind, settings, {})
    try:
        tap.run("eval", "-t", "loss", "-d", tap.path("data.jsonl"), to)
        tap.check(f"{kind}: {what} is refused", False, "it was let in")
    except RuntimeError as e:
        tap.check(f"{kind}: {what} is refused",
                  "65" in str(e) and "config.json" in str(e), str(e).strip())

# The language model of one that sees, without the rest, under both spellings.
from safetensors.torch import load_file, save_file
from transformers import Gemma3Config, Gemma3ForConditionalGeneration

text = dict(SIZE, head_dim=16, sliding_window=5, query_pre_attn_scalar=16)
config = Gemma3Config(
    text_config=dict(text, num_hidden_layers=7),
    vision_config=dict(hidden_size=16, intermediate_size=16,
                       num_hidden_layers=1, num_attention_heads=2,
                       image_size=28, patch_size=14))
config._attn_implementation = "eager"
model = Gemma3ForConditionalGeneration(config).eval()
randomise(model, 77)
model.tie_weights()
to = tap.path("whole")
model.save_pretrained(to)
try:
    tap.run("st-import", "-o", tap.path("x.st"), to)
    tap.check("gemma3 that sees is refused", False, "it was let in")
except RuntimeError as e:
    tap.check("gemma3 that sees is refused", "no part of the model of text"
              in str(e), str(e).strip())
saved = {k: v for k, v in load_file(f"{to}/model.safetensors").items()
         if "language_model" in k or k.startswith("lm_head")}
with open(f"{to}/config.json") as f:
    config = json.load(f)
with torch.no_grad():
    want = token_losses(model, rows)
for what, names, keys in [
        ("as transformers writes it", saved, config),
        ("as it was published", {
            "language_model.model." + k.split("language_model.")[-1]
            .removeprefix("model."): v for k, v in saved.items()}, {
                "architectures": ["Gemma3ForConditionalGeneration"],
                "model_type": "gemma3", "torch_dtype": "float32",
                "vision_config": {"hidden_size": 16},
                "text_config": dict(
                    text, model_type="gemma3_text", num_hidden_layers=7,
                    rope_theta=1e6, rope_local_base_freq=1e4)})]:
    save_file(names, f"{to}/model.safetensors")
    with open(f"{to}/config.json", "w") as f:
        json.dump(keys, f)
    try:
        tap.run("eval", "-t", "loss", "-d", tap.path("data.jsonl"),
                "--per-token", tap.path("whole.json"), to)
        got = [x for line in open(tap.path("whole.json"))
               for x in json.loads(line)]
        tap.close(f"gemma3 in a model that sees: {what}", got, want, 1e-4)
    except RuntimeError as e:
        tap.check(f"gemma3 in a model that sees: {what}", False,
                  str(e).strip())
tap.end()
