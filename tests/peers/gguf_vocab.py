"""gguf_vocab - tokenizers through GGUF: llama.cpp cuts text as they do"""
import json
import os
import random

import tap

tap.need("torch", "transformers", "gguf", "llama_cpp", "tokenizers")

import llama_cpp
from cpp import llama
from tiny import write
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models,
                        normalizers, pre_tokenizers, processors, trainers)

CASES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
WHOLE = pre_tokenizers.ByteLevel(add_prefix_space=False)


def split(regex):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(
        Regex(regex), "isolated"), BYTES])


def by_llama3(digits):
    return split(f"{CASES}|{WORDS}|{digits}|{REST}")


BYTE_LEVEL = [
    ("gpt-2", WHOLE, None),
    ("smollm", pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), WHOLE]), None),
    ("llama-bpe", by_llama3(r"\p{N}{1,3}"), None),
    ("qwen2", by_llama3(r"\p{N}"), normalizers.NFC()),
    ("stablelm2", by_llama3(r"\p{N}"), None),
]
here = os.path.dirname(__file__)
with open(os.path.join(here, "../../docs/design.md")) as f:
    text = [line for line in f]
rng = random.Random(4)
words = " ".join(text).split()
LETTERS = "aZ0 97\n\t'sdé ñ,.!?-_()日本語и\u0301😀ﬁ"
probes = ["", " ", "  a", "I'm HERE, 12345 can't", "a\n\n b\r\n",
          "x  y   z\t\t", "naïve café 日本語 😀", "<|end|>end<|end|>",
          "foo<|user|> bar"] + [
    " ".join(rng.choices(words, k=8)) for _ in range(60)] + [
    "".join(rng.choices(LETTERS, k=12)) for _ in range(200)]


def check(what, t, pre, nfc=False, **config):
    to, _ = write(0, "llama", dict(vocab_size=640), {})
    t.save(f"{to}/tokenizer.json")
    if pre == "llama-bpe":
        spec = json.load(open(f"{to}/tokenizer.json"))
        spec["model"]["ignore_merges"] = True
        json.dump(spec, open(f"{to}/tokenizer.json", "w"))
        t = Tokenizer.from_file(f"{to}/tokenizer.json")
    with open(f"{to}/tokenizer_config.json", "w") as f:
        json.dump(dict(config, eos_token="<|end|>",
                       chat_template="{{ messages[0].content }}"), f)
    path = tap.path("v.gguf")
    tap.run("st-export", "--force", "--to", "gguf", path, to)
    m = llama_cpp.Llama(path, vocab_only=True, verbose=False)
    told = m.metadata
    tap.check(f"{what}: its name", told["tokenizer.ggml.pre"] == pre,
              told["tokenizer.ggml.pre"])
    tap.check(f"{what}: template and end", told["tokenizer.chat_template"] ==
              "{{ messages[0].content }}" and m.token_eos() ==
              t.token_to_id("<|end|>"))
    wrong = []
    for p in probes:
        want = t.encode(p).ids
        got = m.tokenize(p.encode(), add_bos=True, special=True)
        if got != want and not (nfc and any(ord(c) > 0x2ff for c in p)):
            wrong.append((p, got, want))
    tap.check(f"{what}: {len(probes)} texts", not wrong, f"{wrong[:1]}")
    again = tap.path("again.gguf")
    tap.run("st-import", "-o", tap.path("v.st"), path)
    tap.run("st-export", "--force", "--to", "gguf", again, tap.path("v.st"))
    tap.check(f"{what}: in and out again", told == llama_cpp.Llama(
        again, vocab_only=True, verbose=False).metadata)
    m.close()


for pre, cut, normal in BYTE_LEVEL:
    t = Tokenizer(models.BPE())
    t.pre_tokenizer, t.decoder = cut, decoders.ByteLevel()
    if normal:
        t.normalizer = normal
    t.train_from_iterator(text, trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|begin|>", "<|end|>"], show_progress=False))
    t.add_tokens([AddedToken("<|user|>", special=False, normalized=False)])
    if pre == "llama-bpe":
        t.post_processor = processors.TemplateProcessing(
            single="<|begin|> $A", special_tokens=[("<|begin|>", 0)])
    check(pre, t, pre, normal is not None, bos_token="<|begin|>")


def pieces(prepend):
    """SentencePiece's, by whose scores merges of one piece stand together:
    every way to cut a piece, the pieces in order of their making."""
    t = Tokenizer(models.BPE())
    t.train_from_iterator([w for line in text for w in
                           line.replace(" ", " ▁").split()],
                          trainers.BpeTrainer(vocab_size=340,
                                              show_progress=False))
    made = [p for p, _ in sorted(t.get_vocab().items(), key=lambda x: x[1])]
    names = ["<unk>", "<|begin|>", "<|end|>"] + [
        f"<0x{i:02X}>" for i in range(256)]
    vocab = {p: i for i, p in enumerate(
        names + [p for p in made if len(p) > 1] +
        [p for p in made if len(p) == 1])}
    merges = []
    for p in made:
        cuts = [(p[:i], p[i:]) for i in range(1, len(p))
                if p[:i] in vocab and p[i:] in vocab]
        merges += sorted(cuts, key=lambda c: (-len(c[0]), -len(c[1])))
    t = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True,
                             byte_fallback=True))
    space = [normalizers.Replace(" ", "▁")]
    t.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁")] + space) if prepend else space[0]
    t.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(),
        decoders.Fuse()] + ([decoders.Strip(" ", 1, 0)] if prepend else []))
    t.add_special_tokens(["<|begin|>", "<|end|>"])
    t.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A", special_tokens=[("<|begin|>", 1)])
    return t


# Where a text begins with a token, or has one inside, SentencePiece's prefix
# is another matter in llama.cpp.
probes = [p for p in probes if "<|" not in p and p]
for prepend in (True, False):
    check(f"pieces, {'a' if prepend else 'no'} space before",
          pieces(prepend), "default", bos_token="<|begin|>",
          unk_token="<unk>")
tap.end()
