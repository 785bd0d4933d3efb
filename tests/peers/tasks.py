"""tasks - described tasks give what lm-evaluation-harness gives

The real model (WEFT_MODEL), a few records of each output type: metrics,
standard errors, likelihoods and answers. Needs lm_eval, with its packages.
"""
import json
import os

import tap

tap.need("torch", "transformers", "lm_eval")
if not os.environ.get("WEFT_MODEL"):
    print("ok 1 tasks.py # SKIP WEFT_MODEL is not set")
    raise SystemExit(0)

import torch
from lm_eval.evaluator import simple_evaluate
from lm_eval.models.huggingface import HFLM

FACTS = [("France", "Paris"), ("Japan", "Tokyo"), ("Italy", "Rome"), ("Egypt", "Cairo"),
         ("Norway", "Oslo"), ("Peru", "Lima"), ("Kenya", "Nairobi"), ("Cuba", "Havana")]
DOCS = [{"country": c, "choices": [a] + [x for _, x in FACTS if x != a][:3], "gold": 0,
         "capital": a, "answers": [f"the {a}", f"{a}!"],
         "page": f"{c} is a country.\n\n Its capital is {a}, a city of " * 6 + "stone. "}
        for c, a in FACTS]
TASKS = [
    {"task": "choose", "output_type": "multiple_choice",
     "description": "Facts about {{country}}.\n\n",
     "doc_to_text": "Question: What is the capital of {{country}}?\nAnswer:",
     "doc_to_choice": "{{choices}}", "doc_to_target": "{{gold}}", "num_fewshot": 2,
     "metric_list": [{"metric": m} for m in ("acc", "acc_norm")]},
    {"task": "blank", "output_type": "multiple_choice", "doc_to_text": "The capital is ",
     "doc_to_choice": "{{[country, capital, 'none at all']}}",
     "doc_to_target": "{{capital}}", "target_delimiter": "",
     "metric_list": [{"metric": m} for m in ("acc", "acc_norm", "exact_match")]},
    {"task": "alone", "output_type": "multiple_choice", "doc_to_text": "",
     "doc_to_choice": "{{[country, capital]}}", "doc_to_target": 1,
     "metric_list": [{"metric": "acc"}]},
    {"task": "write", "output_type": "generate_until", "num_fewshot": 2,
     "doc_to_text": "Q: The capital of {{country}}?\nA:", "doc_to_target": "capital",
     "generation_kwargs": {"until": ["\n", "Q:"], "max_gen_toks": 12, "do_sample": False},
     "metric_list": [{"metric": "exact_match", "ignore_case": True,
                      "ignore_punctuation": True}],
     "filter_list": [
         {"name": "word", "filter": [{"function": "regex", "regex_pattern": "([A-Z][a-z]+)|(x)"},
                                     {"function": "take_first"}]},
         {"name": "last", "filter": [{"function": "regex", "group_select": -1,
                                      "regex_pattern": "[A-Z][a-z]+"},
                                     {"function": "lowercase"}, {"function": "take_first"}]}]},
    {"task": "free", "output_type": "generate_until",
     "doc_to_text": "{{country}}'s capital is", "doc_to_target": " {{capital}}.",
     "generation_kwargs": {"until": ["."], "max_gen_toks": 8, "do_sample": False},
     "metric_list": [{"metric": "exact_match", "regexes_to_ignore": ["[.!]", "^\\s"]}]},
    {"task": "roll", "output_type": "loglikelihood_rolling", "doc_to_text": "",
     "doc_to_target": "{{page}}",
     "metric_list": [{"metric": m} for m in
                     ("word_perplexity", "byte_perplexity", "bits_per_byte")]},
]
WINDOW = 64     # less than a page, so that there are several, and more than a question

with open(tap.path("docs.jsonl"), "w") as f:
    f.writelines(json.dumps(d) + "\n" for d in DOCS)
with open(tap.path("dev.jsonl"), "w") as f:
    f.writelines(json.dumps(d) + "\n" for d in DOCS[3:])


def theirs(task, lm, chat, turns):
    files = {"test": tap.path("docs.jsonl"), "dev": tap.path("dev.jsonl")}
    spec = {**task, "dataset_path": "json", "dataset_kwargs": {"data_files": files},
            "test_split": "test", "fewshot_split": "dev",
            "fewshot_config": {"sampler": "first_n"}}
    return simple_evaluate(model=lm, tasks=[spec], limit=6, log_samples=True,
                           bootstrap_iters=1000, apply_chat_template=chat,
                           fewshot_as_multiturn=turns)


def ours(task, window, *more):
    path = tap.path(task["task"] + ".json")
    with open(path, "w") as f:
        json.dump({**task, "data": "docs.jsonl", "fewshot_data": "dev.jsonl"}, f)
    out = tap.run("eval", "-t", path, "-L", 6, "--length", window, "--log-samples",
                  tap.path("samples"), *more, tap.path("base.st"))
    return json.loads(out), [json.loads(line) for line in open(tap.path("samples"))]


def numbers(responses):
    return [float(x[0] if isinstance(x, (list, tuple)) else x) for x in responses]


def compare(task, window, chat=False, turns=False):
    name = task["task"]
    lm = HFLM(pretrained=model, tokenizer=None, max_length=window, batch_size=1)
    want = theirs(task, lm, chat, turns)
    got, samples = ours(task, window, *(["--apply-chat-template"] if chat else []),
                        *([] if turns else ["--no-fewshot-as-multiturn"]))
    a, b = want["results"][name], got["results"][name]
    tap.check(f"{name}: the keys of the result are theirs",
              set(a) - {"name", "sample_len", "sample_count"} == set(b), f"{sorted(a)}")
    for key in b:
        if isinstance(b[key], str):
            tap.check(f"{name}: {key}", a[key] == b[key], f"{a[key]} {b[key]}")
        else:
            tap.close(f"{name}: {key}", b[key], a[key], 1e-4 * max(1, abs(a[key])))
    for key in ("n-samples", "n-shot", "higher_is_better"):
        ours_here = {k: v for k, v in got[key][name].items() if k != "truncated"} \
            if key == "n-samples" else got[key][name]
        tap.check(f"{name}: {key}", want[key][name] == ours_here,
                  f"{want[key][name]} {ours_here}")
    theirs_by = {(s["doc_id"], s["filter"]): s for s in want["samples"][name]}
    tap.check(f"{name}: as many samples", len(theirs_by) == len(samples))
    for s in samples:
        t = theirs_by[s["doc_id"], s["filter"]]
        what = f"{name}: sample {s['doc_id']}, {s['filter']}"
        if task["output_type"] == "generate_until":
            tap.check(what, list(t["filtered_resps"]) == s["filtered_resps"] and
                      t["resps"] == s["resps"] and
                      t["exact_match"] == s["exact_match"],
                      f"{t['filtered_resps']} {s['filtered_resps']}")
        else:
            tap.close(what, numbers(s["filtered_resps"]), numbers(t["filtered_resps"]), 2e-3)


torch.set_num_threads(2)
tap.run("st-import", "--dtype", "f32", "-o", tap.path("base.st"), os.environ["WEFT_MODEL"])
tap.run("st-export", "--to", "hf", tap.path("hf"), stdin=tap.path("base.st"))
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained(tap.path("hf"), dtype=torch.float32).eval()
for task in TASKS:
    compare(task, WINDOW if task["task"] == "roll" else 512)
for turns in (False, True):
    compare(TASKS[0], 512, True, turns)
    compare(TASKS[3], 512, True, turns)
compare(TASKS[0], 40)   # contexts that lose their beginning
tap.end()
