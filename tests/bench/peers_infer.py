"""peers_infer.py MODEL_DIR TURNS - transformers in f32, two threads: a prompt of
512 tokens, then 64 tokens one by one; prints "PROMPT best median DECODE best
median" in tokens a second, as infer does"""
import os
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "2")
import torch
from transformers import AutoModelForCausalLM

torch.set_num_threads(2)
model = AutoModelForCausalLM.from_pretrained(
    sys.argv[1], dtype=torch.float32).eval()
prompt = torch.tensor([[3 + i * 7919 % (model.config.vocab_size - 3)
                        for i in range(512)]])
read, written = [], []
with torch.inference_mode():
    for _ in range(int(sys.argv[2])):
        begin = time.perf_counter()
        out = model(prompt, use_cache=True, logits_to_keep=1)
        token = out.logits[:, -1:].argmax(-1)
        middle = time.perf_counter()
        for _ in range(63):
            out = model(token, past_key_values=out.past_key_values,
                        use_cache=True)
            token = out.logits[:, -1:].argmax(-1)
        read.append(512 / (middle - begin))
        written.append(63 / (time.perf_counter() - middle))
read.sort()
written.sort()
print(f"prompt {read[-1]:.1f} {read[len(read) // 2]:.1f} "
      f"decode {written[-1]:.1f} {written[len(written) // 2]:.1f}")
