"""cpp - llama.cpp's logits, and losses of both sides"""
import json

import tap

tap.need("llama_cpp", "gguf", "torch")

import llama_cpp
import numpy as np
import torch

_quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
llama_cpp.llama_log_set(_quiet, None)


def llama(path, **more):
    """Keys and values in f32, as the reference has them; one thread, for its
    threads spin where others have work."""
    return llama_cpp.Llama(path, n_ctx=256, logits_all=True, verbose=False,
                           n_threads=1, n_threads_batch=1, type_k=0, type_v=0,
                           **more)


def logits(model, ids):
    model.reset()
    model.eval(ids)
    return np.array(model.scores[:len(ids)])


def losses(ids, *operands):
    """Of each token but the first."""
    data, to = tap.path("ids.jsonl"), tap.path("losses.json")
    with open(data, "w") as f:
        f.write(json.dumps({"input_ids": ids, "labels": ids}) + "\n")
    tap.run("eval", "-t", "loss", "-d", data, "--per-token", to, *operands)
    return json.load(open(to))


def losses_of(scores, ids):
    return torch.nn.functional.cross_entropy(
        torch.tensor(scores[:-1]).double(), torch.tensor(ids[1:]),
        reduction="none").numpy()
