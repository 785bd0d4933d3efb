"""chat - conversations become the ids of apply_chat_template, and the loss is on
what prefix rendering says

Several turns, with a system message, with tools, calls and their answers, with
thoughts; written as OpenAI and as ShareGPT write them. Templates are ours, in
the manner of those in use, and SmolLM2's where it is there. No {% generation %}
is asked for: the span of an answer is what messages[:i + 1] render beyond
messages[:i] and the opening of a turn.
"""
import json
import os
import random

import tap

tap.need("transformers", "jinja2")

from transformers import PreTrainedTokenizerFast

GOLDEN = next((d for d in ("../shared/golden", "../../shared/golden")
               if os.path.isdir(d)), None)
if not GOLDEN:
    print("ok 1 chat.py # SKIP no tokenizer.json of a real model")
    raise SystemExit(0)
JSON = GOLDEN + "/data/smollm2/tokenizer.json"

TEMPLATES = {
    "chatml": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
              "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    # Hermes' and Qwen's way of tools; earlier answers without their thoughts.
    "tools": """{%- if tools %}<|im_start|>system
{% if messages[0].role == 'system' %}{{ messages[0].content + '\\n\\n' }}{% endif %}# Tools
<tools>{% for tool in tools %}
{{ tool | tojson }}{% endfor %}
</tools><|im_end|>
{% elif messages[0].role == 'system' %}<|im_start|>system
{{ messages[0].content }}<|im_end|>
{% endif %}
{%- set last = namespace(user=0) %}
{%- for m in messages %}{% if m.role == 'user' %}{% set last.user = loop.index0 %}{% endif %}{% endfor %}
{%- for m in messages %}
{%- if m.role == 'user' or (m.role == 'system' and not loop.first) %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% elif m.role == 'assistant' %}
{%- set said = m.content or '' %}
{%- if '</think>' in said and loop.index0 < last.user %}{% set said = said.split('</think>')[-1].lstrip('\\n') %}{% endif -%}
<|im_start|>assistant
{{ said }}
{%- for call in m.tool_calls or [] %}
{%- if call.function %}{% set call = call.function %}{% endif %}
<tool_call>
{"name": "{{ call.name }}", "arguments": {{ call.arguments | tojson }}}
</tool_call>
{%- endfor %}<|im_end|>
{% elif m.role == 'tool' %}
{%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}<|im_start|>user{% endif %}
<tool_response>
{{ m.content }}
</tool_response>
{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}<|im_end|>
{% endif %}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}""",
    # Llama 3's: trimmed, a BOS of its own, roles in between.
    "headers": "{{ bos_token }}{% if tools is not none %}{% for t in tools %}{{ t | tojson(indent=4) }}\n\n{% endfor %}"
               "{% endif %}{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n\\n' }}"
               "{% if 'tool_calls' in m %}{% set f = m.tool_calls[0].function %}"
               "{{ '{\"name\": \"' + f.name + '\", \"parameters\": ' }}{{ f.arguments | tojson }}{{ '}' }}"
               "{% else %}{{ m['content'] | trim }}{% endif %}<|im_end|>{% endfor %}"
               "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n\\n' }}{% endif %}",
}
with open(GOLDEN + "/data/smollm2/chat_template.jinja", encoding="utf-8") as f:
    TEMPLATES["smollm2"] = f.read()

TOOLS = [{"type": "function", "function": {
    "name": name, "description": f"Does {name} - é 日本.", "parameters": {
        "type": "object", "required": ["x"], "properties": {
            "x": {"type": "number", "minimum": 0.5}, "why": {"type": ["string", "null"]}}}}}
    for name in ("add", "look_up")]
WORDS = "the weft is drawn\n through it , don't <b> 12 é 日本 \U0001f9f5 {{x}} - \"q\" \\n".split(" ")


def say(r, least=1):
    return " ".join(r.choice(WORDS) for _ in range(r.randrange(least, 9)))


def talk(r, tools, thoughts):
    out = [{"role": "system", "content": say(r)}] if r.random() < .5 else []
    for _ in range(r.randrange(1, 5)):
        out.append({"role": "user", "content": say(r)})
        if tools and r.random() < .6:
            calls = [{"type": "function", "id": f"call{i:05}", "function": {
                "name": r.choice(["add", "look_up"]),
                "arguments": {"x": r.choice([1, 2.5, -3, 1e20]), "why": r.choice([None, say(r), True])}}}
                for i in range(r.randrange(1, 3))]
            out.append({"role": "assistant", "content": None if r.random() < .5 else say(r), "tool_calls": calls})
            out += [{"role": "tool", "content": say(r), "tool_call_id": c["id"]} for c in calls]
        out.append({"role": "assistant", "content": (f"<think>\n{say(r)}\n</think>\n\n" if thoughts and r.random() < .6
                                                     else "") + say(r)})
    return out


def openai(messages, tools):
    """As files for OpenAI have it: arguments are texts."""
    copy = json.loads(json.dumps(messages))
    for m in copy:
        for c in m.get("tool_calls", []):
            c["function"]["arguments"] = json.dumps(c["function"]["arguments"], ensure_ascii=False)
    return {"messages": copy, **({"tools": tools} if tools else {})}


def sharegpt(messages, tools):
    names = {"user": "human", "assistant": "gpt", "tool": "observation", "system": "system"}
    out = [{"from": "function_call", "value": json.dumps([c["function"] for c in m["tool_calls"]], ensure_ascii=False)}
           if "tool_calls" in m else {"from": names[m["role"]], "value": m["content"]} for m in messages]
    return {"conversations": out, **({"tools": json.dumps([t["function"] for t in tools])} if tools else {})}


def plain(messages):
    """What ShareGPT's has no place for."""
    return [{"role": m["role"], "content": "", "tool_calls": [
        {"type": "function", "function": c["function"]} for c in m["tool_calls"]]} if "tool_calls" in m
        else {"role": m["role"], "content": m["content"]} for m in messages]


def without_null(messages):
    """An answer that only calls has no text here."""
    return [{**m, "content": m["content"] or ""} for m in messages]


def expected(t, messages, tools):
    """Ids and labels, from what transformers renders."""
    render = lambda n, prompt: t.apply_chat_template(messages[:n], tools=tools, tokenize=False,
                                                     add_generation_prompt=prompt)
    whole = render(len(messages), False)
    spans = []
    for i, m in enumerate(messages):
        if m["role"] != "assistant":
            continue
        upto = render(i + 1, False)
        if not whole.startswith(upto):
            continue        # rendered otherwise once more follows
        head = render(i, True) if i else ""
        if not upto.startswith(head):
            head = render(i, False)
        spans.append((len(head), len(upto)))
    e = t(whole, add_special_tokens=False, return_offsets_mapping=True)
    # Of a character in several tokens each has all of it: what reaches over
    # the border carries no loss, and here no border is inside a character.
    labels = [i if any(a <= x and y <= b for a, b in spans) else -100
              for i, (x, y) in zip(e["input_ids"], e["offset_mapping"])]
    return {"input_ids": e["input_ids"], "labels": labels}


def compare(name, what, t, folder, talks, write, seen, tools):
    with open(tap.path("talks.jsonl"), "w", encoding="utf-8") as f:
        for m in talks:
            f.write(json.dumps(write(m, tools), ensure_ascii=False) + "\n")
    tap.run("tokenize", "--base", folder, "--jsonl", "--max-duplicates", 1, "-o", tap.path("ids.jsonl"),
            tap.path("talks.jsonl"))
    got = [json.loads(line) for line in open(tap.path("ids.jsonl"))]
    bad = 0
    for m, g in zip(talks, got):
        want = expected(t, seen(m), tools)
        if {k: g[k] for k in want} != want:
            if not bad:
                print("# " + repr(t.decode(want["input_ids"])), "\n# " + repr(t.decode(g["input_ids"])),
                      "\n# ", [(i, a, b) for i, (a, b) in enumerate(zip(want["labels"], g["labels"])) if a != b][:5])
            bad += 1
    tap.check(f"chat: {name}, {what}", not bad and len(got) == len(talks),
              f"{len(talks)} conversations, {bad} differ, {sum(map(len, talks))} messages")


for name, template in TEMPLATES.items():
    folder = tap.path(name)
    t = PreTrainedTokenizerFast(tokenizer_file=JSON, bos_token="<|endoftext|>", eos_token="<|im_end|>",
                                chat_template=template)
    t.save_pretrained(folder)
    r = random.Random(name)
    talks = [talk(r, False, name == "tools") for _ in range(300)]
    compare(name, "OpenAI's", t, folder, talks, openai, without_null, None)
    compare(name, "ShareGPT's", t, folder, talks, sharegpt, plain, None)
    if "tools" not in template:
        continue
    talks = [talk(r, True, name == "tools") for _ in range(300)]
    if name == "headers":   # this one renders one call, and no text beside it
        for m in [m for one in talks for m in one]:
            if "tool_calls" in m:
                m.update(content=None, tool_calls=m["tool_calls"][:1])
    compare(name, "OpenAI's with tools", t, folder, talks, openai, without_null, TOOLS)
    compare(name, "ShareGPT's with tools", t, folder, talks, sharegpt, plain, TOOLS)
tap.end()
