"""make.py - writes cases.json and variables.json beside it: what jinja2 makes of
templates with the settings of transformers. One that it refuses has no output.

settings() is used by tests/peers/template.py too.
"""
import copy
import datetime
import functools
import json
import os

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2024, 7, 26, 12, 0, 0)


class Generation(jinja2.ext.Extension):
    """{% generation %}: what stands inside, in a scope of its own."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("inside"), [], [], body).set_lineno(line)

    def inside(self, caller):
        return caller()


def settings():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent,
                          separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


ENV = settings()


@functools.lru_cache
def compiled(template):
    return ENV.from_string(template)


def render(template, variables):
    """None: refused."""
    try:
        # Deep: jinja2's indent changes a list that it is given by mistake.
        return compiled(template).render(**copy.deepcopy(variables))
    except (jinja2.exceptions.TemplateError, TypeError, ValueError, KeyError,
            ZeroDivisionError, OverflowError, AttributeError, IndexError, SyntaxError):
        return None


V = {
    "s": "Hello, World", "e": "", "u": "Straße ŉ ﬁ ΣΑΣ İı ǆ ᾳ naïve 日本", "w": "  \t pad\u00a0\u2003\n",
    "q": "it's \"q\"\\ \n\t\u0001\u007f\u200b<&>", "q2": "it's", "lines": "a\nb\r\nc\rd\x0be\u2028f\n\n",
    "n": 7, "z": 0, "m": -3, "f": 2.5, "g": 1e16, "h": 0.1, "t": True, "no": None, "tiny": 1e-7, "whole": 3.0,
    "l": [3, 1, 2], "ls": ["b", "A", "c", "a"], "el": [], "nest": [[1, [2, "x"]], {"k": [None, True, 1.5]}],
    "d": {"b": 1, "a": "x", "C": None, "items": 5}, "ed": {},
    "users": [{"name": "Bo", "age": 5, "tags": ["x"]}, {"name": "al", "age": 30, "on": True},
              {"name": "Al", "age": 7, "on": False}],
    "messages": [{"role": "system", "content": "Be brief."},
                 {"role": "user", "content": " Hi \n"},
                 {"role": "assistant", "content": "<think>\nhm\n</think>\n\nYo",
                  "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": "ü"}}}]},
                 {"role": "tool", "content": "3"}],
    "tools": [{"type": "function", "function": {"name": "add", "parameters": {
        "type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"]}}}],
    "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True,
}

# Expressions, each printed.
EXPRESSIONS = r"""
1 + 2 * 3 - 4
2 ** 3 ** 2
-2 ** 2
- n
+ f
7 // 2
-7 // 2
7 // -2
7 % 3
-7 % 3
7 % -3
7 / 2
6 / 2
7.5 // 2
-7.5 // 2
-7.5 % 2
7.5 % -2
0.1 + 0.2
1 / 3
g
g * 10
h
tiny
whole
1e300 * 1e10
-1e300 * 1e10
100000000000000000000.0
123456789.123
1.5e-5
0.0001
-0.0
t + t
t * 3
t == 1
f == 2.5
1 == 1.0
1 < 2 < 3
1 < 3 < 2
3 > 2 >= 2 != 1
'a' < 'b'
'é' > 'z'
[1, 2] < [1, 3]
[1] < [1, 0]
(1, 2) == (1, 2)
[1, 2] == (1, 2)
{'a': 1} == {'a': 1.0}
'a' ~ 1 ~ 2.0 ~ none ~ true ~ [1, 'x']
'a' + 'b' 'c' "d"
[1] + [2, 3]
(1,) + (2,)
'ab' * 3
2 * 'ab'
[1, 2] * 2
'ab' * -1
'x' in 'xyz'
'' in 'xyz'
'zz' in 'xyz'
1 in l
4 not in l
'a' in d
'zz' in d
not 'a' in d
not t and t
t and 5
z and 5
z or 'x'
e or no or 'last'
'yes' if t else 'no'
'yes' if z
'a' if z else 'b' if z else 'c'
not z
not not e
missing
missing is defined
missing == none
missing == missing2
missing or 'dflt'
missing ~ 'x'
missing | length
missing | list
missing | default('d')
no | default('d')
no | default('d', true)
e | default('d', boolean=true)
missing in [1]
'x' in missing
d.missing
d['missing']
d.missing is none
d.a
d['a']
d.get('a')
d.get('zz')
d.get('zz', 'dflt')
d['items']
d.keys()
d.values()
d.items()
d | items | list
d.keys() | list
ed.items() | list
d
ed
nest
nest[0][1][1]
nest.0.1.0
nest[1].k
nest[1]['k'][-1]
l[0]
l[-1]
l[10]
l[-10]
l[1:]
l[:-1]
l[::-1]
l[::2]
l[5:]
l[-2:]
l[2:0:-1]
l[-100:100]
l[:]
s[0]
s[-1]
s[100]
s[2:5]
s[::-1]
s[::3]
s[-5:-2]
u[2:6]
u[-1]
u[::-1]
u | length
s.upper()
s.lower()
u.upper()
u.lower()
u.title()
u.capitalize()
u | upper
u | lower
u | title
u | capitalize
"hello wORLD foo-bar (baz) it's" | title
"hello wORLD foo-bar (baz) it's".title()
w.strip()
w.lstrip()
w.rstrip()
w | trim
'xxaxx'.strip('x')
'xyaxy'.lstrip('yx')
'xyaxy'.rstrip('yx')
'xxaxx' | trim('x')
'a,b,,c'.split(',')
'a,b,,c'.split(',', 1)
'a,b,,c'.rsplit(',', 1)
'a b  c '.split()
' a b  c '.split(none, 1)
''.split()
''.split(',')
lines.splitlines()
lines.splitlines(true)
s.startswith('Hell')
s.startswith(('x', 'H'))
s.endswith('ld')
s.endswith('x')
s.replace('l', 'L')
s.replace('l', 'L', 1)
'aaa'.replace('', '-')
s | replace('o', '0')
s | replace('l', 'L', 2)
s.find('o')
s.find('zz')
s.rfind('o')
u.find('日')
s.count('l')
s.index('W')
', '.join(['a', 'b'])
'a'.join('xyz')
'abc'.isalpha()
'ab1'.isalpha()
'ab1'.isalnum()
'12'.isdigit()
'1.2'.isdigit()
'  '.isspace()
''.isspace()
'AB'.isupper()
'Ab'.isupper()
'ab1'.islower()
'12'.islower()
'prefix-x'.removeprefix('prefix-')
'x.txt'.removesuffix('.txt')
'ab'.center(7)
'ab'.center(6, '*')
'abc'.center(6, '*')
'ab'.ljust(5) ~ '|'
'ab'.rjust(5, '0')
'ab' | center(9) ~ '|'
q
q | string
[q]
[q2, 'plain']
{'k': q}
['é日\u00a0\u2028\ud7ff']
('a',)
(1, 'b')
()
[none, true, false, 1.0]
'%s and %d' % ('x', 5)
'%5.2f|%-5d|%05d|%+d' % (2.345, 7, 42, 3)
'%s' % 'one'
'%r' % 'one'
'%s %%' % [1]
'%x %X %o' % (255, 255, 8)
'%e %g' % (12345.678, 0.0001)
'%10s|%-10s|%.2s' % ('abc', 'abc', 'abc')
'%s %s' | format('a', 1)
l | join
l | join(', ')
ls | join('-')
[1, none, 'x', missing] | join(',')
users | join(', ', attribute='name')
l | length
d | length
s | count
l | first
l | last
e | first
el | last
s | first
s | last
el | first is defined
l | sort
ls | sort
ls | sort(reverse=true)
ls | sort(case_sensitive=true)
users | sort(attribute='name') | map(attribute='age') | list
users | sort(attribute='name,age') | map(attribute='age') | list
l | reverse | list
s | reverse
l | sum
users | sum(attribute='age')
l | min
l | max
ls | min
ls | max
el | min is defined
ls | unique | list
['a', 'A', 'b', 'a'] | unique | list
['a', 'A', 'b', 'a'] | unique(true) | list
ls | map('upper') | list
ls | map('upper') | join(' ')
users | map(attribute='name') | list
users | map(attribute='on', default='?') | list
users | map(attribute='tags.0') | list
[' a ', 'b '] | map('trim') | list
['a-b', 'c'] | map('replace', '-', '+') | list
l | select('gt', 1) | list
l | select('odd') | list
l | reject('odd') | list
[0, 1, '', 'x', none] | select | list
[0, 1, '', 'x', none] | reject | list
users | selectattr('on') | map(attribute='name') | list
users | selectattr('on', 'defined') | list | length
users | rejectattr('on', 'defined') | map(attribute='name') | join
users | selectattr('age', '>', 6) | map(attribute='name') | list
users | selectattr('name', 'equalto', 'Bo') | list
users | selectattr('name', 'in', ['Bo', 'al']) | list | count
d | dictsort
d | dictsort(true)
{'x': 2, 'y': 1} | dictsort(by='value')
{'x': 2, 'y': 1} | dictsort(false, 'value', reverse=true)
range(5) | list
range(2, 8, 3) | list
range(5, 0, -2) | list
range(0) | list
range(3)
range(1, 9, 2)
range(5)[1]
range(5) | sum
[1, 2, 3, 4, 5] | batch(2) | list
[1, 2, 3] | batch(2, 'x') | list
dict(a=1, b='x')
dict([('k', 1)], z=2)
'12' | int
' 12 ' | int
'-12' | int
'12.7' | int
'x' | int
'x' | int(5)
none | int
2.9 | int
-2.9 | int
true | int
'1.5' | float
'x' | float
'x' | float(1.5)
'1e3' | float
3 | float
n | abs
m | abs
-2.5 | abs
2.5 | round
3.5 | round
2.675 | round(2)
42.55 | round(1, 'floor')
42.55 | round(1, 'ceil')
42 | round
42 | round(0, 'floor')
5 | string ~ 'x'
'a\nb\n\nc' | indent
'a\nb\n\nc' | indent(2, true)
'a\nb\n\nc' | indent(2, blank=true)
'a\nb' | indent('> ')
'' | indent
'<a href="x">&\'' | escape
'<a>' | e
'<a>' | safe
'<a>' | safe ~ '<b>'
('<a>' | safe) + '<b>'
'<b>' + ('<a>' | safe)
d | tojson
nest | tojson
q | tojson
u | tojson
u | tojson(ensure_ascii=true)
'𝄞' | tojson(ensure_ascii=true)
g | tojson
[1.0, 1e-7, 1e22, true, none] | tojson
d | tojson(indent=2)
nest | tojson(indent=4)
[] | tojson(indent=2)
{} | tojson(indent=2)
{'a': []} | tojson(indent=1)
nest | tojson(indent=0)
d | tojson(separators=(',', ':'))
{'b': 1, 'a': {'z': 1, 'y': 2}} | tojson(sort_keys=true)
{'b': 1, 'a': 2} | tojson(indent='--', sort_keys=true)
{1: 2, none: 3, true: 4, 1.5: 5} | tojson
{'a': 1, 'a': 2}
{1: 'one', 'two': [2]}
(1, 2) | tojson
tools | tojson
tools[0] | tojson(indent=2)
messages | tojson
n is defined
n is number
f is number
t is number
n is integer
t is integer
f is float
n is float
s is string
n is string
l is sequence
s is sequence
d is sequence
n is sequence
d is mapping
l is mapping
l is iterable
n is iterable
s is iterable
missing is iterable
missing is sequence
no is none
z is none
z is not none
t is true
t is false
n is true
t is boolean
n is boolean
n is odd
n is even
n is divisibleby 7
n is divisibleby(2)
n is eq 7
n is ne 7
n is gt 6
n is lt(6)
n is ge 7
n is le 6
n is in [7, 8]
n is not in [7, 8]
none is sameas none
t is sameas true
1 is sameas true
s is lower
'abc' is lower
'ABC' is upper
range is callable
n is callable
'upper' is filter
'nosuch' is filter
'odd' is test
('a' | safe) is escaped
'a' is escaped
s is defined and s is string or missing
strftime_now('%d %b %Y')
strftime_now('%Y-%m-%d %H:%M:%S %A %B %j')
bos_token + messages[0]['role'] + eos_token
messages[0].role ~ messages[-1]['content']
messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list
messages[2].content.split('</think>')[-1].lstrip('\n')
messages[2].content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n')
(messages | length) - 1
'tool_calls' in messages[2] and messages[2].tool_calls
messages[2].tool_calls[0].function.arguments | tojson
messages[2].tool_calls[0].function.arguments.items() | list
0x1F + 0b101 + 0o17
1_000_000
1_0.5
'\x41\u00e9\U0001F600\n\t\\\'\"\101\q'
"\"" ~ '\''
1 if 2 > 1 else 0
[1, 2, 3,]
{'a': 1, }
(1, 2, 3,)
{'a': [1, {'b': (2,)}]}['a'][1].b
[[1, 2], [3, 4]][1][0]
'abc'[1]
'abc'['upper']()
d['get']('a')
'a.b.c'.split('.')[1].upper()
(s | upper).lower()
s | lower | upper | length
l | map('string') | map('length') | sum
[3, 2, 1] | sort | first
'a' 'b'
'%d%%' % 50
l.index(2)
l.count(3)
(1, 2).index(2)
"A" ~ ("B" if missing else "C")
missing.attr
missing['x']
missing()
missing + 1
d.missing.deeper
n()
n.attr
n.attr.deeper
n[0]
1 + 'a'
'a' + 1
'a' - 'b'
[1] + (2,)
1 / 0
1 % 0
'a' < 1
none < 1
1 in 5
5 in 'x5'
l | nosuch
l is nosuch
5 | length
none | list
d | map('upper') | tojson
'%d' % 'x'
'%s %s' % ('a',)
'%s' % ('a', 'b')
raise_exception('no: ' ~ n)
{[1]: 2}
range(0, 5, 0)
range(1000000)
'' .split('')
', '.join([1])
missing | tojson
d.update({'x': 1})
l.append(4)
'abc'.index('z')
l | sort(attribute='x.y')
['a', 1] | sort
d | dictsort(by='x')
1 +
[1, 2
{'a' 1}
(1
foo(a=1, 2)
'abc
1 ~
a.
a[
missing | last
(4).content | last
missing | reverse | list
{'a': 1} in {'b': 2}
[1] in {'b': 2}
(1, [2]) in {'b': 2}
(1, 2) in {(1, 2): 2}
{}.get([])
{(1, [2]): 3}
[(1, [2])] | unique | list
missing in {'a': 1}
('a b' | e).split()
('a b' | safe).rsplit(' ')
('a<b,c' | safe).split(',', 1) | join('<')
('a\nb' | safe).splitlines()
'ß straße ßa' | title
('ß day').title()
'ßtraße' | capitalize
'ß'.upper()
""".strip("\n").split("\n")

# Whole templates.
TEMPLATES = [
    "plain text", "", "\n", "a\n", "a\n\n", "a\r\nb\rc\n", "{{ 'a' }}\n", "{{ 'a' }}\n\n", "a {# comment #} b",
    "a {#- comment -#} b", "a\n  {# c #}\nb", "a\n  {#+ c #}\nb", "{{- 1 -}} x {{- 2 -}} y", "a  {{- ' b ' -}}  c",
    "{{-1}}", "{{+1}}", "{{ 1 }}{{ 2 }}", "{{ {'a': {'b': 1}}['a'] }}", "{{ '}}' }}", "{{ '{%' }}", "{ { } } {x}",
    "{% if t %}\nx\n{% endif %}\ny", "  {% if t %}\n  x\n  {% endif %}\n  y", "a {% if t %} b {% endif %} c",
    "a\n\t {%- if t -%} \n b {%- endif %}\n c", "a\n  {%+ if t %}\n b\n  {%+ endif +%}\n c", "{% if t +%}\nx{% endif %}",
    "  {{ 1 }}\n  {{ 2 }}", "{% set x = 1 %}  {{ x }}", "x  {% set x = 1 %}\n  {{ x }}",
    "{% if z %}a{% elif e %}b{% elif n == 7 %}c{% else %}d{% endif %}", "{% if z %}a{% else %}b{% endif %}",
    "{% if z: %}a{% else: %}b{% endif %}", "{% if missing %}a{% endif %}b",
    "{% for x in l %}{{ x }},{% endfor %}", "{% for x in el %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in l %}{{ x }}{% else %}none{% endfor %}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in d | items %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }};{% endfor %}",
    "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for c in s %}{{ c }}.{% endfor %}",
    "{% for a, b in [1] %}{% endfor %}", "{% for a, b in [[1, 2, 3]] %}{% endfor %}", "{% for x in 5 %}{% endfor %}",
    "{% for x in missing %}x{% else %}none{% endfor %}", "{% for x in l if x > 1 %}{{ loop.index }}:{{ x }} {% endfor %}",
    "{% for x in l if x > 9 %}x{% else %}none{% endfor %}",
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}",
    "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}",
    "{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }} {% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% endfor %}",
    "{% for x in l %}{% for y in ls %}{{ loop.index }}{{ x }}{{ y }} {% endfor %}{{ loop.index }}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}!",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}!",
    "{% for x in l %}{% for y in l %}{% if y == 2 %}{% break %}{% endif %}{{ y }}{% endfor %}|{% endfor %}",
    "{% break %}", "{% for x in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% set x = 0 %}{% for i in l %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}",
    "{% set x = 0 %}{% if t %}{% set x = 5 %}{% endif %}{{ x }}", "{% if z %}{% set x = 5 %}{% endif %}{{ x }}|",
    "{% set ns = namespace(x=0, found=false) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns.found }}",
    "{% set ns = namespace() %}{% set ns.a = 1 %}{{ ns.a }}{{ ns.b }}|{{ ns.b is defined }}",
    "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a + ns.b }}{{ ns['a'] }}", "{% set d.x = 1 %}", "{% set missing.x = 1 %}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a = 1, 2 %}{{ a }}", "{% set (a, b) = [3, 4] %}{{ a + b }}",
    "{% set a = 1, %}{{ a }}", "{{ 1, 2 }}", "{% set loop = 1 %}{{ loop }}", "{% for x in l %}{% set loop = 1 %}{% endfor %}", "{% for loop in l %}{% endfor %}",
    "{% set x %}a {{ n }} b{% endset %}[{{ x }}]", "{% set x | upper | replace('A', 'z') %}a {{ n }} b{% endset %}[{{ x }}]",
    "{% set x %}{% set y = 1 %}{% endset %}{{ y }}|", "{% set x %}\n  a\n{% endset %}[{{ x }}]",
    "{% macro m(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c='y') }}{{ m(b=9, a=8) }}",
    "{% macro m(a) %}[{{ a }}]{% endmacro %}{{ m() }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}", "{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(4) }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, k=3) }}", "{% macro m() %}{{ n }}{{ x }}{% endmacro %}{% set x = 4 %}{{ m() }}",
    "{% macro m(a) %}{{ a.x }}{% endmacro %}{{ m() }}", "{% macro m(x) %}{% if x > 0 %}{{ x }}{{ m(x - 1) }}{% endif %}{% endmacro %}{{ m(4) }}",
    "{% macro m() %}\n  x\n{% endmacro %}\n{{ m() }}|", "{% macro m() %}a{% endmacro %}{{ m() | upper }}{{ m().strip() }}{{ m() ~ m() }}",
    "{% macro m(n) %}{{ n }}{% endmacro %}{{ m(n=1) }}{{ n }}", "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in {{ n }}{% endcall %}",
    "{% macro m(x) %}{{ caller(x, 2) }}{% endmacro %}{% call(a, b) m(1) %}{{ a }}-{{ b }}{% endcall %}",
    "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}", "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}",
    "{% macro m() %}{% set y = 3 %}{{ y }}{% endmacro %}{{ m() }}{{ y }}|", "{% if z %}{% macro m() %}x{% endmacro %}{% endif %}{{ m is defined }}",
    "{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'a': 3, 'b': 4}) }}",
    "{% filter upper %}abc {{ s }}{% endfilter %}", "{% filter replace('a', 'b') | upper %}aca{% endfilter %}",
    "{% with %}{% set x = 1 %}{{ x }}{% endwith %}{{ x }}|", "{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}|",
    "{% with a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}{% endwith %}",
    "{% generation %}said {{ n }}{% endgeneration %}!", "a\n  {% generation %}\nx\n  {% endgeneration %}\nb",
    "{% generation %}{% set x = 1 %}{{ x }}{% endgeneration %}{{ x }}|", "{% raw %}{{ x }} {% if %}{% endraw %}!",
    "a  {%- raw -%}  {{ x }}  {%- endraw -%}  b", "{% raw %}\n  x\n  {% endraw %}\nb", "{% raw %}x", "{# no end", "{{ no end", "{% if t",
    "{% if t %}x", "{% for x in l %}", "{% endif %}", "{% else %}", "{% for x in l %}{% endif %}", "{% nosuch %}", "{% %}", "{{ }}",
    "{% set %}", "{% set x %}", "{% if %}{% endif %}", "{% for %}{% endfor %}", "{% for x l %}{% endfor %}", "{% macro %}{% endmacro %}",
    "{% macro m(a=1, b) %}{% endmacro %}", "{% call n %}{% endcall %}", "{{ 'a' | }}", "{{ n is }}", "{{ a b }}", "{{ ) }}", "{{ ( ] }}", "{{ ! }}",
    "{{ 'a' if }}", "{{ 'é' }}é{{ \"日\" }}", "{{ messages\n | length }}", "{%\nset x\n=\n1\n%}{{ x }}",
    "{% set x = 'a\nb' %}{{ x }}", "{% set x = {'a': 1,\n 'b': [1,\n2]} %}{{ x.b[1] }}",
    "{{ 'x' }}  \n  {% if t %}\ny\n{% endif %}", "{{ 'x' -}}  \n  {% if t %}\ny\n{% endif %}", "x\n\n  {%- if t %}\n\ny\n\n  {% endif -%}\n\nz",
    "{% if t %}{% endif %}\n\n\nx", "{#c#}\nx", "{# c -#}\n\n x", "{% for x in l %}\n  {{ x }}\n{% endfor %}\nend", "{% for x in l -%}\n  {{ x }}\n{%- endfor %}\nend",
    "\t {% set a = 1 %}x", "x\t {% set a = 1 %}y", "{{ 1 }}\t {% set a = 1 %}y", "{% set a = 1 %}\t {% set b = 1 %}y", "\u00a0{% set a = 1 %}x",
    "{% set m = l | map('string') %}{{ m | join }}{{ m | join }}|", "{% set g = d.items() %}{{ g | list }}{{ g | list }}",
    "{% for x in l | map('string') %}{{ x }}{{ loop.last }}{% endfor %}", "{% for a in [[1, 2], [3]] %}{% for b in a %}{{ b }}{{ loop.last }}{% endfor %}{{ loop.first }}{% endfor %}",
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] | trim + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}{% set loop_messages = messages[1:] %}{% else %}{% set loop_messages = messages %}{% endif %}{% for m in loop_messages %}{% if loop.index0 == 0 and system is defined %}[{{ system }}]{% endif %}{{ m.role }}: {{ m.content | trim }}{{ eos_token }}\n{% endfor %}",
    "{%- if tools %}\n    {{- '# Tools\\n' }}\n    {%- for tool in tools %}\n        {{- \"\\n\" }}\n        {{- tool | tojson }}\n    {%- endfor %}\n{%- endif %}\n{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}\n{%- for message in messages[::-1] %}\n    {%- set index = (messages|length - 1) - loop.index0 %}\n    {%- if ns.multi_step_tool and message.role == \"user\" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}\n        {%- set ns.multi_step_tool = false %}\n        {%- set ns.last_query_index = index %}\n    {%- endif %}\n{%- endfor %}\n{{- ns.last_query_index }}\n{%- for message in messages %}\n    {%- if message.tool_calls %}\n        {%- for tool_call in message.tool_calls %}\n            {%- if tool_call.function %}{%- set tool_call = tool_call.function %}{%- endif %}\n            {{- '<tool_call>\\n{\"name\": \"' }}{{- tool_call.name }}{{- '\", \"arguments\": ' }}\n            {%- if tool_call.arguments is string %}{{- tool_call.arguments }}{%- else %}{{- tool_call.arguments | tojson }}{%- endif %}\n            {{- '}\\n</tool_call>' }}\n        {%- endfor %}\n    {%- endif %}\n{%- endfor %}",
    "{%- macro props(p, req) -%}\n{%- for k, v in p | dictsort -%}\n{{ k }}{{ '?' if k not in req }}: {{ v.type }}{{ ', ' if not loop.last }}\n{%- endfor -%}\n{%- endmacro -%}\n{%- for t in tools -%}\n{{ t.function.name }}({{ props(t.function.parameters.properties, t.function.parameters.required) }})\n{%- endfor -%}",
    "{% if messages[0].role == 'user' %}x{% else %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}",
    "{% set content = messages[2].content %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{ content | trim }}",
    "{%- set today = strftime_now('%d %b %Y') if strftime_now is defined else '26 Jul 2024' -%}{{ today }}",
    "{% for x in range(3) %}{% set outer = loop %}{% for y in range(2) %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}",
    "{{ ''.join(['a', 'b']) }}{{ [] | join }}", "{% set x = namespace(v=[]) %}{% for i in l %}{% set x.v = x.v + [i * 2] %}{% endfor %}{{ x.v }}",
    "{% set x = x | default('first') %}{{ x }}", "{{ loop is defined }}", "{{ super() }}",
    "{% extends 'x' %}", "{% include 'x' %}", "{% import 'x' as y %}", "{% do l.append(1) %}", 
    "{{ l.__class__ }}|", "{{ ''.__class__.__mro__ }}", "{{ d.__init__ }}|", "{{ namespace.x }}|",
]


def write(name, text):
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), "w",
              encoding="utf-8") as f:
        f.write(text)


def main():
    lines = []
    for template in ["{{ " + e + " }}" for e in EXPRESSIONS] + TEMPLATES:
        output = render(template, V)
        case = {"template": template} if output is None else \
            {"template": template, "output": output}
        lines.append(json.dumps(case, ensure_ascii=False))
    write("cases.json", "[\n" + ",\n".join(lines) + "\n]\n")
    write("variables.json", json.dumps(V, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
