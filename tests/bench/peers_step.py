"""peers_step.py MODEL_DIR f32|bf16|nf4 STEPS [DATA BATCH] - PEFT's tokens a second

LoRA r=8 on all linear layers, two threads. Without DATA a step is 4 sequences
of 256 random tokens. With it (JSON lines of input_ids and labels) a step is
BATCH records, padded to the longest, and tokens are those that are no padding.
Prints "best median MB"; the first step is left out. With DATA both numbers are
all tokens over all time, since no two steps are alike."""
import json
import os
import resource
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "2")
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, BitsAndBytesConfig


def open_model(path, kind):
    options = {"dtype": torch.bfloat16 if kind == "bf16" else torch.float32}
    if kind == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32)
    model = AutoModelForCausalLM.from_pretrained(path, **options)
    return get_peft_model(model, LoraConfig(
        r=8, lora_alpha=16, task_type="CAUSAL_LM",
        target_modules="all-linear")).train()


def random_steps(steps):
    for _ in range(steps):
        ids = torch.randint(3, 49000, (4, 256))
        yield ids, ids, torch.ones_like(ids)


def padded_steps(path, batch, steps):
    with open(path) as f:
        records = [json.loads(line) for line in f]
    for at in range(0, min(len(records), steps * batch), batch):
        part = records[at:at + batch]
        wide = max(len(r["input_ids"]) for r in part)
        rows = [(r["input_ids"] + [0] * (wide - len(r["input_ids"])),
                 r["labels"] + [-100] * (wide - len(r["labels"])),
                 [1] * len(r["input_ids"]) +
                 [0] * (wide - len(r["input_ids"]))) for r in part]
        yield [torch.tensor(column) for column in zip(*rows)]


def main():
    path, kind, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(2)
    torch.manual_seed(0)
    model = open_model(path, kind)
    params = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(params, lr=2e-4, weight_decay=0.0)
    data = (padded_steps(sys.argv[4], int(sys.argv[5]), steps)
            if len(sys.argv) > 5 else random_steps(steps))
    taken = []
    for ids, labels, mask in data:
        begin = time.perf_counter()
        model(input_ids=ids, labels=labels,
              attention_mask=mask).loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        taken.append((int(mask.sum()), time.perf_counter() - begin))
    taken = taken[1:]
    rates = sorted(n / t for n, t in taken)
    if len(sys.argv) > 5:
        rates = [sum(n for n, _ in taken) / sum(t for _, t in taken)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{rates[-1]:.1f} {rates[len(rates) // 2]:.1f} {peak:.0f}")


main()
