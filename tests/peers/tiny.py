"""tiny - tiny random models with every spelling and setting of the families'
configs"""
import json

import tap

tap.need("torch", "transformers")

import torch
from transformers import AutoModelForCausalLM, CONFIG_MAPPING

SIZE = dict(vocab_size=256, hidden_size=48, intermediate_size=80,
            num_hidden_layers=3, num_attention_heads=4,
            num_key_value_heads=2, bos_token_id=1,
            eos_token_id=2, pad_token_id=0, max_position_embeddings=128)
# their keys have other names, and those of SIZE would be strange to them
GPT = FALCON = dict(intermediate_size=None, num_key_value_heads=None)
OLD, NEW = "rope_scaling", "rope_parameters"


def rope(kind, **more):
    return dict(rope_type=kind, rope_theta=10000.0, **more)


YARN = dict(factor=4.0, original_max_position_embeddings=32)
LLAMA3 = dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64)

# what it shows, model_type, settings, and what is done to config.json after
CASES = [
    ("plain", "llama", {}, {}),
    ("one key head", "llama", dict(num_key_value_heads=1), {}),
    ("head_dim by division", "llama", {}, {"head_dim": None}),
    ("head_dim of its own", "llama", dict(head_dim=32), {}),
    ("biases", "llama", dict(attention_bias=True, mlp_bias=True), {}),
    ("tied", "llama", dict(tie_word_embeddings=True), {}),
    ("a large theta", "llama",
     dict(rope_parameters=dict(rope("default"), rope_theta=5e5)), {}),
    ("theta at the top, as before", "llama",
     dict(rope_parameters=dict(rope("default"), rope_theta=12345.0)),
     {NEW: None, "rope_theta": 12345.0}),
    ("no theta", "llama", {}, {NEW: None}),
    ("linear", "llama", dict(rope_parameters=rope("linear", factor=2.5)), {}),
    ("linear, by type, as before", "llama",
     dict(rope_parameters=rope("linear", factor=2.5)),
     {NEW: None, "rope_theta": 10000.0,
      OLD: {"type": "linear", "factor": 2.5}}),
    ("llama3", "llama", dict(rope_parameters=rope("llama3", **LLAMA3)), {}),
    ("llama3, as before", "llama",
     dict(rope_parameters=rope("llama3", **LLAMA3)),
     {NEW: None, "rope_theta": 10000.0,
      OLD: dict(LLAMA3, rope_type="llama3", type="llama3")}),
    ("llama3, other numbers", "llama",
     dict(rope_parameters=rope("llama3", factor=32.0, low_freq_factor=1.5,
                               high_freq_factor=7.0,
                               original_max_position_embeddings=48)), {}),
    ("yarn", "llama", dict(rope_parameters=rope("yarn", **YARN)), {}),
    ("yarn, its own betas", "llama",
     dict(rope_parameters=rope("yarn", beta_fast=16.0, beta_slow=2.0,
                               **YARN)), {}),
    ("yarn, not truncated", "llama",
     dict(rope_parameters=rope("yarn", truncate=False, **YARN)), {}),
    ("yarn, attention_factor", "llama",
     dict(rope_parameters=rope("yarn", attention_factor=0.8, **YARN)), {}),
    ("yarn, mscale", "llama",
     dict(rope_parameters=rope("yarn", mscale=0.7, mscale_all_dim=1.1,
                               **YARN)), {}),
    ("yarn, a theta of a million", "llama",
     dict(rope_parameters=dict(rope("yarn", **YARN), rope_theta=1e6)), {}),
    ("window 5", "mistral", dict(sliding_window=5), {}),
    ("window 1", "mistral", dict(sliding_window=1), {}),
    ("no window", "mistral", dict(sliding_window=None), {}),
    ("plain", "qwen2", {}, {}),
    ("tied", "qwen2", dict(tie_word_embeddings=True), {}),
    ("a window that is off", "qwen2",
     dict(sliding_window=4, use_sliding_window=False, max_window_layers=1),
     {}),
    ("yarn", "qwen2", dict(rope_parameters=rope("yarn", **YARN)), {}),
    ("plain", "qwen3", {}, {}),
    ("head_dim 16, tied", "qwen3",
     dict(head_dim=16, tie_word_embeddings=True), {}),
    ("biases", "qwen3", dict(attention_bias=True), {}),
    ("every second layer has no rope", "smollm3",
     dict(no_rope_layer_interval=2), {}),
    ("no rope by interval alone", "smollm3", dict(no_rope_layer_interval=2),
     {"no_rope_layers": None}),
    ("plain", "phi", {}, {}),
    ("exact GELU", "phi", dict(hidden_act="gelu"), {}),
    ("tied", "olmo2", dict(tie_word_embeddings=True), {}),
    ("tied", "gpt_neox", dict(tie_word_embeddings=True, hidden_size=64,
                              num_key_value_heads=None), {}),
    ("parallel", "stablelm", dict(use_parallel_residual=True, hidden_size=64), {}),
    ("one branch after the other", "gpt_neox",
     dict(use_parallel_residual=False, num_key_value_heads=None,
          hidden_size=64), {}),
    ("windows by turns", "gemma2", dict(sliding_window=5, head_dim=16), {}),
    ("scores by the head's size", "gemma2",
     dict(sliding_window=5, head_dim=16, query_pre_attn_scalar=16), {}),
    ("layer_types left out", "gemma2", dict(sliding_window=5, head_dim=16),
     {"layer_types": None}),
    ("two kinds of rope", "gemma3_text",
     dict(sliding_window=5, head_dim=16, sliding_window_pattern=2,
          query_pre_attn_scalar=16), {}),
    ("longrope", "phi3",
     dict(max_position_embeddings=1024, original_max_position_embeddings=256,
          rope_parameters=dict(rope("longrope"), partial_rotary_factor=1.0,
                               short_factor=[1.0, 1.1, 1.3, 1.5, 2, 3],
                               long_factor=[2.0, 3, 4, 5, 6, 7])), {}),
    ("a part of each head", "phi3",
     dict(rope_parameters=dict(rope("default"),
                               partial_rotary_factor=0.5)), {}),
    ("plain", "gpt2", GPT, {}),
    ("exact GELU, a small feed-forward", "gpt2",
     dict(GPT, activation_function="gelu", n_inner=40), {}),
    ("plain", "starcoder2", {}, {}),
    ("no biases, a window, exact GELU", "starcoder2",
     dict(use_bias=False, sliding_window=5, hidden_act="gelu"), {}),
    ("new decoder", "falcon",
     dict(FALCON, new_decoder_architecture=True, num_kv_heads=2), {}),
    ("new decoder, one norm", "falcon",
     dict(FALCON, new_decoder_architecture=True, num_kv_heads=2,
          num_ln_in_parallel_attn=1, bias=True), {}),
    ("one key for all", "falcon", FALCON, {}),
    ("a key for each head", "falcon", dict(FALCON, multi_query=False), {}),
    ("one branch after the other", "falcon",
     dict(FALCON, parallel_attn=False, bias=True), {}),
    ("no factors", "granite", {}, {}),
    ("factors, biases, linear", "granite",
     dict(embedding_multiplier=3.0, attention_multiplier=0.25,
          residual_multiplier=0.4, logits_scaling=1.7, attention_bias=True,
          mlp_bias=True, rope_parameters=rope("linear", factor=2.0)), {}),
    ("plain", "cohere", {}, {}),
    ("a head of its own, biases", "cohere",
     dict(tie_word_embeddings=False, attention_bias=True, logit_scale=1.5),
     {}),
]


def randomise(model, seed):
    g = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        r = torch.randn(p.shape, generator=g)
        norm = "norm" in name or ".ln_" in name
        p.data = 1 + 0.2 * r if norm else r * 0.15


def rows_of(path, lengths):
    """Random tokens, which go to path as records too."""
    g = torch.Generator().manual_seed(5)
    rows = [torch.randint(3, 256, (n,), generator=g).tolist()
            for n in lengths]
    with open(path, "w") as f:
        for r in rows:
            f.write(json.dumps({"input_ids": r, "labels": r}) + "\n")
    return rows


def token_losses(model, rows):
    out = []
    for r in rows:
        with torch.no_grad():
            logits = model(torch.tensor([r])).logits[0, :-1].double()
        out += torch.nn.functional.cross_entropy(
            logits, torch.tensor(r[1:]), reduction="none").tolist()
    return out


def write(number, kind, settings, after):
    settings = dict(SIZE, **settings)
    config = CONFIG_MAPPING[kind](**settings)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config).eval()
    randomise(model, number)
    model.tie_weights()
    to = tap.path(f"m{number}")
    model.save_pretrained(to)
    with open(f"{to}/config.json") as f:
        config = json.load(f)
    for key, value in after.items():
        config.pop(key, None)
        if value is not None:
            config[key] = value
    with open(f"{to}/config.json", "w") as f:
        json.dump(config, f)
    return to, model
