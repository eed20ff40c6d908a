/** Conversations in the browser's database. Where there is none (private windows of some browsers) nothing is kept. */

const NAME = "mistralrs";
const STORE = "conversations";

/** @type {Promise<IDBDatabase>|undefined} */
let opened;

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function open() {
  if (!opened) {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    opened = settled(request);
  }
  return opened;
}

/** @param {IDBTransactionMode} mode */
async function store(mode) {
  return (await open()).transaction(STORE, mode).objectStore(STORE);
}

/**
 * All conversations, newest first.
 * @returns {Promise<import("./tree.js").Conversation[]>}
 */
export async function loadConversations() {
  const found = await settled((await store("readonly")).getAll());
  return found.sort((a, b) => b.updated - a.updated);
}

/** @param {import("./tree.js").Conversation} conversation */
export async function saveConversation(conversation) {
  await settled((await store("readwrite")).put(conversation));
}

/** @param {string} id */
export async function deleteConversation(id) {
  await settled((await store("readwrite")).delete(id));
}
