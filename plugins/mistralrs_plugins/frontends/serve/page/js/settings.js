/** What a user may set for a conversation, and how requests say it. What is empty is left to the model. */

const KEY = "mistralrs.settings";

/** Numbers: field of the request, name, least and greatest value, step, and what it does. */
export const NUMBERS = [
  ["temperature", "Temperature", 0, 2, 0.05, "0 always takes the likeliest token; higher is more varied"],
  ["top_p", "Top p", 0.01, 1, 0.01, "choose among the likeliest tokens that have this probability together"],
  ["top_k", "Top k", 1, 1000, 1, "choose among so many tokens"],
  ["min_p", "Min p", 0, 1, 0.01, "leave out tokens below this share of the likeliest one's probability"],
  ["repetition_penalty", "Repetition penalty", 0.5, 2, 0.05, "1 is none"],
  ["presence_penalty", "Presence penalty", -2, 2, 0.1, "0 is none"],
  ["frequency_penalty", "Frequency penalty", -2, 2, 0.1, "0 is none"],
  ["max_tokens", "Longest answer", 1, 1000000, 1, "in tokens"],
  ["seed", "Seed", 0, Number.MAX_SAFE_INTEGER, 1, "the same seed gives the same answer"],
];

/** Choices: field, name, and what may be chosen. */
export const CHOICES = [
  ["thinking", "Thinking", ["", "on", "off"]],
  ["reasoning_effort", "Effort of thinking", ["", "low", "medium", "high"]],
];

/**
 * The fields of a request.
 * @param {Record<string, any>} settings
 */
export function requestFields(settings) {
  const fields = {};
  for (const [name] of NUMBERS) if (Number.isFinite(settings[name])) fields[name] = settings[name];
  const stop = (settings.stop ?? "").split("\n").filter(Boolean);
  if (stop.length) fields.stop = stop;
  if (settings.thinking) fields.enable_thinking = settings.thinking === "on";
  if (settings.reasoning_effort && settings.thinking !== "off") fields.reasoning_effort = settings.reasoning_effort;
  return fields;
}

/** The settings of new conversations: those that were used last. */
export function lastSettings() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

/** @param {object} settings */
export function rememberSettings(settings) {
  localStorage.setItem(KEY, JSON.stringify(settings));
}
