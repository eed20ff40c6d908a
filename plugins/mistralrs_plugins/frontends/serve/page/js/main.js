/** Start: read what the browser has kept, ask the server for its models, draw the page. */

import { begin } from "./actions.js";
import { loadConversations } from "./database.js";
import { keep, stop } from "./generate.js";
import { html, render } from "./lib.js";
import { refreshModels } from "./models.js";
import { App } from "./parts/app.js";
import { currentConversation, state, update } from "./store.js";

function pressed(event) {
  const command = event.ctrlKey || event.metaKey;
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
    if (state.sidebarOpen) update({ sidebarOpen: false });
    else if (currentConversation()) stop(currentConversation());
  } else if (command && event.shiftKey && event.key.toLowerCase() === "o") {
    event.preventDefault();
    begin();
  } else if (command && !event.shiftKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    update({ sidebarOpen: true });
    requestAnimationFrame(() => document.getElementById("search")?.focus());
  }
}

async function start() {
  const app = document.getElementById("app");
  app.replaceChildren();
  const kept = await loadConversations().catch(() => []);
  for (const conversation of kept) {
    // The page was closed while these were written.
    for (const message of conversation.messages) if (message.role === "assistant") message.finish ??= "stopped";
  }
  update({ conversations: kept });
  begin();
  render(html`<${App} />`, app);
  document.addEventListener("keydown", pressed);
  addEventListener("pagehide", () => state.conversations.filter(({ id }) => state.running.has(id)).forEach(keep));
  await refreshModels();
}

start();
