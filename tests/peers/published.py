"""published - models as config.json of those that people have describes them,
but for their sizes: the loss of each token is transformers'"""
import json
import os

import tap

tap.need("torch", "transformers")

from tiny import randomise, rows_of, token_losses
from transformers import AutoConfig, AutoModelForCausalLM

SIZES = dict(hidden_size=64, n_embd=64, intermediate_size=96,
             num_hidden_layers=7, n_layer=7, num_attention_heads=4, n_head=4,
             num_heads=4, num_kv_heads=2, head_dim=16, vocab_size=256,
             query_pre_attn_scalar=16, sliding_window=6,
             original_max_position_embeddings=64)


def smaller(config):
    """What makes it large, and no more."""
    c = dict(config)
    heads, keys = c.get("num_attention_heads"), c.get("num_key_value_heads")
    for key, size in SIZES.items():
        if c.get(key) is not None:
            c[key] = size
    if keys is not None:
        c["num_key_value_heads"] = 1 if keys == 1 else 4 if keys == heads else 2
    if c.get("partial_rotary_factor") == 0.4:   # 6.4 of 16
        c["partial_rotary_factor"] = 0.5
    for key in ("layer_types", "no_rope_layers"):
        if key in c:
            c[key] = c[key][:7]
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if isinstance(c.get(key), int):
            c[key] %= 256
        elif key in c:
            c[key] = [i % 256 for i in c[key] or []] or None
    scaling = dict(c.get("rope_scaling") or {})
    for key in ("short_factor", "long_factor"):
        if key in scaling:
            turned = int(16 * c.get("partial_rotary_factor", 1))
            scaling[key] = scaling[key][:turned // 2]
    if scaling:
        c["rope_scaling"] = scaling
    return c


rows = rows_of(tap.path("data.jsonl"), (60, 33, 2))
with open("tests/golden/published.json") as f:
    published = json.load(f)
for number, (name, config) in enumerate(published.items()):
    to = tap.path(f"m{number}")
    os.mkdir(to)

    def write_config():
        with open(f"{to}/config.json", "w") as f:
            json.dump(smaller(config), f)

    write_config()
    known = AutoConfig.from_pretrained(to)
    known._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(known).float().eval()
    randomise(model, number)
    model.tie_weights()
    model.save_pretrained(to)
    write_config()      # as it was published, not as it is written today
    try:
        tap.run("eval", "-t", "loss", "-d", tap.path("data.jsonl"),
                "--per-token", tap.path("losses.json"), to)
    except RuntimeError as e:
        tap.check(name, False, str(e).strip())
        continue
    got = [x for line in open(tap.path("losses.json"))
           for x in json.loads(line)]
    tap.close(name, got, token_losses(model, rows), 1e-4)
tap.end()
