#!/usr/bin/env python3
"""Writes tokenizers.json: small tokenizers with each kind of part, and what
the `tokenizers` package makes of the texts below with them."""
import json, os, sys
import tokenizers
from tokenizers import Tokenizer, models, trainers, pre_tokenizers

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = """Weaving joins two threads: the warp is fixed, the weft is drawn
through it. The base model is the warp, and the adapter is the weft. Small
programs are joined by pipes; what one program writes, the next one reads.
Numbers such as 12, 345 and 2026 are here too, and words that don't end,
they're, we've, I'll. Straße, élan, naïve, Ünïcode, 日本語, привет.
""".splitlines()
TEXTS = [
    "", " ", "  ", "\n", "\n\n", "\t x", "a", " a", "the weft", " the weft ",
    "The warp is fixed, the weft is drawn.", "don't they're we've I'll IT'S",
    "12 345 2026", "x1y22z333", "a  b   c    d", "line\nline\n\nline \n line",
    "Straße élan naïve Ünïcode", "e\u0301lan \ufb01x \u00c5 \u2126 \u0130",
    "日本語 привет 😀 👩‍👩‍👧", "\u0000\u0001\u007f", "a\u00a0b\u3000c\u0085d\u2028e",
    "<s>the warp</s> the weft", "<s> x <pad>  y <mask>  z", "word wordy word",
    "a<mask>b <mask> c  <mask>  d", "THE<s>Weft<mask>", "foo,bar;baz!? (q)",
    "½ ² Ⅷ ٣ 一二三", "▁the▁weft ▁ ▁▁x", "a\u0300\u0301b", "..., ,.  --",
    "the weft the weft the weft the weft", "_under_score_ __x__",
    "\r\nx\r\n", "ab" * 40, "日" * 30, "the" * 30, "\u180e\u200b\ufeffx",
]


def train():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=380, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    byte = json.loads(t.to_str())["model"]
    byte["merges"] = [" ".join(m) for m in byte["merges"]]  # the old spelling
    t = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=460, show_progress=False, special_tokens=
        ["<unk>"] + [f"<0x{b:02X}>" for b in range(256)]))
    piece = json.loads(t.to_str())["model"]
    return byte, piece


BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False,
              "trim_offsets": True, "use_regex": True}
BYTE_PLAIN = dict(BYTE_LEVEL, use_regex=False)
LLAMA_NORM = {"type": "Sequence", "normalizers": [
    {"type": "Prepend", "prepend": "▁"},
    {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
LLAMA_DEC = {"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
    {"type": "ByteFallback"}, {"type": "Fuse"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
GEMMA_NORM = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
GEMMA_DEC = {"type": "Sequence", "decoders": LLAMA_DEC["decoders"][:3]}
BOS = {"type": "TemplateProcessing",
       "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                  {"Sequence": {"id": "A", "type_id": 0}}],
       "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 1}}],
       "special_tokens": {"<s>": {"id": "<s>", "ids": [None], "tokens": ["<s>"]}}}


def split(pattern, behavior, invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior,
            "invert": invert}


def seq(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


def norm(*kinds):
    return {"type": "Sequence",
            "normalizers": [k if isinstance(k, dict) else {"type": k} for k in kinds]}


def meta(scheme, cut=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme,
            "split": cut}


def variants():
    """name, which model, changes to the model, the other parts"""
    yield "bytelevel", 0, {}, dict(pre_tokenizer=BYTE_LEVEL, decoder=BYTE_LEVEL)
    yield "bytelevel, prefix", 0, {}, dict(
        pre_tokenizer=dict(BYTE_LEVEL, add_prefix_space=True), decoder=BYTE_LEVEL)
    yield "bytelevel, ignore_merges", 0, {"ignore_merges": True}, dict(
        pre_tokenizer=BYTE_LEVEL, decoder=BYTE_LEVEL)
    yield "bytelevel, no cut", 0, {}, dict(pre_tokenizer=BYTE_PLAIN, decoder=BYTE_LEVEL)
    yield "digits", 0, {}, dict(decoder=BYTE_LEVEL, pre_tokenizer=seq(
        {"type": "Digits", "individual_digits": True}, BYTE_LEVEL))
    yield "digits together", 0, {}, dict(decoder=BYTE_LEVEL, pre_tokenizer=seq(
        {"type": "Digits", "individual_digits": False}, BYTE_PLAIN))
    for b in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        for invert in (False, True):
            yield f"split {b} {invert}", 0, {}, dict(decoder=BYTE_LEVEL, pre_tokenizer=seq(
                split({"Regex": r"[ ,;]|\d"}, b, invert), BYTE_PLAIN))
    yield "split empty matches", 0, {}, dict(decoder=BYTE_LEVEL, pre_tokenizer=seq(
        split({"Regex": r"(?=[A-Z])|(?<=[a-z])(?=\d)| *"}, "Isolated"), BYTE_PLAIN))
    yield "split words", 0, {}, dict(decoder=BYTE_LEVEL, pre_tokenizer=seq(
        split({"Regex": r"\w+|[^\w\s]+|\s+|^x$|\h"}, "Isolated"), BYTE_PLAIN))
    for name in ("Whitespace", "WhitespaceSplit", "BertPreTokenizer"):
        yield name, 0, {}, dict(decoder=BYTE_LEVEL,
                                pre_tokenizer=seq({"type": name}, BYTE_PLAIN))
    for b in ("Isolated", "MergedWithNext", "Contiguous", "Removed"):
        yield "punctuation " + b, 0, {}, dict(decoder=BYTE_LEVEL, pre_tokenizer=seq(
            {"type": "Punctuation", "behavior": b}, BYTE_PLAIN))
    yield "delimiter", 0, {}, dict(decoder=BYTE_LEVEL, pre_tokenizer=seq(
        {"type": "CharDelimiterSplit", "delimiter": "_"}, BYTE_PLAIN))
    for kinds in (["NFC"], ["NFD"], ["NFKC"], ["NFKD"], ["Lowercase"],
                  ["NFD", "StripAccents", "Lowercase"],
                  [{"type": "Strip", "strip_left": True, "strip_right": True}],
                  [{"type": "Strip", "strip_left": False, "strip_right": True}],
                  [{"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}]):
        yield f"normalizer {kinds}", 0, {}, dict(
            normalizer=norm(*kinds), pre_tokenizer=BYTE_LEVEL, decoder=BYTE_LEVEL)
    yield "bytelevel normalizer", 0, {}, dict(normalizer=norm("ByteLevel"), decoder=BYTE_LEVEL)
    yield "llama", 1, {"fuse_unk": True}, dict(
        normalizer=LLAMA_NORM, decoder=LLAMA_DEC, post_processor=BOS)
    yield "gemma", 1, {"fuse_unk": True}, dict(
        normalizer=GEMMA_NORM, decoder=GEMMA_DEC, post_processor=BOS,
        pre_tokenizer=split({"String": " "}, "MergedWithPrevious"))
    for scheme in ("always", "first", "never"):
        yield "metaspace " + scheme, 1, {}, dict(
            pre_tokenizer=meta(scheme), decoder=meta(scheme))
    yield "metaspace, no cut", 1, {}, dict(pre_tokenizer=meta("first", False), decoder=meta("first"))
    yield "no fallback, fused", 1, {"byte_fallback": False, "fuse_unk": True}, dict(
        normalizer=LLAMA_NORM, decoder=LLAMA_DEC)
    yield "no fallback, single", 1, {"byte_fallback": False}, dict(
        normalizer=LLAMA_NORM)
    yield "no unknown", 1, {"byte_fallback": False, "unk_token": None}, dict(
        pre_tokenizer=meta("always"), decoder=meta("always"))
    yield "bert processing", 0, {}, dict(
        pre_tokenizer=BYTE_LEVEL, decoder=BYTE_LEVEL, post_processor={
            "type": "Sequence", "processors": [BYTE_LEVEL, {
                "type": "RobertaProcessing", "sep": ["</s>", None], "cls": ["<s>", None],
                "trim_offsets": True, "add_prefix_space": False}]})


ADDED = [("<s>", {}), ("</s>", {}), ("<pad>", {"rstrip": True}),
         ("<mask>", {"lstrip": True}), ("word", {"single_word": True, "special": False}),
         ("THE", {"normalized": True, "special": False}), ("  ", {"special": False}),
         ("    ", {"special": False})]


def put_ids(part, ids):
    if isinstance(part, dict):
        for k, v in list(part.items()):
            if k == "ids":
                part[k] = [ids[t] for t in part["tokens"]]
            elif k in ("sep", "cls"):
                part[k] = [v[0], ids[v[0]]]
            else:
                put_ids(v, ids)
    elif isinstance(part, list):
        for v in part:
            put_ids(v, ids)


def main():
    models_, out = train(), []
    for name, which, change, parts in variants():
        n, added, ids = len(models_[which]["vocab"]), [], {}
        for i, (text, flags) in enumerate(ADDED):
            ids[text] = n + i
            added.append({"id": n + i, "content": text, "single_word": False,
                          "lstrip": False, "rstrip": False, "normalized": False,
                          "special": True, **flags})
        rest = {"added_tokens": added, "normalizer": None, "pre_tokenizer": None,
                "post_processor": None, "decoder": None,
                **json.loads(json.dumps(parts))}
        put_ids(rest, ids)
        spec = {"version": "1.0", "truncation": None, "padding": None, **rest,
                "model": {**models_[which], **change}}
        t = Tokenizer.from_str(json.dumps(spec))
        cases = []
        for text in TEXTS:
            plain = t.encode(text, add_special_tokens=False).ids
            special = t.encode(text).ids
            cases.append({"ids": plain, "text": t.decode(special, skip_special_tokens=False),
                          "skipped": t.decode(special)})
            if special != plain:
                cases[-1]["special"] = special
        out.append({"name": name, "model": which, "change": change, "parts": rest, "cases": cases})
    with open(os.path.join(HERE, "tokenizers.json"), "w", encoding="utf-8") as f:
        f.write('{"made_with": "tokenizers %s",\n' % tokenizers.__version__)
        f.write('"texts": %s,\n' % json.dumps(TEXTS))
        f.write('"models": [\n%s],\n' % ",\n".join(json.dumps(m, ensure_ascii=False) for m in models_))
        f.write('"variants": [\n%s]}\n' % ",\n".join(json.dumps(v, ensure_ascii=False) for v in out))


main()
