/** One message, and what can be done with it. */

import { branch, retry, say, step } from "../actions.js";
import { copyText } from "../clipboard.js";
import { html, useState } from "../lib.js";
import { splitThinking } from "../thinking.js";
import { AttachmentView } from "./attachment-view.js";
import { IconButton } from "./icons.js";
import { MarkdownView } from "./markdown-view.js";

export function MessageView(properties) {
  const { message } = properties;
  const isUser = message.role === "user";
  return html`<article class=${`message ${message.role}`} aria-label=${isUser ? "You" : "Answer"}>
    ${isUser ? html`<${Question} ...${properties} />` : html`<${Answer} ...${properties} />`}
  </article>`;
}

function Question({ conversation, message, isRunning, ...place }) {
  const [editing, setEditing] = useState(false);
  if (editing) return html`<${Editor} message=${message} onEnd=${() => setEditing(false)} />`;
  return html`
    <div class="bubble">
      ${message.attachments?.map((each) => html`<${AttachmentView} attachment=${each} />`)}
      <div class="plain">${message.content}</div>
    </div>
    <div class="tools">
      <${Siblings} conversation=${conversation} message=${message} ...${place} />
      <${CopyButton} text=${message.content} />
      <${IconButton} icon="edit" label="Edit" disabled=${isRunning} onClick=${() => setEditing(true)} />
    </div>
  `;
}

/** Changes a message by putting another beside it. */
function Editor({ message, onEnd }) {
  const save = (event) => {
    event.preventDefault();
    const text = event.target.elements.text.value.trim();
    onEnd();
    if (text) say(text, message.attachments, message.parent);
  };
  const pressed = (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      onEnd();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.target.form.requestSubmit();
    }
  };
  return html`<form class="editor" onSubmit=${save}>
    <textarea
      name="text"
      rows="4"
      aria-label="Edit the message"
      defaultValue=${message.content}
      onKeyDown=${pressed}
      ref=${focusOnce}
    />
    <div class="tools">
      <button type="button" class="quiet" onClick=${onEnd}>Cancel</button>
      <button type="submit" class="strong">Send</button>
    </div>
  </form>`;
}

/** Given to `ref`, a function that stays the same is called once. */
function focusOnce(node) {
  node?.focus();
}

function Answer({ conversation, message, isRunning, isWritten, ...place }) {
  const { thought, answer, open } = splitThinking(message.content);
  const thoughts = [message.thought, thought].filter(Boolean).join("\n\n");
  const thinks = isWritten && (open || (!answer && Boolean(message.thought)));
  const isWaiting = isWritten && !message.content && !message.thought && !message.tools;
  return html`
    ${thoughts && html`<${Thought} text=${thoughts} thinks=${thinks} />`}
    ${isWaiting && html`<p class="waiting" role="status"><span class="hidden">Waiting for the answer</span></p>`}
    <${MarkdownView} text=${answer} />
    ${message.tools?.map((tool) => html`<${ToolCall} tool=${tool} />`)}
    ${message.error && html`<p class="failure" role="alert">${message.error}</p>`}
    <div class="tools">
      <${Siblings} conversation=${conversation} message=${message} ...${place} />
      ${!isWritten &&
      html`<${CopyButton} text=${answer} />
        <${IconButton} icon="retry" label="Retry" disabled=${isRunning} onClick=${() => retry(conversation, message)} />
        <${IconButton} icon="branch" label="Branch into a new chat" onClick=${() => branch(conversation, message)} />`}
      <${Stats} message=${message} />
    </div>
  `;
}

function Thought({ text, thinks }) {
  return html`<details class="fold">
    <summary>${thinks ? "Thinking\u2026" : "Thoughts"}</summary>
    <div class="plain faint">${text}</div>
  </details>`;
}

function ToolCall({ tool }) {
  return html`<details class="fold">
    <summary>Tool call: <code>${tool.name}</code></summary>
    <pre class="plain">${indented(tool.arguments)}</pre>
  </details>`;
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // it is still being written, or no JSON
  }
}

function Siblings({ conversation, message, place, count }) {
  if (count < 2) return null;
  return html`<span class="siblings" role="group" aria-label="Versions">
    <${IconButton} icon="left" label="Previous version" disabled=${place === 0} onClick=${() => step(conversation, message, -1)} />
    <span>${place + 1}/${count}</span>
    <${IconButton}
      icon="right"
      label="Next version"
      disabled=${place === count - 1}
      onClick=${() => step(conversation, message, 1)}
    />
  </span>`;
}

function CopyButton({ text }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    setDone(await copyText(text));
    setTimeout(() => setDone(false), 1500);
  };
  return html`<${IconButton} icon=${done ? "check" : "copy"} label=${done ? "Copied" : "Copy"} onClick=${copy} />`;
}

const ENDS = { length: "cut at the longest length", stopped: "stopped" };

function Stats({ message: { stats, model, finish } }) {
  const parts = [
    stats?.tokens > 0 && `${stats.tokens} tokens`,
    stats?.rate > 0 && `${stats.rate.toFixed(1)} tok/s`,
    stats?.wait !== undefined && `${stats.wait.toFixed(2)} s to the first`,
    ENDS[finish],
  ];
  return html`<span class="stats" title=${model}>${parts.filter(Boolean).join(" \u00b7 ")}</span>`;
}
