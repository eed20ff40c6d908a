/** The list of conversations, and what is done with all of them. */

import { begin, exportAll, importFile, open, remove, rename } from "../actions.js";
import { html, useRef, useState } from "../lib.js";
import { update, useStore } from "../store.js";
import { setTheme, theme, THEMES } from "../theme.js";
import { matches } from "../tree.js";
import { Icon, IconButton } from "./icons.js";

export function Sidebar() {
  const state = useStore();
  const found = state.conversations.filter((each) => matches(each, state.search));
  return html`<nav class=${state.sidebarOpen ? "sidebar open" : "sidebar"} aria-label="Conversations">
    <div class="sidebar-head">
      <img src="icon.svg" alt="" width="24" height="24" />
      <strong class="grow">mistralrs</strong>
      <${IconButton}
        icon="close"
        label="Close the list"
        class="icon-button only-narrow"
        onClick=${() => update({ sidebarOpen: false })}
      />
    </div>
    <button type="button" class="wide-button" onClick=${begin}><${Icon} name="plus" />New chat</button>
    <input
      id="search"
      type="search"
      aria-label="Search conversations"
      placeholder="Search"
      value=${state.search}
      onInput=${(event) => update({ search: event.target.value })}
    />
    <ul class="conversations">
      ${found.map((each) => html`<${Entry} key=${each.id} conversation=${each} isCurrent=${each.id === state.current} />`)}
    </ul>
    ${!found.length && html`<p class="faint">${state.search ? "Nothing found." : "Conversations are kept in this browser."}</p>`}
    <${Foot} count=${state.conversations.length} />
  </nav>`;
}

function Entry({ conversation, isCurrent }) {
  const [renaming, setRenaming] = useState(false);
  const title = conversation.title || "Without a title";
  const finish = (event) => {
    event.preventDefault();
    setRenaming(false);
    rename(conversation, event.target.elements.title.value);
  };
  const forget = () => confirm(`Delete "${title}"?`) && remove(conversation);
  if (renaming) {
    return html`<li>
      <form onSubmit=${finish} onFocusOut=${() => setRenaming(false)}>
        <input name="title" aria-label="New title" defaultValue=${title} ref=${(node) => node?.focus()} />
      </form>
    </li>`;
  }
  return html`<li class=${isCurrent ? "current" : ""}>
    <button type="button" class="title" aria-current=${isCurrent ? "true" : undefined} onClick=${() => open(conversation.id)}>
      ${title}
    </button>
    <${IconButton} icon="edit" label=${`Rename ${title}`} onClick=${() => setRenaming(true)} />
    <${IconButton} icon="bin" label=${`Delete ${title}`} onClick=${forget} />
  </li>`;
}

function Foot({ count }) {
  const file = useRef(null);
  const take = (event) => {
    if (event.target.files[0]) importFile(event.target.files[0]);
    event.target.value = "";
  };
  return html`<div class="sidebar-foot">
    <${IconButton} icon="download" label="Export all conversations" disabled=${!count} onClick=${() => exportAll()} />
    <${IconButton} icon="upload" label="Import conversations" onClick=${() => file.current.click()} />
    <input ref=${file} id="import" type="file" accept="application/json,.json" hidden onChange=${take} />
    <span class="grow" />
    <${ThemeSwitch} />
  </div>`;
}

function ThemeSwitch() {
  const [chosen, choose] = useState(theme());
  const icons = { system: "system", light: "sun", dark: "moon" };
  const turn = () => {
    const next = THEMES[(THEMES.indexOf(chosen) + 1) % THEMES.length];
    setTheme(next);
    choose(next);
  };
  return html`<${IconButton} icon=${icons[chosen]} label=${`Theme: ${chosen}`} onClick=${turn} />`;
}
