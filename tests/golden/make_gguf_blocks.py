"""make_gguf_blocks - numbers and the blocks that ggml's reference makes of them

Writes tests/golden/gguf/blocks.json: f32 values as hexadecimal bytes, and the
bytes of each format, by the gguf package's quants.quantize()."""
import json
import os

import gguf
import numpy as np

rng = np.random.default_rng(11)
# A block of -0.0 is left out: there the package differs from ggml itself.
blocks = [np.zeros(32), np.arange(32) - 16.0,
          np.arange(32) - 15.5, np.where(np.arange(32) % 2, -1.0, 1.0),
          np.full(32, 1e-30), np.full(32, 60000.0), -np.arange(32) / 127,
          (np.arange(32) + 0.5) / 127, np.eye(1, 32, 7)[0] * -3.25,
          np.eye(1, 32, 20)[0] * 1e-40]
blocks += [rng.standard_normal(32) * s for s in (1, 0.02, 1e-5, 300)]
blocks += [rng.integers(-127, 128, 32) / 2 for _ in range(3)]
x = np.stack(blocks).astype(np.float32)
case = {"values": x.tobytes().hex()}
with np.errstate(all="ignore"):
    for q in (gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_0):
        case[q.name.lower()] = gguf.quants.quantize(x, q).tobytes().hex()
to = os.path.join(os.path.dirname(__file__), "gguf")
os.makedirs(to, exist_ok=True)
with open(os.path.join(to, "blocks.json"), "w") as f:
    json.dump(case, f, indent=1)
    f.write("\n")
