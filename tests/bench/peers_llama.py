"""peers_llama.py MODEL.gguf TURNS - llama.cpp on the GGUF file as it is, two
threads: a prompt of 512 tokens, then 64 tokens one by one; prints "PROMPT best
median DECODE best median" in tokens a second, as infer does"""
import sys
import time

from llama_cpp import Llama

model = Llama(sys.argv[1], n_ctx=1024, n_batch=512, n_ubatch=512, n_threads=2,
              n_threads_batch=2, verbose=False)
prompt = [3 + i * 7919 % (model.n_vocab() - 3) for i in range(512)]
read, written = [], []
for _ in range(int(sys.argv[2])):
    model.reset()
    begin = time.perf_counter()
    model.eval(prompt)
    token = model.sample(temp=0.0)
    middle = time.perf_counter()
    for _ in range(63):
        model.eval([token])
        token = model.sample(temp=0.0)
    read.append(512 / (middle - begin))
    written.append(63 / (time.perf_counter() - middle))
read.sort()
written.sort()
print(f"prompt {read[-1]:.1f} {read[len(read) // 2]:.1f} "
      f"decode {written[-1]:.1f} {written[len(written) // 2]:.1f}")
