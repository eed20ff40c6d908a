/** Thinking that a model writes into its answer, between marks. */

const MARKS = [
  ["<think>", "</think>"],
  ["[THINK]", "[/THINK]"],
];

/**
 * An answer's thinking and the rest. Some templates write the opening mark themselves, so the closing one may be alone;
 * marks further on are something that the answer tells.
 * @param {string} text
 * @returns {{thought: string, answer: string, open: boolean}} `open` while the thinking goes on.
 */
export function splitThinking(text) {
  const start = text.trimStart();
  for (const [begin, end] of MARKS) {
    const opens = start.startsWith(begin);
    const close = start.indexOf(end);
    const thought = opens ? start.slice(begin.length, close < 0 ? undefined : close) : start.slice(0, close);
    if (close >= 0 && (opens || !thought.includes(begin))) {
      return { thought: thought.trim(), answer: start.slice(close + end.length).trimStart(), open: false };
    }
    if (opens) return { thought: thought.trim(), answer: "", open: true };
  }
  return { thought: "", answer: text, open: false };
}
