/** The bar above a conversation: which model answers, whether it is loaded, and the settings. */

import { setSettings, settings } from "../actions.js";
import { html } from "../lib.js";
import { chosenModel, switchModel } from "../models.js";
import { update, useStore } from "../store.js";
import { IconButton } from "./icons.js";

export function Header() {
  const { sidebarOpen, models } = useStore();
  return html`<header class="bar">
    <${IconButton}
      icon="menu"
      label="Conversations"
      class="icon-button only-narrow"
      aria-expanded=${sidebarOpen}
      onClick=${openSidebar}
    />
    ${models.length > 0 && html`<${ModelPicker} models=${models} chosen=${chosenModel(settings())} />`}
    <span class="grow" />
    <${IconButton} icon="sliders" label="Settings" onClick=${() => update({ dialog: "settings" })} />
  </header>`;
}

function openSidebar() {
  update({ sidebarOpen: true });
  requestAnimationFrame(() => document.querySelector(".sidebar button")?.focus());
}

function ModelPicker({ models, chosen }) {
  const choose = (event) => setSettings({ ...settings(), model: event.target.value });
  const isLoaded = chosen.status === "loaded";
  const changes = !isLoaded && chosen.status !== "unloaded";
  return html`<div class="models">
    <label class="hidden" for="model">Model</label>
    <select id="model" value=${chosen.id} onChange=${choose}>
      ${models.map(({ id, status }) => html`<option value=${id}>${status === "loaded" ? id : `${id} (${status})`}</option>`)}
    </select>
    <span class=${`status ${chosen.status}`} role="status">${changes ? "loading" : chosen.status}</span>
    <button type="button" class="quiet" disabled=${changes} onClick=${() => switchModel(chosen.id, !isLoaded)}>
      ${isLoaded ? "Unload" : "Load"}
    </button>
  </div>`;
}
