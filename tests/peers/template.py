"""template - templates are rendered as jinja2 renders them

N random templates (20000) over random variables, made of all that the
interpreter knows; and, where WEFT_TEMPLATES names a directory, each of its
*.jinja files over conversations of every shape. What jinja2 refuses must be
refused, and the other way round.
"""
import glob
import json
import os
import random
import subprocess
import sys
import warnings

import tap

tap.need("jinja2")

sys.path.insert(0, "tests/golden/jinja")
from make import EXPRESSIONS, V, render

warnings.simplefilter("ignore")  # jinja2 compiles to Python, which has opinions
N = int(os.environ.get("N", 20000))
WHERE = os.environ.get("WEFT_TEMPLATES")


def ours(cases):
    with open(tap.path("cases.json"), "w", encoding="utf-8") as f:
        json.dump(cases, f)
    out = subprocess.run([os.environ["O"] + "/unit/jinja", tap.path("cases.json")],
                         capture_output=True, check=True)
    return [json.loads(line) for line in out.stdout.decode().split("\n") if line]


def compare(name, cases):
    bad, refused, none = [], {}, 0
    for case, got in zip(cases, ours(cases)):
        want = render(case["template"], case["variables"])
        none += want is None
        if want is not None and " at 0x" in want:
            continue  # an address
        if want is not None and "is not supported" in got.get("error", ""):
            refused[got["error"].split(": ")[-1]] = case["template"]
        elif want != got.get("output"):
            bad.append((case["template"], want, got))
    detail = f"{len(cases)} cases, {none} of them refused by jinja2"
    if refused:
        detail += f"; not supported: {sorted(refused)}"
    for b in bad[:12]:
        print("# %r\n#   jinja2 %r\n#   here   %r" % b)
    tap.check(f"template: {name}", not bad,
              detail if not bad else f"{len(bad)} differ of {detail}")


# ---- random ones ----

NAMES = list(V) + ["x", "missing"]
FILTERS = """upper lower title capitalize trim length list string first last sort reverse|list unique|list
 join join(',') tojson tojson(indent=1) default('d') default('d',true) int float abs round sum min max items|list dictsort
 map('string')|list map(attribute='name')|list select|list reject('none')|list selectattr('name')|list
 replace('a','b') indent escape e indent(2,true) batch(2)|list format(1)""".split()
TESTS = """defined undefined none string number integer float boolean mapping sequence iterable true false odd even
 lower upper callable sameas(none) eq(1) in([1,'a']) divisibleby(2)""".split()
METHODS = """upper() lower() strip() lstrip() split() split(',') splitlines() title() capitalize() startswith('H') items() keys()
 values() get('a') get('zz',1) replace('l','L') count('a') find('o') isdigit() join(['a','b']) center(9)""".split()
BINARY = "+ - * / // % ~ == != < > <= >= and or in".split() + ["not in"]


def text(r):
    s = "".join(r.choice("abAB \n\té日ßΣ'\"\\<&,1") for _ in range(r.randrange(5)))
    return json.dumps(s, ensure_ascii=False)


def expression(r, depth):
    k = r.random()
    if depth < 1 or k < .25:
        return r.choice([r.choice(NAMES), r.choice(NAMES), text(r), str(r.randrange(-3, 9)),
                         repr(r.randrange(-9, 9) / 4), r.choice(["true", "false", "none", "[]", "{}", "()"])])
    e = lambda: expression(r, depth - 1)
    if k < .45:
        return "(%s %s %s)" % (e(), r.choice(BINARY), e())
    if k < .6:
        return "(%s) | %s" % (e(), r.choice(FILTERS))
    if k < .68:
        return "(%s is %s%s)" % (e(), r.choice(["", "not "]), r.choice(TESTS))
    if k < .78:
        return "(%s).%s" % (e(), r.choice(METHODS + ["a", "name", "content"]))
    if k < .86:
        bound = lambda: r.choice(["", "", str(r.randrange(-4, 5))])
        return "(%s)[%s]" % (e(), r.choice([e(), bound() + ":" + bound(), bound() + ":" + bound() + ":" + bound()]))
    if k < .91:
        return "(%s if %s else %s)" % (e(), e(), e())
    if k < .95:
        return "[%s, %s]" % (e(), e())
    if k < .97:
        return "{%s: %s}" % (text(r), e())
    return r.choice(["not %s", "-(%s)"]) % e()


def tag(r, inside):
    return "{%" + r.choice(["", "", "-", "+"]) + " " + inside + " " + r.choice(["", "", "-", "+"]) + "%}"


def blank(r):
    return "".join(r.choice([" ", "\n", "\t", "x", "\n  ", "\r\n"]) for _ in range(r.randrange(4)))


def block(r, depth):
    b = lambda: body(r, depth - 1)
    e = lambda: expression(r, 2)
    k = r.randrange(12)
    if k == 0:
        return tag(r, "if " + e()) + b() + tag(r, "elif " + e()) + b() + tag(r, "else") + b() + tag(r, "endif")
    if k < 3:
        return tag(r, "for x in " + r.choice(["l", "ls", "users", "d", "s", "range(3)", e()])) + b() + \
            r.choice(["", tag(r, "if loop.index > 1") + tag(r, r.choice(["break", "continue"])) + tag(r, "endif")]) + \
            r.choice(["{{ loop.%s }}" % r.choice("index revindex0 first last length previtem".split()), ""]) + \
            b() + r.choice(["", tag(r, "else") + b()]) + tag(r, "endfor")
    if k == 3:
        return tag(r, "set x = " + e())
    if k == 4:
        return tag(r, "set x" + r.choice(["", " | upper", " | trim"])) + b() + tag(r, "endset")
    if k == 5:
        return tag(r, "macro f(a, b=%s)" % expression(r, 1)) + b() + "{{ a }}{{ b }}" + tag(r, "endmacro") + \
            "{{ f(%s) }}{{ f(a=%s) }}" % (e(), e())
    if k == 6:
        return tag(r, "set ns = namespace(v=1)") + tag(r, "for y in l") + tag(r, "set ns.v = ns.v + y") + b() + \
            tag(r, "endfor") + "{{ ns.v }}"
    if k == 7:
        return tag(r, "generation") + b() + tag(r, "endgeneration")
    if k == 8:
        return tag(r, "filter " + r.choice(["upper", "trim", "replace('a', 'b')"])) + b() + tag(r, "endfilter")
    if k == 9:
        return "{#" + r.choice(["", "-", "+"]) + " note " + r.choice(["", "-", "+"]) + "#}"
    if k == 10:
        return tag(r, "raw").replace("+", "") + " {{ x }} " + tag(r, "endraw")
    return tag(r, "with x = " + e()) + b() + tag(r, "endwith")


def body(r, depth):
    out = ""
    for _ in range(r.randrange(1, 4)):
        out += blank(r)
        out += block(r, depth) if depth and r.random() < .5 else \
            "{{" + r.choice(["", "", "-"]) + " " + expression(r, 2) + " " + r.choice(["", "", "-"]) + "}}"
    return out + blank(r)


def make_random(n):
    r = random.Random(5)
    for i in range(n):
        yield {"template": "{{ " + expression(r, 3) + " }}" if i % 2 else body(r, 2), "variables": V}


compare("expressions", [{"template": "{{ " + e + " }}", "variables": V} for e in EXPRESSIONS])
compare("random", list(make_random(N)))

# ---- other people's, by path ----


def conversations():
    system, user = {"role": "system", "content": "Be brief."}, {"role": "user", "content": " Hi\n"}
    said = {"role": "assistant", "content": "Yo"}
    thought = {"role": "assistant", "content": "<think>\nhm\n</think>\n\nYo", "reasoning_content": "hm"}
    call = {"role": "assistant", "content": "", "tool_calls": [
        {"id": "abcdefghi", "type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": "ü"}}}]}
    answer = {"role": "tool", "content": "3", "name": "add", "tool_call_id": "abcdefghi"}
    parts = {"role": "user", "content": [{"type": "text", "text": "Look"}, {"type": "image"}]}
    for talk in ([user], [user, said], [system, user], [system, user, said, user], [user, thought, user, thought],
                 [user, call, answer, said], [system, user, call, answer], [parts], [user, user], [said], [system]):
        for tools in (None, V["tools"]):
            for more in ({}, {"enable_thinking": True}, {"enable_thinking": False}):
                for prompt in (True, False):
                    v = {"messages": talk, "add_generation_prompt": prompt, "bos_token": "<s>", "eos_token": "</s>",
                         **more}
                    if tools or prompt:
                        v["tools"] = tools
                    yield v


for path in sorted(glob.glob(WHERE + "/**/*.jinja", recursive=True)) if WHERE else []:
    with open(path, encoding="utf-8", newline="") as f:
        source = f.read()
    compare(os.path.relpath(path, WHERE), [{"template": source, "variables": v} for v in conversations()])
if not WHERE:
    print("ok # SKIP public templates: WEFT_TEMPLATES names no directory")
tap.end()
