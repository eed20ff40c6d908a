"""Conversations and templates of the shapes models in use have."""

from __future__ import annotations

from typing import Any

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Today's weather in <b>a</b> city & its surroundings",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "description": "Zürich, \N{SNOWMAN}"}},
                "required": ["city"],
            },
        },
    }
]

CALL = {"id": "call-00001", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Bern"}}}

CONVERSATIONS: dict[str, list[dict[str, Any]]] = {
    "plain": [{"role": "user", "content": "hi"}],
    "system": [{"role": "system", "content": "Be <brief> & 'kind'."}, {"role": "user", "content": " hi\n"}],
    "turns": [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ],
    "thinking": [
        {"role": "user", "content": "2 + 2?"},
        {"role": "assistant", "content": "4", "reasoning_content": "Two and two make four."},
        {"role": "user", "content": "sure?"},
    ],
    "tool result": [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "name": "get_weather", "tool_call_id": "call-00001", "content": "sunny"},
    ],
}

TEMPLATES = {
    "chatml": (
        "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
        "{{ '<|im_start|>system\nYou are helpful<|im_end|>\n' }}{% endif %}"
        "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    "tools": (
        "{%- if tools %}\n"
        "    {{- '<|im_start|>system\\n' }}\n"
        "    {%- if messages[0].role == 'system' %}\n"
        "        {{- messages[0].content + '\\n\\n' }}\n"
        "    {%- endif %}\n"
        "    {{- '# Tools\\n<tools>' }}\n"
        "    {%- for tool in tools %}\n"
        "        {{- '\\n' }}\n"
        "        {{- tool | tojson }}\n"
        "        {{- tool | tojson(indent=2) }}\n"
        "    {%- endfor %}\n"
        "    {{- '\\n</tools><|im_end|>\\n' }}\n"
        "{%- endif %}\n"
        "{%- set ns = namespace(last=messages|length - 1, seen=false) %}\n"
        "{%- for message in messages[::-1] %}\n"
        "    {%- set index = (messages|length - 1) - loop.index0 %}\n"
        "    {%- if not ns.seen and message.role == 'user' and message.content is string %}\n"
        "        {%- set ns.seen = true %}\n"
        "        {%- set ns.last = index %}\n"
        "    {%- endif %}\n"
        "{%- endfor %}\n"
        "{%- for message in messages %}\n"
        "    {%- if message.role == 'system' and loop.first %}{% continue %}{% endif %}\n"
        "    {%- set content = message.content if message.content is string else '' %}\n"
        "    {%- if message.role == 'assistant' %}\n"
        "        {%- set thought = '' %}\n"
        "        {%- if message.reasoning_content is defined and message.reasoning_content is not none %}\n"
        "            {%- set thought = message.reasoning_content.strip('\\n') %}\n"
        "        {%- endif %}\n"
        "        {{- '<|im_start|>assistant\\n' }}\n"
        "        {%- if thought %}{{ '<think>' + thought + '</think>' }}{% endif %}\n"
        "        {% generation %}{{- content.lstrip('\\n') }}{% endgeneration %}\n"
        "        {%- for call in message.tool_calls or [] %}\n"
        "            {%- set call = call.function if call.function else call %}\n"
        '            {{- \'\\n<tool_call>{"name": "\' ~ call.name ~ \'", "arguments": \' }}\n'
        "            {{- call.arguments if call.arguments is string else call.arguments | tojson }}\n"
        "            {%- for key, value in call.arguments.items() %}{{ key }}={{ value }};{% endfor %}\n"
        "        {%- endfor %}\n"
        "        {{- '<|im_end|>\\n' }}\n"
        "    {%- else %}\n"
        "        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}\n"
        "    {%- endif %}\n"
        "{%- endfor %}\n"
        "{%- if add_generation_prompt %}\n"
        "    {{- '<|im_start|>assistant\\n' }}\n"
        "    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think></think>' }}{% endif %}\n"
        "{%- endif %}\n"
    ),
    "dates": (
        "{{ bos_token }}Today is {{ strftime_now('%d %b %Y') }}\n"
        "{% macro turn(message, end='') %}\n"
        "  [{{ message['role']|upper }}] {{ message.get('content', '')|trim }}{{ end }}\n"
        "{% endmacro %}\n"
        "{% for message in messages %}\n"
        "{{ turn(message, end=eos_token if loop.last else '') }}\n"
        "{% if loop.index is divisibleby 3 %}{% break %}{% endif %}\n"
        "{% else %}\n"
        "nothing\n"
        "{% endfor %}\n"
        "{{ dict(a=1, b=[1.5, none, true])|tojson }} {{ messages|map(attribute='role')|join(', ') }}\n"
    ),
}
