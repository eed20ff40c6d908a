/** The state of the page: one object that components watch. */

import { useEffect, useState } from "./lib.js";

const watchers = new Set();

/**
 * `conversations` are newest first; `current` is the id of the one that is shown, or null for a new one.
 * `running` holds an AbortController for each conversation that is being answered, by its id.
 */
export const state = {
  conversations: [],
  current: null,
  draftSettings: {},
  models: [],
  defaultModel: "",
  problem: "",
  running: new Map(),
  dialog: null,
  sidebarOpen: false,
  search: "",
  announcement: "",
};

/**
 * Change the state and let all components that watch it draw anew.
 * @param {Partial<typeof state>} [changes]
 */
export function update(changes = {}) {
  Object.assign(state, changes);
  for (const watcher of watchers) watcher({});
}

/**
 * The state, for a component that is to be drawn anew whenever it changes.
 * @returns {typeof state}
 */
export function useStore() {
  const [, redraw] = useState({});
  useEffect(() => {
    watchers.add(redraw);
    return () => watchers.delete(redraw);
  }, []);
  return state;
}

/** The conversation that is shown, or null. */
export function currentConversation() {
  return state.conversations.find((each) => each.id === state.current) ?? null;
}
