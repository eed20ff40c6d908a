/** The whole page. */

import { html, useEffect } from "../lib.js";
import { currentConversation, update, useStore } from "../store.js";
import { Composer } from "./composer.js";
import { Header } from "./header.js";
import { KeyDialog } from "./key-dialog.js";
import { Messages } from "./messages.js";
import { SettingsDialog } from "./settings-dialog.js";
import { Sidebar } from "./sidebar.js";

const NOTICE_MS = 6000;
const NARROW = "(max-width: 48rem)"; // as in layout.css: there the list lies over the rest

export function App() {
  const state = useStore();
  const conversation = currentConversation();
  useEffect(() => {
    document.title = conversation?.title ? `${conversation.title} - mistralrs` : "mistralrs";
  }, [conversation?.title]);
  return html`
    <a class="skip" href="#input">Skip to the message</a>
    <${Sidebar} />
    ${state.sidebarOpen &&
    html`<button type="button" class="veil" aria-label="Close the list" onClick=${() => update({ sidebarOpen: false })} />`}
    <div class="main" inert=${state.sidebarOpen && matchMedia(NARROW).matches}>
      <${Header} />
      ${state.problem && html`<p class="problem" role="alert">${state.problem}</p>`}
      <${Messages} key=${conversation?.id} conversation=${conversation} />
      <${Composer} key=${`input ${conversation?.id}`} conversation=${conversation} />
    </div>
    <${Notice} text=${state.notice} />
    <p class="hidden" role="status" aria-live="polite">${state.announcement}</p>
    ${state.dialog === "settings" && html`<${SettingsDialog} />`}
    ${state.dialog === "key" && html`<${KeyDialog} refused=${state.keyRefused} />`}
  `;
}

function Notice({ text }) {
  useEffect(() => {
    if (!text) return undefined;
    const timer = setTimeout(() => update({ notice: "" }), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<div class="notice" role="status" hidden=${!text}>${text}</div>`;
}
