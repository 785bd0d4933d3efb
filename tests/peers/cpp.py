"""cpp - llama.cpp's logits, and the files that it is given"""
import tap

tap.need("llama_cpp", "gguf")

import llama_cpp
import numpy as np

_quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
llama_cpp.llama_log_set(_quiet, None)


def llama(path, **more):
    """Keys and values in f32, as the reference has them."""
    return llama_cpp.Llama(path, n_ctx=256, logits_all=True, verbose=False,
                           n_threads=2, type_k=0, type_v=0, **more)


def logits(model, ids):
    model.reset()
    model.eval(ids)
    return np.array(model.scores[:len(ids)])
