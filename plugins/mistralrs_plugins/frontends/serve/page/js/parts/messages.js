/** The messages of a conversation. They follow the answer as long as the reader is at the end. */

import { html, useEffect, useLayoutEffect, useRef, useState } from "../lib.js";
import { useStore } from "../store.js";
import { childrenOf, shownPath } from "../tree.js";
import { IconButton } from "./icons.js";
import { MessageView } from "./message.js";

const NEAR = 60;

export function Messages({ conversation }) {
  const state = useStore();
  const frame = useRef(null);
  const [follows, setFollows] = useState(true);
  const path = conversation ? shownPath(conversation) : [];
  const running = Boolean(conversation && state.running.has(conversation.id));
  const toEnd = () => frame.current?.scrollTo({ top: frame.current.scrollHeight });
  const scrolled = ({ target }) => setFollows(target.scrollHeight - target.scrollTop - target.clientHeight < NEAR);
  useLayoutEffect(() => {
    if (follows) toEnd();
  });
  useEffect(() => {
    // What is loaded later, such as formulas, changes the height without a new drawing.
    const observer = new ResizeObserver(() => follows && toEnd());
    observer.observe(frame.current.firstElementChild);
    return () => observer.disconnect();
  }, [follows]);
  return html`<main class="messages" ref=${frame} onScroll=${scrolled} tabindex="-1">
      <div class="column" role="log" aria-live="off" aria-label="Conversation" aria-busy=${running}>
        ${!path.length && html`<${Welcome} />`}
        ${path.map((message, index) => {
          const siblings = childrenOf(conversation, message.parent);
          return html`<${MessageView}
            key=${message.id}
            conversation=${conversation}
            message=${message}
            place=${siblings.indexOf(message)}
            count=${siblings.length}
            isRunning=${running}
            isWritten=${running && index === path.length - 1 && message.role === "assistant"}
          />`;
        })}
      </div>
    </main>
    ${!follows &&
    html`<div class="to-end"><${IconButton} icon="down" label="Go to the end" onClick=${() => { setFollows(true); toEnd(); }} /></div>`}`;
}

function Welcome() {
  return html`<div class="welcome">
    <img src="icon.svg" alt="" width="48" height="48" />
    <h1>What would you like to know?</h1>
    <p class="faint">Answers are made by the model on your server. Conversations stay in this browser.</p>
  </div>`;
}
