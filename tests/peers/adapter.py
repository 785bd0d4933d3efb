"""adapter - adapters go to PEFT and come from PEFT, with the same numbers"""
import json

import tap

tap.need("torch", "peft", "transformers")

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

MODEL = "tests/golden/A/llama/model"
torch.manual_seed(0)
torch.set_num_threads(1)
ids = torch.randint(3, 256, (6, 40))


def write_data(name):
    with open(tap.path(name), "w") as f:
        for row in ids.tolist():
            f.write(json.dumps({"input_ids": row, "labels": row}) + "\n")
    return tap.path(name)


def losses(model):
    with torch.no_grad():
        logits = model(ids).logits[:, :-1].double()
    return -torch.log_softmax(logits, -1).gather(
        -1, ids[:, 1:, None])[..., 0].numpy()


def our_losses(*inputs):
    tap.run("eval", "-t", "loss", "-d", data, "--per-token",
            tap.path("nll"), *inputs)
    return [json.loads(line) for line in open(tap.path("nll"))]


def base_model():
    return AutoModelForCausalLM.from_pretrained(
        MODEL, dtype=torch.float32, attn_implementation="eager").eval()


def ours_to_peft(kind, *options):
    """Trains here, exports, and loads it there."""
    tap.run("peft-step", "-r", 4, "-n", 6, "-g", 1, "--no-pack",
            "--learning-rate", "5e-3", "-d", data, *options,
            "-o", tap.path("a.st"), MODEL)
    tap.run("st-export", "--force", "--to", "peft", tap.path(kind),
            stdin=tap.path("a.st"))
    model = PeftModel.from_pretrained(base_model(), tap.path(kind)).eval()
    tap.close(f"{kind}: PEFT gives our losses",
              our_losses(MODEL, tap.path("a.st")), losses(model), 2e-5)
    tap.close(f"{kind}: read back, it is the same adapter",
              our_losses(MODEL, tap.path(kind)),
              our_losses(MODEL, tap.path("a.st")), 0)


def peft_to_ours(kind, **config):
    """Made there, measured and trained on here."""
    model = get_peft_model(base_model(), LoraConfig(
        r=4, lora_alpha=8, task_type="CAUSAL_LM", init_lora_weights=False,
        **config)).eval()
    model.save_pretrained(tap.path(kind))
    tap.close(f"{kind}: our losses are PEFT's",
              our_losses(MODEL, tap.path(kind)), losses(model), 2e-5)
    before = sum(map(sum, our_losses(MODEL, tap.path(kind))))
    tap.run("peft-step", "-A", tap.path(kind), "-d", data, "-n", 8, "-g", 1,
            "--no-pack", "--learning-rate", "5e-3", "-o", tap.path("b.st"),
            MODEL)
    after = sum(map(sum, our_losses(MODEL, tap.path("b.st"))))
    tap.check(f"{kind}: trains on here", after < before,
              f"{before:.2f} to {after:.2f}")


def same_training(kind, *options, steps=3, **config):
    """The same steps there and here. As in HF's Trainer nothing decays what
    is called a bias. Adam moves an element whose gradient is about 0 by a
    whole step, in either direction: 1e-2 of one weight."""
    model = get_peft_model(base_model(), LoraConfig(
        r=4, lora_alpha=8, task_type="CAUSAL_LM", **config)).eval()
    model.save_pretrained(tap.path(kind))
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    move = torch.optim.AdamW(
        [{"params": [p for n, p in named if "bias" not in n]},
         {"params": [p for n, p in named if "bias" in n],
          "weight_decay": 0.0}], lr=1e-2, weight_decay=0.1)
    for _ in range(steps):
        loss = model(ids, labels=ids).loss
        move.zero_grad()
        loss.backward()
        move.step()
    tap.run("peft-step", "-q", "-A", tap.path(kind), "-d", data, "-n", steps,
            "-b", len(ids), "-g", 1, "--no-pack", "--no-shuffle", "--lr",
            "1e-2", "--lr-scheduler", "constant", "--weight-decay", 0.1,
            "--max-grad-norm", 0, *options, "-o", tap.path("c.st"), MODEL)
    tap.close(f"{kind}: {steps} steps of training are PEFT's",
              our_losses(MODEL, tap.path("c.st")), losses(model), 1e-3)


data = write_data("data.jsonl")
ours_to_peft("lora")
ours_to_peft("rslora", "--rslora")
ours_to_peft("qv", "--target-modules", "q_proj", "--target-modules", "v_proj")
ours_to_peft("saved", "--modules-to-save", "lm_head")
ours_to_peft("dora", "--method", "dora")
ours_to_peft("adalora", "--method", "adalora", "--target-rank", 2,
             "--tinit", 1, "--tfinal", 2)
ours_to_peft("embed", "--target-modules", "embed_tokens,q_proj")
peft_to_ours("peft_embed", target_modules=["embed_tokens", "q_proj"])
peft_to_ours("peft_lora", target_modules="all-linear")
peft_to_ours("peft_dora", target_modules="all-linear", use_dora=True)
peft_to_ours("peft_rslora", target_modules=["q_proj", "down_proj"],
             use_rslora=True)
peft_to_ours("peft_patterns", target_modules=["q_proj", "v_proj"],
             rank_pattern={"q_proj": 2}, alpha_pattern={"v_proj": 5})
peft_to_ours("peft_saved", target_modules=["v_proj"],
             modules_to_save=["lm_head"])

# Biases: of the layers, and of B.
for MODEL, some in [("tests/golden/A/qwen2/model", "q_proj,down_proj"),
                    ("tests/golden/A/gpt2/model", "c_attn,c_fc")]:
    name = MODEL.split("/")[3]
    some = some.split(",")
    for bias in ["all", "lora_only"]:
        ours_to_peft(f"{name}_{bias}", "--bias", bias, "--target-modules",
                     ",".join(some))
        peft_to_ours(f"peft_{name}_{bias}", target_modules=some, bias=bias)
        same_training(f"train_{name}_{bias}", target_modules=some, bias=bias)
    ours_to_peft(f"{name}_dora_all", "--bias", "all", "--method", "dora",
                 "--target-modules", ",".join(some))
    ours_to_peft(f"{name}_lora_bias", "--method", "lora_bias",
                 "--target-modules", ",".join(some))
    peft_to_ours(f"peft_{name}_lora_bias", target_modules=some,
                 lora_bias=True)
    same_training(f"train_{name}_lora_bias", target_modules=some,
                  lora_bias=True)
MODEL = "tests/golden/A/qwen2/model"
ours_to_peft("saved_bias", "--bias", "all", "--target-modules", "q_proj",
             "--modules-to-save", "k_proj")
peft_to_ours("peft_saved_bias", target_modules=["q_proj"],
             modules_to_save=["k_proj"])
MODEL = "tests/golden/A/llama/model"
same_training("train_lora", target_modules="all-linear")
same_training("train_dora", target_modules="all-linear", use_dora=True)

# GPT-2's checkpoints have the weights of its linear layers turned, and so has
# PEFT what it trained whole.
MODEL = "tests/golden/A/gpt2/model"
for some in ["c_fc,c_proj", "c_attn,c_proj,wte"]:
    name = "gpt2_saved_" + some.replace(",", "_")
    rest = "c_attn" if "c_fc" in some else "c_fc"
    ours_to_peft(name, "--target-modules", rest, "--modules-to-save", some)
    peft_to_ours(f"peft_{name}", target_modules=[rest],
                 modules_to_save=some.split(","))
    same_training(f"train_{name}", target_modules=[rest],
                  modules_to_save=some.split(","))
MODEL = "tests/golden/A/llama/model"

# Families whose modules have other names, fused products, turned weights.
ids = ids % 61 + 3
data = write_data("data64.jsonl")
for name, target in [("gpt2", "c_attn"), ("gpt_neox", "query_key_value"),
                     ("falcon", "query_key_value"), ("phi3", "qkv_proj"),
                     ("cohere", "q_proj"), ("starcoder2", "c_fc")]:
    MODEL = f"tests/golden/A/{name}/model"
    ours_to_peft(f"{name}")
    ours_to_peft(f"{name}_some", "--target-modules", target)
    peft_to_ours(f"peft_{name}", target_modules=[target])
tap.end()
