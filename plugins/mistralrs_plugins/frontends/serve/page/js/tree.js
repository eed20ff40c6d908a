/**
 * Conversations as trees: a message that is edited or answered anew gets a sibling, and nothing is lost.
 *
 * @typedef {object} Message
 * @property {string} id
 * @property {string|null} parent The message before it.
 * @property {"user"|"assistant"} role
 * @property {string} content
 * @property {string} [thought] What the server has told apart from the answer as thinking.
 * @property {{id: string, name: string, arguments: string}[]} [tools] Calls that the model asks for.
 * @property {import("./attachments.js").Attachment[]} [attachments]
 * @property {string} [model]
 * @property {string} [error]
 * @property {string} [finish] Why it ended; none while it is written.
 * @property {object} [stats]
 *
 * @typedef {object} Conversation
 * @property {string} id
 * @property {string} title
 * @property {number} created Milliseconds since 1970, as is `updated`.
 * @property {number} updated
 * @property {object} settings
 * @property {Message[]} messages All of the tree, in the order in which they were made.
 * @property {Record<string, string>} selected Which child is shown, by the parent's id ("" for the first messages).
 */

const TITLE_CHARS = 60;

/** A name that no other has; works without a secure context too, in which a phone usually is not. */
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {object} settings
 * @returns {Conversation}
 */
export function newConversation(settings) {
  const now = Date.now();
  return { id: newId(), title: "", created: now, updated: now, settings, messages: [], selected: {} };
}

/**
 * The messages with the same parent, in the order in which they were made.
 * @param {Conversation} conversation
 * @param {string|null} parent
 */
export function childrenOf(conversation, parent) {
  return conversation.messages.filter((each) => each.parent === parent);
}

/**
 * The messages that are shown, first to last.
 * @param {Conversation} conversation
 * @returns {Message[]}
 */
export function shownPath(conversation) {
  const children = new Map();
  for (const message of conversation.messages) {
    const key = message.parent ?? "";
    children.set(key, [...(children.get(key) ?? []), message]);
  }
  const path = [];
  for (let key = ""; children.has(key); key = path.at(-1).id) {
    const found = children.get(key);
    path.push(found.find((each) => each.id === conversation.selected[key]) ?? found.at(-1));
  }
  return path;
}

/**
 * The messages from the first one to `id`.
 * @param {Conversation} conversation
 * @param {string|null} id
 */
export function pathTo(conversation, id) {
  const byId = new Map(conversation.messages.map((each) => [each.id, each]));
  const path = [];
  for (let message = byId.get(id); message; message = byId.get(message.parent)) path.unshift(message);
  return path;
}

/**
 * Add a message and show it.
 * @param {Conversation} conversation
 * @param {Omit<Message, "id">} fields
 * @returns {Message}
 */
export function addMessage(conversation, fields) {
  const message = { id: newId(), ...fields };
  conversation.messages.push(message);
  select(conversation, message);
  if (!conversation.title && message.role === "user") conversation.title = titleOf(message.content);
  conversation.updated = Date.now();
  return message;
}

/**
 * Show this message instead of its siblings.
 * @param {Conversation} conversation
 * @param {Message} message
 */
export function select(conversation, message) {
  conversation.selected[message.parent ?? ""] = message.id;
}

/**
 * A conversation of its own with the messages up to `id`.
 * @param {Conversation} conversation
 * @param {string} id
 */
export function fork(conversation, id) {
  const copy = newConversation({ ...conversation.settings });
  copy.title = conversation.title;
  copy.messages = structuredClone(pathTo(conversation, id));
  return copy;
}

/** @param {string} text */
function titleOf(text) {
  const line = text.trim().split("\n", 1)[0];
  return line.length > TITLE_CHARS ? `${line.slice(0, TITLE_CHARS)}\u2026` : line;
}

/**
 * Whether a conversation holds all words of a search.
 * @param {Conversation} conversation
 * @param {string} search
 */
export function matches(conversation, search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return true;
  const text = [conversation.title, ...conversation.messages.map((each) => each.content)].join("\n").toLowerCase();
  return words.every((word) => text.includes(word));
}
