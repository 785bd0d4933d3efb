"""soft - soft prompts go to PEFT and come from PEFT, with the same numbers"""
import json
import math
import os
import shutil

import tap

tap.need("torch", "peft", "transformers", "tokenizers")

import torch
from peft import (PeftModel, PrefixTuningConfig, PromptEncoderConfig,
                  PromptTuningConfig, get_peft_model)
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

TOKENS = 7
torch.manual_seed(0)
torch.set_num_threads(1)
ids = torch.randint(0, 61, (4, 30)) + 3


def write_data(name):
    with open(tap.path(name), "w") as f:
        for row in ids.tolist():
            f.write(json.dumps({"input_ids": row, "labels": row}) + "\n")
    return tap.path(name)


def theirs(model, front):
    """Losses of the tokens; front: a prompt predicts the first."""
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids))
        logits = logits.logits.double()
    logits = logits[:, TOKENS - 1:-1] if front else logits[:, :-1]
    target = ids if front else ids[:, 1:]
    return -torch.log_softmax(logits, -1).gather(
        -1, target[..., None])[..., 0].numpy()


def ours(*inputs):
    tap.run("eval", "-t", "loss", "-d", data, "--per-token",
            tap.path("nll"), *inputs)
    return [json.loads(line) for line in open(tap.path("nll"))]


def base_model(path):
    return AutoModelForCausalLM.from_pretrained(
        path, dtype=torch.float32, attn_implementation="eager").eval()


def ours_to_peft(name, path, method):
    """Trains here, exports, and loads it there."""
    out = f"{name}_{method}"
    tap.run("peft-step", "--method", method, "--virtual-tokens", TOKENS,
            "-n", 4, "-g", 1, "--no-pack", "--learning-rate", "2e-2", "-d",
            data, "-o", tap.path("a.st"), path)
    tap.run("st-export", "--force", "--to", "peft", tap.path(out),
            stdin=tap.path("a.st"))
    model = PeftModel.from_pretrained(base_model(path), tap.path(out)).eval()
    tap.close(f"{name}: PEFT gives our {method}'s losses",
              ours(path, tap.path("a.st")),
              theirs(model, method == "prompt"), 5e-5)
    tap.close(f"{name}: our {method}, read back, is the same",
              ours(path, tap.path(out)), ours(path, tap.path("a.st")), 0)


def peft_to_ours(name, path, config, scale, **options):
    """Made there, measured here."""
    model = get_peft_model(base_model(path), config(
        task_type="CAUSAL_LM", num_virtual_tokens=TOKENS, **options)).eval()
    kind = config.__name__
    with torch.no_grad():
        for p in model.prompt_encoder.parameters():
            p.mul_(scale)
    model.save_pretrained(tap.path("theirs"))
    # What is saved is what the network made: PEFT measures it so, too.
    model = PeftModel.from_pretrained(base_model(path),
                                      tap.path("theirs")).eval()
    tap.close(f"{name}: our losses of {kind} are PEFT's",
              ours(path, tap.path("theirs")),
              theirs(model, config is not PrefixTuningConfig), 5e-5)


def write_tokenizer(path, vocab):
    """A tokenizer of so many bytes; the rest of the embedding is spare."""
    with open(os.path.join(path, "tokenizer.json"), "w") as f:
        json.dump({"version": "1.0", "truncation": None, "padding": None,
                   "added_tokens": [], "normalizer": None,
                   "pre_tokenizer": None, "post_processor": None,
                   "decoder": {"type": "ByteFallback"},
                   "model": {"type": "BPE", "dropout": None,
                             "unk_token": None, "byte_fallback": True,
                             "continuing_subword_prefix": None,
                             "end_of_word_suffix": None, "fuse_unk": False,
                             "merges": [],
                             "vocab": {f"<0x{i:02X}>": i
                                       for i in range(vocab)}}}, f)


def merged_to_transformers(name):
    """A prompt as tokens: the text behind them has base's and prompt's
    losses."""
    path = tap.path(f"merged_{name}")
    shutil.copytree(f"tests/golden/A/{name}/model", path)
    vocab = json.load(open(os.path.join(path, "config.json")))["vocab_size"]
    write_tokenizer(path, min(vocab, 256))
    tap.run("peft-step", "--method", "prompt", "--virtual-tokens", TOKENS,
            "-n", 4, "-g", 1, "--no-pack", "--learning-rate", "2e-2", "-d",
            data, "-o", tap.path("p.st"), path)
    tap.run("merge-adapter", "-q", "-A", tap.path("p.st"), path, "-o",
            tap.path("m.st"))
    out = tap.path(f"out_{name}")
    tap.run("st-export", "--force", "--to", "hf", out, stdin=tap.path("m.st"))
    text = "".join(f"<|weft_prompt_{i}|>" for i in range(TOKENS))
    got = Tokenizer.from_file(os.path.join(out, "tokenizer.json")).encode(
        text + "0").ids
    first = min(vocab, 256)
    tap.check(f"{name}: tokenizers finds the prompt's tokens",
              got == list(range(first, first + TOKENS)) + [0x30], str(got))
    whole = torch.cat([torch.arange(first, first + TOKENS).expand(
        len(ids), -1), ids], 1)
    model = base_model(out)
    with torch.no_grad():
        logits = model(whole).logits[:, TOKENS - 1:-1].double()
    losses = -torch.log_softmax(logits, -1).gather(
        -1, ids[..., None])[..., 0].numpy()
    tap.close(f"{name}: transformers gives the merged prompt's losses",
              ours(path, tap.path("p.st")), losses,
              math.log(1 + TOKENS / vocab) + 1e-5)
    best = logits.argmax(-1)
    tap.check(f"{name}: no new token is the likeliest",
              bool((best < first).all()))


def writes_as_peft(name, method):
    """Greedy tokens behind a soft prompt: of PEFT's forward, since its
    generate() puts tokens elsewhere behind a prefix than that does."""
    path = tap.path(f"writes_{name}_{method}")
    shutil.copytree(f"tests/golden/A/{name}/model", path)
    write_tokenizer(path, 256)
    tap.run("peft-step", "--method", method, "--virtual-tokens", TOKENS,
            "-n", 4, "-g", 1, "--no-pack", "--learning-rate", "2e-2", "-d",
            data, "-o", tap.path("w.st"), path)
    tap.run("st-export", "--force", "--to", "peft", tap.path("w"),
            stdin=tap.path("w.st"))
    model = PeftModel.from_pretrained(base_model(path), tap.path("w")).eval()
    text = "3 and 4"
    given = torch.tensor([list(text.encode())])
    for _ in range(10):
        with torch.no_grad():
            logits = model(input_ids=given,
                           attention_mask=torch.ones_like(given)).logits
        given = torch.cat([given, logits[:, -1:].argmax(-1)], 1)
    got = given[0, -10:].tolist()
    own = tap.run("generate", "--ids", "-n", 10, "-p", text, path,
                  tap.path("w.st")).split()
    own = [int(i) for i in own]
    tap.check(f"{name}: PEFT writes what we write behind a {method}",
              own == got[:len(own)] and len(own) > 2, f"{own}, {got}")


data = write_data("data.jsonl")
for name in ("llama", "mistral", "gemma3"):
    writes_as_peft(name, "prompt")
    writes_as_peft(name, "prefix")
for name in ("llama", "llama3_tied", "gemma2", "gpt2", "phi"):
    merged_to_transformers(name)
for name in ("llama", "llama3_tied", "mistral", "qwen3", "gemma2", "gemma3",
             "gpt2", "gpt_neox", "phi3", "falcon", "granite", "cohere"):
    path = f"tests/golden/A/{name}/model"
    ours_to_peft(name, path, "prompt")
    peft_to_ours(name, path, PromptTuningConfig, 0.3)
    if name == "falcon":  # PEFT does not know how many heads its keys have
        continue
    ours_to_peft(name, path, "prefix")
    peft_to_ours(name, path, PrefixTuningConfig, 0.3)
path = "tests/golden/A/llama/model"
peft_to_ours("llama, encoder", path, PromptEncoderConfig, 1,
             encoder_hidden_size=32)
peft_to_ours("llama, projection", path, PrefixTuningConfig, 1,
             prefix_projection=True, encoder_hidden_size=32)
tap.end()
