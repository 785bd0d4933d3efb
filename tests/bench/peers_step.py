"""peers_step.py MODEL_DIR f32|nf4 STEPS - PEFT's tokens a second on a step of
4 sequences of 256 tokens, LoRA r=8 on all linear layers, two threads; prints
"best median MB", the first step left out"""
import os
import resource
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "2")
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

path, kind, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.set_num_threads(2)
torch.manual_seed(0)
options = {"dtype": torch.float32}
if kind == "nf4":
    options["quantization_config"] = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.float32)
model = AutoModelForCausalLM.from_pretrained(path, **options)
model = get_peft_model(model, LoraConfig(
    r=8, lora_alpha=16, task_type="CAUSAL_LM", target_modules="all-linear"))
model.train()
params = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(params, lr=2e-4, weight_decay=0.0)
rates = []
for step in range(steps):
    ids = torch.randint(3, 49000, (4, 256))
    begin = time.perf_counter()
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(params, 1.0)
    optimizer.step()
    optimizer.zero_grad()
    rates.append(ids.numel() / (time.perf_counter() - begin))
rates = sorted(rates[1:])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{rates[-1]:.1f} {rates[len(rates) // 2]:.1f} {peak:.0f}")
