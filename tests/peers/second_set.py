"""second_set [DIR] - a set of reference numbers, all through the programs

DIR is tests/golden, or another set of its layout: names, shapes and settings
come from its files. With REPORT=FILE, a row a quantity goes there.
"""
import json
import os
import shutil
import sys

import tap

tap.need("numpy")

import numpy as np

ROOT = sys.argv[1] if len(sys.argv) > 1 else "tests/golden"
# Tolerances of the sets, where a case has none of its own.
LOSS, NORM, RMS, MOST = 1e-5, 5e-5, 1e-5, 3e-4
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4",
         "U8": "u1", "BF16": "<u2"}


def tensors(path):
    """All tensors of a .safetensors file; none when it is not there."""
    if not os.path.exists(path):
        return {}
    raw = open(path, "rb").read()
    n = int.from_bytes(raw[:8], "little")
    head = json.loads(raw[8:8 + n])
    head.pop("__metadata__", None)
    return {k: np.frombuffer(raw[8 + n + v["data_offsets"][0]:
                                 8 + n + v["data_offsets"][1]],
                             TYPES[v["dtype"]]).reshape(v["shape"])
            for k, v in head.items()}


def save(path, name, x):
    """A .safetensors file of one tensor."""
    kind = {np.dtype(v): k for k, v in TYPES.items()}[x.dtype]
    head = json.dumps({name: {"dtype": kind, "shape": x.shape,
                              "data_offsets": [0, x.nbytes]}}).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as f:
        f.write(len(head).to_bytes(8, "little") + head + x.tobytes())


def cases(topic):
    top = os.path.join(ROOT, topic)
    for name in sorted(os.listdir(top)) if os.path.isdir(top) else []:
        d = os.path.join(top, name)
        if os.path.exists(f"{d}/case.json"):
            yield (f"{topic}/{name}", d, json.load(open(f"{d}/case.json")),
                   tensors(f"{d}/case.safetensors"))


def report(case, what, difference, tolerance):
    tap.check(f"{case}: {what}", difference <= tolerance,
              f"difference {difference:.3g}, tolerance {tolerance:.3g}")
    if os.environ.get("REPORT"):
        with open(os.environ["REPORT"], "a") as f:
            f.write(f"{case}\t{what}\t{difference:.3g}\t{tolerance:.3g}\n")


def attempt(case, work, *args):
    try:
        work(case, *args)
    except Exception as e:
        text = str(e).strip().replace("\n", " ")[:300]
        later = "--arch FILE" in text or "is not known here" in text
        tap.check(f"{case}: " + ("# SKIP " + text if later else
                                 type(e).__name__), later, text)


def farthest(a, b):
    a, b = np.asarray(a, "f8"), np.asarray(b, "f8")
    if a.shape != b.shape:
        return float("inf")
    return float(np.abs(a - b).max()) if a.size else 0.0


def relative(got, want):
    if len(got) != len(want):
        return float("inf")
    return max(abs(a - b) / max(1, abs(b)) for a, b in zip(got, want))


def records(path, t):
    """Rows of input_ids and labels, without their padding, as JSON lines."""
    ids, mask, labels = (t[k].reshape(-1, t[k].shape[-1]) for k in
                         ("input_ids", "attention_mask", "labels"))
    with open(path, "w") as f:
        for i, m, l in zip(ids, mask, labels):
            n = int(m.sum())
            f.write(json.dumps({"input_ids": i[:n].tolist(),
                                "labels": l[:n].tolist()}) + "\n")
    return path


# A: losses of every label token, without and with the adapter.
def allowed(case, key):
    of = case["f32_vs_f64"][key]
    return 10 * of["max_abs"] + 1e-6 * of["ref_absmax"]


def losses(name, d, case, t, kind, adapter):
    got = json.loads(tap.run("eval", "-t", "loss", "-d",
                             records(tap.path("a.jsonl"), t), "--per-token",
                             tap.path("nll"), f"{d}/model", *adapter))
    tap.check(f"{name}: {kind}, label tokens",
              got["tokens"] == (t["labels"][:, 1:] != -100).sum())
    report(name, f"{kind}.loss by eval",
           abs(got["loss"] - case[f"{kind}_loss"]),
           allowed(case, f"{kind}.loss"))
    rows = [json.loads(line) for line in open(tap.path("nll"))]
    want = [n[l[1:] != -100].tolist()
            for n, l in zip(t[f"{kind}.nll"], t["labels"])]
    report(name, f"{kind}.nll by eval", farthest(sum(rows, []),
                                                 sum(want, [])),
           allowed(case, f"{kind}.nll"))


def model(name, d, case, t):
    losses(name, d, case, t, "base", [])
    losses(name, d, case, t, "lora", [f"{d}/adapter"])


# B: trajectories and what they end in.
def options(run, rows):
    out = ["-n", run["steps"], "-g", run.get("accum", 1), "-b", rows,
           "--learning-rate", run["lr"], "--max-grad-norm", run.get("clip", 0),
           "--weight-decay", run.get("wd", 0),
           "--lr-scheduler", run.get("sched", "constant"),
           "--warmup-steps", run.get("warmup", 0),
           "--no-pack", "--no-shuffle"]
    return out + (["--optim", "sgd", "--momentum", 0.9]
                  if run.get("opt") == "sgd" else [])


def base_of(case, nf4):
    base = os.path.join(ROOT, case["base"])
    if not nf4:
        return base
    tap.run("quantize-nf4", "-o", tap.path("nf4.st"), base)
    return tap.path("nf4.st")


def same_adapter(name, got, want, case):
    tap.check(f"{name}: the adapter's tensors", got.keys() == want.keys(),
              " ".join(sorted(got.keys() ^ want.keys())[:3]))
    both = [k for k in want if k in got]
    report(name, "parameters by st-export, RMS", max(
        float(np.sqrt(np.mean((got[k].astype("f8") - want[k]) ** 2)))
        for k in both), RMS)
    report(name, "parameters by st-export, largest",
           max(farthest(got[k], want[k]) for k in both), MOST)


def training(name, d, case, t):
    run, data = case["run"], tensors(os.path.join(ROOT, "B/data",
                                                  "case.safetensors"))
    out = tap.path("out")
    shutil.rmtree(out, ignore_errors=True)
    tap.run("peft-step", "-A", f"{d}/init", "-d",
            records(tap.path("b.jsonl"), data), "--log", tap.path("log"),
            *options(run, data["input_ids"].shape[1]),
            base_of(case, run.get("nf4")), "-o", out + ".st")
    tap.run("st-export", "--to", "peft", out, stdin=out + ".st")
    steps = [x for x in map(json.loads, open(tap.path("log")))
             if "learning_rate" in x]
    report(name, "loss by peft-step",
           relative([s["loss"] for s in steps], case["loss"]), LOSS)
    report(name, "gradient norm by peft-step", relative(
        [s["grad_norm"] for s in steps], case["grad_norm"]), NORM)
    report(name, "learning rate by peft-step", farthest(
        [s["learning_rate"] for s in steps], case["lr"]), 1e-12)
    same_adapter(name, tensors(f"{out}/adapter_model.safetensors"),
                 tensors(f"{d}/final/adapter_model.safetensors"), case)


def dropout(name, d, case, t):
    """Many steps that move nothing, each with a mask of its own."""
    data = tensors(os.path.join(ROOT, "B/data/case.safetensors"))
    first = {k: v[:1] for k, v in data.items()}
    tap.run("peft-step", "-A", f"{d}/adapter", "-d",
            records(tap.path("d.jsonl"), first), "--log", tap.path("log"),
            *options({"lr": 1e-30, "steps": case["draws"]},
                     first["input_ids"].shape[1]),
            os.path.join(ROOT, "A/llama/model"), "-o", tap.path("d.st"))
    got = np.array([x["loss"] for x in map(json.loads, open(tap.path("log")))
                    if "learning_rate" in x])
    error = case["loss_std"] * (1 / len(got) + 1 / case["draws"]) ** 0.5
    report(name, "mean loss under dropout, standard errors",
           abs(got.mean() - case["loss_mean"]) / error, 5)
    report(name, "its standard deviation, relative",
           abs(got.std(ddof=1) / case["loss_std"] - 1), 0.15)


# C: one weight through import, quantiser and export.
def quantise(name, x, block, nested):
    out = tap.path("c")
    shutil.rmtree(out, ignore_errors=True)
    save(out + ".safetensors", "w", x.reshape(-1, x.shape[-1]))
    tap.run("st-import", "-o", out + ".st", out + ".safetensors")
    tap.run("quantize-nf4", "--block", block,
            *([] if nested else ["--no-double-quant"]), "-o", out + ".4.st",
            out + ".st")
    tap.run("st-export", "--to", "bnb", out, stdin=out + ".4.st")
    return tensors(out + "/model.safetensors")


def unequal(a, b):
    a, b = (np.ascontiguousarray(v).reshape(-1).view("u1") for v in (a, b))
    return float("inf") if a.shape != b.shape else float((a != b).sum())


def block4(name, d, case, t):
    for key in sorted(k[:-2] for k in t if k.startswith("nf4.")
                      and k.endswith(".q")):
        block = int(key.split(".b")[1])
        w = quantise(name, t["x"], block, False)
        report(name, f"{key} codes by st-export",
               unequal(w["w"], t[key + ".q"]), 0)
        report(name, f"{key} absmax by st-export",
               unequal(w["w.absmax"], t[key + ".absmax"]), 0)
        if not np.isfinite(t[key + ".nested.offset"]).all():
            continue
        w = quantise(name, t["x"], block, True)
        state = json.loads(bytes(w["w.quant_state.bitsandbytes__nf4"]))
        report(name, f"{key} nested codes by st-export",
               unequal(w["w.absmax"], t[key + ".nested.absmax_u8"]), 0)
        report(name, f"{key} nested absmax by st-export",
               unequal(w["w.nested_absmax"], t[key + ".nested.absmax"]), 0)
        report(name, f"{key} offset by st-export", abs(
            state["nested_offset"] - float(t[key + ".nested.offset"][0])), 0)


# D: merged models.
def exported(kind, stream):
    out = tap.path("merged")
    shutil.rmtree(out, ignore_errors=True)
    tap.run("st-export", "--to", kind, out, stdin=stream)
    return tensors(out + "/model.safetensors")


def merge(name, d, case, t):
    base, st = os.path.join(ROOT, case["base"]), tap.path("d.st")
    tap.run("merge-adapter", base, "-A", f"{d}/adapter", "-o", st)
    got, was = exported("hf", st), tensors(base + "/model.safetensors")
    changed = {k: v for k, v in t.items() if k.startswith("merged.")}
    report(name, "weights by merge-adapter", max(
        farthest(got[k[7:]], v) for k, v in changed.items()), 2e-5)
    tap.check(f"{name}: the other weights are as they were",
              got.keys() == was.keys() and not any(
                  unequal(got[k], was[k]) for k in was
                  if "merged." + k not in changed))


def merge_nf4(name, d, case, t):
    nf4, st = base_of(case, True), tap.path("d.st")
    tap.run("merge-adapter", "--dtype", "f32", nf4, "-A", f"{d}/adapter", "-o",
            st)
    got = exported("hf", st)
    report(name, "dequantised by merge-adapter", max(
        farthest(got[k[6:] + ".weight"], v) for k, v in t.items()
        if k.startswith("float.")), 2e-6)
    before = exported("bnb", nf4)
    tap.run("merge-adapter", "--requantise", "-q", nf4, "-A", f"{d}/adapter",
            "-o", st)
    after = exported("bnb", st)
    for when, have in (("before", before), ("after", after)):
        n = sum(unequal(have[k[len(when) + 1:-6] + ".weight"], v)
                for k, v in t.items()
                if k.startswith(when) and k.endswith(".codes"))
        total = sum(v.size for k, v in t.items()
                    if k.startswith(when) and k.endswith(".codes"))
        report(name, f"codes that differ, {when}", n,
               0 if when == "before" else total // 1000 + 1)


for name, *case in cases("A"):
    attempt(name, model, *case)
for name, *case in cases("B"):
    if "run" in case[1] and os.path.isdir(case[0] + "/init") \
            and case[1]["run"].get("kind", "lora") == "lora" \
            and case[1]["run"].get("opt", "sgd") == "sgd":
        attempt(name, training, *case)
    if "loss_std" in case[1]:
        attempt(name, dropout, *case)
for name, *case in cases("C/quant4"):
    if "nonfinite" not in name:
        attempt(name, block4, *case)
for name, *case in cases("D"):
    if os.path.isdir(case[0] + "/adapter"):
        attempt(name, merge_nf4 if "nf4" in name else merge, *case)
tap.end()
