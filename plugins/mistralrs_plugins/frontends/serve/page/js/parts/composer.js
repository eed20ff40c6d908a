/** Where messages are written. Enter sends, Shift+Enter begins a line, Escape stops the answer. */

import { say, settings } from "../actions.js";
import { KINDS, readAttachment } from "../attachments.js";
import { stop } from "../generate.js";
import { html, useLayoutEffect, useRef, useState } from "../lib.js";
import { chosenModel } from "../models.js";
import { update, useStore } from "../store.js";
import { shownPath } from "../tree.js";
import { AttachmentView } from "./attachment-view.js";
import { Icon, IconButton } from "./icons.js";

export function Composer({ conversation }) {
  const state = useStore();
  const [text, setText] = useState("");
  const [attachments, setAttachments] = useState([]);
  const input = useRef(null);
  const modalities = (chosenModel(settings())?.modalities ?? []).filter((each) => KINDS.includes(each));
  const isRunning = Boolean(conversation && state.running.has(conversation.id));
  const isEmpty = !text.trim() && !attachments.length;
  useLayoutEffect(() => fit(input.current), [text]);

  const send = (event) => {
    event?.preventDefault();
    if (isEmpty || isRunning) return;
    setText("");
    setAttachments([]);
    say(text.trim(), attachments, conversation ? (shownPath(conversation).at(-1)?.id ?? null) : null);
    input.current.focus();
  };
  const pressed = (event) => {
    const touch = matchMedia("(pointer: coarse)").matches; // screen keyboards have no Shift+Enter
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !touch) send(event);
  };
  const attach = async (files) => {
    for (const file of files) {
      try {
        const read = await readAttachment(file, modalities);
        setAttachments((before) => [...before, read]);
      } catch (error) {
        update({ notice: error.message });
      }
    }
  };
  const pasted = (event) => modalities.length && event.clipboardData.files.length && attach([...event.clipboardData.files]);

  return html`<form class="composer" onSubmit=${send}>
    ${attachments.length > 0 &&
    html`<ul class="attachments">
      ${attachments.map(
        (each) => html`<li>
          <${AttachmentView} attachment=${each} />
          <${IconButton}
            icon="close"
            label=${`Remove ${each.name}`}
            onClick=${() => setAttachments(attachments.filter((other) => other !== each))}
          />
        </li>`,
      )}
    </ul>`}
    <div class="composer-row">
      ${modalities.length > 0 && html`<${AttachButton} modalities=${modalities} onFiles=${attach} />`}
      <textarea
        id="input"
        ref=${input}
        rows="1"
        aria-label="Message"
        placeholder="Write a message"
        value=${text}
        onInput=${(event) => setText(event.target.value)}
        onKeyDown=${pressed}
        onPaste=${pasted}
      />
      ${isRunning
        ? html`<button type="button" class="round" aria-label="Stop" title="Stop (Esc)" onClick=${() => stop(conversation)}>
            <${Icon} name="stop" />
          </button>`
        : html`<button type="submit" class="round" aria-label="Send" title="Send (Enter)" disabled=${isEmpty}>
            <${Icon} name="send" />
          </button>`}
    </div>
  </form>`;
}

function AttachButton({ modalities, onFiles }) {
  const file = useRef(null);
  const names = modalities.join(" or ");
  const take = (event) => {
    onFiles([...event.target.files]);
    event.target.value = "";
  };
  return html`<${IconButton} icon="clip" label=${`Attach ${names}`} onClick=${() => file.current.click()} />
    <input
      ref=${file}
      id="attach"
      type="file"
      multiple
      hidden
      accept=${modalities.map((each) => `${each}/*`).join(",")}
      onChange=${take}
    />`;
}

/** Let a text area be as high as its text, up to what the style sheet allows. */
function fit(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight}px`;
}
