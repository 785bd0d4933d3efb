"""tokenizer - random Unicode strings give the ids of the tokenizers package

N strings (100000) a tokenizer of those that models use, N / 20 for each of the
small ones that have one part each. Characters are all that this Python's
Unicode has.
"""
import json
import os
import random
import unicodedata

import tap

tap.need("tokenizers")

from tokenizers import Tokenizer

N = int(os.environ.get("N", 100000))
GOLDEN = next((d for d in ("../shared/golden", "../../shared/golden")
               if os.path.isdir(d)), None)
WORDS = ("the weft is drawn through it don't we've I'LL 12 2026 ½ x1y22 Straße"
         " naïve 日本語 привет <s> <mask> word THE ... -- \n \r\n \t ▁").split(" ")


# The characters of this Python's Unicode (14, as PCRE2's of Debian 12).
KNOWN = [c for c in map(chr, range(0x110000))
         if unicodedata.category(c) not in ("Cn", "Cs", "Co")]


def characters(r):
    """Mostly what occurs; sometimes anything."""
    k = r.random()
    if k < .3:
        return r.choice(WORDS)
    if k < .5:
        return r.choice("  \n\t_.,;'-") + r.choice(WORDS)
    if k < .7:
        return chr(r.randrange(0x20, 0x7f))
    if k < .85:
        return chr(r.choice((r.randrange(0xa0, 0x250), r.randrange(0x300, 0x370),
                             r.randrange(0x400, 0x500), r.randrange(0x2000, 0x2070))))
    return r.choice(KNOWN)


def strings(n, seed):
    r = random.Random(seed)
    out = []
    while len(out) < n:
        s = "".join(characters(r) for _ in range(r.randrange(1, 16)))
        if all(unicodedata.category(c) != "Cn" for c in s):
            out.append(s + " a b")  # two tokens at least, or it has no label
    return out


def ours(spec, texts):
    with open(tap.path("tokenizer.json"), "w", encoding="utf-8") as f:
        json.dump(spec, f)
    with open(tap.path("texts.jsonl"), "w", encoding="utf-8") as f:
        for s in texts:
            f.write(json.dumps({"text": s}) + "\n")
    tap.run("tokenize", "--tokenizer", tap.path("tokenizer.json"), "--jsonl",
            "-o", tap.path("ids.jsonl"), tap.path("texts.jsonl"))
    return [json.loads(line)["input_ids"] for line in open(tap.path("ids.jsonl"))]


def compare(name, spec, n):
    texts = strings(n, name)
    theirs = [e.ids for e in Tokenizer.from_str(json.dumps(spec)).encode_batch(texts)]
    got = ours(spec, texts)
    bad = [i for i in range(n) if i >= len(got) or got[i] != theirs[i]]
    detail = f"{n} strings" if not bad else \
        f"{len(bad)} of {n} differ, the first {texts[bad[0]]!r}"
    tap.check(f"tokenizer: {name}", not bad, detail)


def escapes(base):
    """What \\w and its like take, one by one, in a class and out of it: each
    character between two others, as pieces that are tokens."""
    patterns = (r"\w", r"\W", r"[\w]", r"[^\w]", r"\s", r"\S", r"\d", r"\bx|x\b",
                r"\Bx", r"\p{L}", r"[^\p{N}]")
    some = [c for c in KNOWN if c < "\u3000" or unicodedata.category(c)[0] != "L"]
    texts = [f"x{c}x a b" for c in some]
    for pattern in patterns:
        spec = {**base, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed",
             "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
             "use_regex": False}]}}
        theirs = [e.ids for e in Tokenizer.from_str(json.dumps(spec)).encode_batch(texts)]
        # What loses all its pieces would be no sample.
        kept = [i for i in range(len(texts)) if len(theirs[i]) > 1]
        got = ours(spec, [texts[i] for i in kept])
        bad = [some[i] for i, g in zip(kept, got) if g != theirs[i]]
        tap.check(f"tokenizer: {pattern} takes the same characters",
                  len(got) == len(kept) and not bad,
                  f"{len(kept)} characters; {[hex(ord(c)) for c in bad[:5]]}")


with open("tests/golden/text/tokenizers.json", encoding="utf-8") as f:
    small = json.load(f)
v = small["variants"][0]
escapes({"version": "1.0", **v["parts"], "model": {**small["models"][v["model"]], **v["change"]}})
for v in small["variants"]:
    spec = {"version": "1.0", **v["parts"],
            "model": {**small["models"][v["model"]], **v["change"]}}
    compare(v["name"], spec, N if v["name"] in ("llama", "gemma") else N // 20)
if GOLDEN:
    with open(GOLDEN + "/data/smollm2/tokenizer.json", encoding="utf-8") as f:
        base = json.load(f)
    compare("smollm2", base, N)
    for name in sorted(os.listdir(GOLDEN + "/F/pretok")):
        with open(f"{GOLDEN}/F/pretok/{name}", encoding="utf-8") as f:
            change = json.load(f)["override"]
        spec = {**base, "model": dict(base["model"])}
        for k, value in change.items():
            (spec["model"] if "." in k else spec)[k.split(".")[-1]] = value
        compare(name, spec, N)
tap.end()
