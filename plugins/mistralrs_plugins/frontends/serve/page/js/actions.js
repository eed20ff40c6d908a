/** What a user can do with conversations. */

import { deleteConversation } from "./database.js";
import { answer, keep, stop } from "./generate.js";
import { lastSettings, rememberSettings } from "./settings.js";
import { currentConversation, state, update } from "./store.js";
import { fromFile, toFile } from "./transfer.js";
import { addMessage, childrenOf, fork, newConversation, select } from "./tree.js";

/** Begin a new conversation; it is kept once something is said in it. */
export function begin() {
  const { model } = settings();
  update({ current: null, draftSettings: { ...lastSettings(), ...(model ? { model } : {}) }, sidebarOpen: false });
  focusInput();
}

/** @param {string} id */
export function open(id) {
  update({ current: id, sidebarOpen: false });
  focusInput();
}

/** The settings of the conversation that is shown, or of the one that will be. */
export function settings() {
  return currentConversation()?.settings ?? state.draftSettings;
}

/** @param {object} changed */
export async function setSettings(changed) {
  rememberSettings(changed);
  const conversation = currentConversation();
  if (!conversation) return update({ draftSettings: changed });
  conversation.settings = changed;
  update();
  await keep(conversation);
}

/**
 * Say something, after `parent` or else at the end; the answer follows.
 * @param {string} content
 * @param {import("./attachments.js").Attachment[]} attachments
 * @param {string|null} [parent]
 */
export async function say(content, attachments, parent = null) {
  let conversation = currentConversation();
  if (!conversation) {
    conversation = newConversation(state.draftSettings);
    state.conversations.unshift(conversation);
    state.current = conversation.id;
  }
  if (state.running.has(conversation.id)) return;
  const fields = { parent, role: "user", content, created: Date.now() };
  const message = addMessage(conversation, attachments?.length ? { ...fields, attachments } : fields);
  bringUp(conversation);
  await keep(conversation);
  await answer(conversation, message.id);
}

/** Answer anew: the old answer stays as a sibling of the new one. */
export async function retry(conversation, message) {
  if (state.running.has(conversation.id)) return;
  bringUp(conversation);
  await answer(conversation, message.parent);
}

/** Show the sibling so many places away. */
export async function step(conversation, message, by) {
  const siblings = childrenOf(conversation, message.parent);
  const other = siblings[siblings.indexOf(message) + by];
  if (!other) return;
  select(conversation, other);
  update();
  await keep(conversation);
}

/** Go on from a message in a conversation of its own. */
export async function branch(conversation, message) {
  const copy = fork(conversation, message.id);
  state.conversations.unshift(copy);
  update({ current: copy.id, announcement: "A new conversation goes on from here." });
  focusInput();
  await keep(copy);
}

/** @param {string} title */
export async function rename(conversation, title) {
  conversation.title = title.trim() || conversation.title;
  update();
  await keep(conversation);
}

/** Forget a conversation. */
export async function remove(conversation) {
  stop(conversation);
  const conversations = state.conversations.filter((each) => each !== conversation);
  update({ conversations, current: state.current === conversation.id ? null : state.current });
  await deleteConversation(conversation.id).catch(() => {});
}

/** Save conversations as a file. */
export function exportAll(conversations = state.conversations) {
  const address = URL.createObjectURL(new Blob([toFile(conversations)], { type: "application/json" }));
  const day = new Date().toISOString().slice(0, 10);
  Object.assign(document.createElement("a"), { href: address, download: `mistralrs-${day}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** @param {File} file Made by `exportAll`, here or elsewhere. */
export async function importFile(file) {
  try {
    const found = fromFile(await file.text());
    for (const conversation of found) await keep(conversation);
    const conversations = [...found, ...state.conversations].sort((a, b) => b.updated - a.updated);
    update({ conversations, notice: `${found.length} conversations were added.` });
  } catch (error) {
    update({ notice: error.message });
  }
}

/** Put the cursor where the next message is written. */
export function focusInput() {
  requestAnimationFrame(() => document.getElementById("input")?.focus());
}

function bringUp(conversation) {
  update({ conversations: [conversation, ...state.conversations.filter((each) => each !== conversation)] });
}
