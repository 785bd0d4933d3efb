"""tokens - --add-token as Hugging Face adds tokens and PEFT trains their rows"""
import json
import os
import shutil

import tap

tap.need("torch", "peft", "transformers", "tokenizers")

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (AutoModelForCausalLM, AutoTokenizer,
                          PreTrainedTokenizerFast)

torch.manual_seed(0)
torch.set_num_threads(1)
NEW = ["<|go|>", "<|\u00e9t\u00e9|>"]
OLD = "Q"
TEXTS = ["<|go|>some<|\u00e9t\u00e9|> words", "more<|go|>Q words<|go|>"]


def with_tokenizer(name, size):
    """A small model with a tokenizer of bytes that has so many tokens."""
    to = tap.path(f"{name}-{size}")
    shutil.copytree(f"tests/golden/A/{name}/model", to, dirs_exist_ok=True)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())[:size - 1]
    vocab = {c: i for i, c in enumerate(letters)}
    for i in range(len(vocab), size - 1):
        vocab[f"pad{i}"] = i
    t = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=t,
                            eos_token="<eos>").save_pretrained(to)
    return to


def losses(model, rows):
    out = []
    for row in rows:
        ids = torch.tensor([row])
        with torch.no_grad():
            logits = model(ids).logits[:, :-1].double()
        out += (-torch.log_softmax(logits, -1)).gather(
            -1, ids[:, 1:, None])[0, :, 0].tolist()
    return out


def our_losses(*inputs):
    tap.run("eval", "-t", "loss", "-d", data, "--per-token", tap.path("nll"),
            *inputs)
    return [x for line in open(tap.path("nll")) for x in json.loads(line)]


def load(path):
    return AutoModelForCausalLM.from_pretrained(
        path, dtype=torch.float32, attn_implementation="eager").eval()


def resized(path, tokenizer):
    """What a user of Hugging Face does to load such an adapter."""
    model = load(path)
    if len(tokenizer) > model.config.vocab_size:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return model.eval()


def unchanged(path, merged):
    """Files say what they said, but for the tokens."""
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        was = open(os.path.join(path, name), encoding="utf-8").read()
        now = open(os.path.join(merged, name), encoding="utf-8").read()
        head = os.path.commonprefix([was, now])
        tail = os.path.commonprefix([was[::-1], now[::-1]])
        tap.check(f"{name} is as it was but in one place",
                  len(head) + len(tail) >= len(was) - 12,
                  f"{len(was)} bytes, {len(now)}")


def check(name, size):
    global data
    path = with_tokenizer(name, size)
    what = f"{name}, {size} tokens"
    tokenizer = AutoTokenizer.from_pretrained(path)
    tokenizer.add_tokens(NEW, special_tokens=True)
    rows = [tokenizer(t)["input_ids"] for t in TEXTS]
    data = tap.path("data.jsonl")
    with open(data, "w") as f:
        for row in rows:
            f.write(json.dumps({"input_ids": row, "labels": row}) + "\n")
    tap.run("peft-step", "-r", 4, "-n", 6, "-g", 1, "--no-pack",
            "--learning-rate", "2e-2", "-d", data, "--add-token", NEW[0],
            "--add-token", NEW[1], "--add-token", OLD, "-o", tap.path("a.st"),
            path)
    ours = our_losses(path, tap.path("a.st"))

    out = tap.path("peft")
    tap.run("st-export", "--force", "--to", "peft", out,
            stdin=tap.path("a.st"))
    model = PeftModel.from_pretrained(resized(path, tokenizer), out).eval()
    tap.close(f"{what}: PEFT gives our losses", ours, losses(model, rows),
              5e-5)
    tap.close(f"{what}: read back, it is the same adapter",
              our_losses(path, out), ours, 0)
    model.save_pretrained(tap.path("again"))
    a, b = ({k: sorted(v.items()) if isinstance(v, dict) else v
             for k, v in json.load(open(os.path.join(
                 p, "adapter_config.json"))).items()}
            for p in (out, tap.path("again")))
    tap.check(f"{what}: PEFT keeps the configuration",
              all(b[k] == a[k] for k in ("trainable_token_indices", "r")))

    tap.run("merge-adapter", "--verify", 20, "--dtype", "f32", path,
            tap.path("a.st"), "-o", tap.path("m.st"))
    merged = tap.path("merged")
    tap.run("st-export", "--force", "--to", "hf", merged,
            stdin=tap.path("m.st"))
    theirs = AutoTokenizer.from_pretrained(merged)
    tap.check(f"{what}: transformers reads the tokens",
              [theirs(t)["input_ids"] for t in TEXTS] == rows
              and len(theirs) == len(tokenizer)
              and theirs.decode(rows[0], skip_special_tokens=True)
              == "some words")
    tap.close(f"{what}: the merged model gives the same losses",
              losses(load(merged), rows), ours, 5e-5)
    unchanged(path, merged)

    # Made there, read and trained on here.
    indices = tokenizer.convert_tokens_to_ids([NEW[1], OLD, NEW[0]])
    model = resized(path, tokenizer)
    there = tap.path("there")
    model.save_pretrained(there)
    tokenizer.save_pretrained(there)
    if not model.config.tie_word_embeddings:
        indices = {"embed_tokens": indices, "lm_head": indices[:2]}
    model = get_peft_model(model, LoraConfig(
        r=4, lora_alpha=8, task_type="CAUSAL_LM", target_modules=["q_proj"],
        init_lora_weights=False, trainable_token_indices=indices)).eval()
    with torch.no_grad():
        for n, p in model.named_parameters():
            if "trainable_tokens_delta" in n:
                p.normal_()
    model.save_pretrained(tap.path("theirs"))
    tap.close(f"{what}: our losses are PEFT's",
              our_losses(there, tap.path("theirs")), losses(model, rows),
              5e-5)
    before = sum(our_losses(there, tap.path("theirs")))
    tap.run("peft-step", "-A", tap.path("theirs"), "-d", data, "-n", 8, "-g",
            1, "--no-pack", "--learning-rate", "2e-2", "-o", tap.path("b.st"),
            there)
    after = sum(our_losses(there, tap.path("b.st")))
    tap.check(f"{what}: trains on here", after < before,
              f"{before:.2f} to {after:.2f}")


for name in ("llama", "llama3_tied", "gemma2"):
    vocab = json.load(open(f"tests/golden/A/{name}/model/config.json"))[
        "vocab_size"]
    check(name, vocab)              # the embedding grows
    check(name, vocab - 5)          # padding is enough
tap.end()
