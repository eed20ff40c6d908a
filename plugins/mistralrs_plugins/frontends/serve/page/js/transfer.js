/** Conversations as a file. What comes in is foreign: only what has the right form gets through. */

import { KINDS } from "./attachments.js";
import { newId } from "./tree.js";

const FORMAT = "mistralrs-conversations";
const VERSION = 1;
const ROLES = ["user", "assistant"];

/**
 * @param {import("./tree.js").Conversation[]} conversations
 * @returns {string}
 */
export function toFile(conversations) {
  return JSON.stringify({ format: FORMAT, version: VERSION, conversations }, null, 1);
}

/**
 * The conversations of a file, under new names. Raises an Error that says what is wrong with it.
 * @param {string} text
 * @returns {import("./tree.js").Conversation[]}
 */
export function fromFile(text) {
  let file;
  try {
    file = JSON.parse(text);
  } catch {
    throw new Error("The file is not JSON.");
  }
  if (file?.format !== FORMAT || !Array.isArray(file.conversations)) {
    throw new Error("The file holds no conversations that were exported here.");
  }
  if (file.version !== VERSION) throw new Error(`The file has version ${file.version}; this page reads ${VERSION}.`);
  return file.conversations.map(readConversation);
}

/** @param {any} given */
function readConversation(given, index) {
  if (!isObject(given) || !Array.isArray(given.messages)) throw new Error(`Conversation ${index + 1} has no messages.`);
  const names = new Map([[null, null]]);
  const messages = given.messages.map((message, at) => {
    if (!isObject(message) || !ROLES.includes(message.role) || !names.has(message.parent ?? null)) {
      throw new Error(`Message ${at + 1} of conversation ${index + 1} is not one.`);
    }
    const read = readMessage(message, names.get(message.parent ?? null));
    names.set(String(message.id), read.id);
    return read;
  });
  const selected = Object.entries(isObject(given.selected) ? given.selected : {})
    .map(([parent, child]) => [parent && names.get(parent), names.get(child)])
    .filter(([parent, child]) => parent !== undefined && child);
  const now = Date.now();
  return {
    id: newId(),
    title: string(given.title),
    created: number(given.created) ?? now,
    updated: number(given.updated) ?? now,
    settings: readSettings(given.settings),
    messages,
    selected: Object.fromEntries(selected),
  };
}

/** @param {any} given */
function readMessage(given, parent) {
  const message = { id: newId(), parent, role: given.role, content: string(given.content), finish: "stop" };
  for (const name of ["thought", "model", "error", "finish"]) if (given[name]) message[name] = string(given[name]);
  const tools = list(given.tools).map(({ id, name, arguments: text }) => ({
    id: string(id),
    name: string(name),
    arguments: string(text),
  }));
  if (tools.length) message.tools = tools;
  const attachments = list(given.attachments).filter(isAttachment);
  if (attachments.length) message.attachments = attachments;
  const stats = Object.entries(isObject(given.stats) ? given.stats : {}).filter(([, value]) => Number.isFinite(value));
  if (stats.length) message.stats = Object.fromEntries(stats);
  return message;
}

/** @param {any} given */
function readSettings(given) {
  const kept = Object.entries(isObject(given) ? given : {});
  return Object.fromEntries(kept.filter(([, value]) => typeof value === "string" || Number.isFinite(value)));
}

/** @param {any} given */
function isAttachment(given) {
  return (
    KINDS.includes(given.kind) &&
    [given.name, given.type, given.data].every((each) => typeof each === "string") &&
    given.type.startsWith(`${given.kind}/`) &&
    /^[A-Za-z0-9+/]*={0,2}$/.test(given.data)
  );
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const list = (value) => (Array.isArray(value) ? value.filter(isObject) : []);
const string = (value) => (typeof value === "string" ? value : "");
const number = (value) => (Number.isFinite(value) ? value : undefined);
