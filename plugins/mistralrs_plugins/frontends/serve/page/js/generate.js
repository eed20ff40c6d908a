/** One answer: from the messages before it to its end, however it ends. */

import { chat } from "./api.js";
import { contentOf } from "./attachments.js";
import { saveConversation } from "./database.js";
import { askForKey, chosenModel, refreshModels } from "./models.js";
import { requestFields } from "./settings.js";
import { state, update } from "./store.js";
import { splitThinking } from "./thinking.js";
import { addMessage, pathTo } from "./tree.js";

const DRAW_MS = 50;
const SAVE_MS = 500; // what a page that is closed meanwhile may lose

/**
 * Answer the message `parent`. Returns at the end of the answer; never raises.
 * @param {import("./tree.js").Conversation} conversation
 * @param {string} parent
 */
export async function answer(conversation, parent) {
  const body = requestOf(conversation, parent);
  const message = addMessage(conversation, { parent, role: "assistant", content: "", created: Date.now() });
  const controller = new AbortController();
  state.running.set(conversation.id, controller);
  update({ announcement: "The answer begins." });
  keep(conversation);
  const clock = { start: performance.now(), first: 0, last: 0, pieces: 0, usage: null };
  const draw = throttled(update, DRAW_MS);
  const save = throttled(() => keep(conversation), SAVE_MS);
  try {
    for await (const chunk of chat(body, controller.signal)) {
      take(message, chunk, clock);
      draw();
      save();
    }
    message.finish ??= "stop";
  } catch (error) {
    message.finish = error.name === "AbortError" ? "stopped" : "error";
    if (message.finish === "error") message.error = error.message;
    if (error.status === 401) askForKey();
    if (error.status === 0 || error.status === 503) refreshModels();
  }
  message.stats = statsOf(clock);
  draw.cancel();
  save.cancel();
  state.running.delete(conversation.id);
  conversation.updated = Date.now();
  await keep(conversation);
  update({ announcement: endOf(message) });
}

/** End an answer early; what is there of it stays. */
export function stop(conversation) {
  state.running.get(conversation.id)?.abort();
}

/** Write a conversation down; a browser that cannot says so once. */
export async function keep(conversation) {
  try {
    await saveConversation(conversation);
  } catch {
    if (!state.unkept) update({ unkept: true, notice: "This browser does not keep conversations; export what matters." });
  }
}

/**
 * @param {import("./tree.js").Conversation} conversation
 * @param {string} parent
 */
function requestOf(conversation, parent) {
  const messages = pathTo(conversation, parent).map(({ role, content, attachments }) => ({
    role,
    content: role === "user" ? contentOf(content, attachments) : splitThinking(content).answer,
  }));
  const { settings } = conversation;
  if (settings.system?.trim()) messages.unshift({ role: "system", content: settings.system });
  const model = chosenModel(settings);
  return { ...(model ? { model: model.id } : {}), messages, ...requestFields(settings) };
}

/**
 * Take in a chunk.
 * @param {import("./tree.js").Message} message
 * @param {any} chunk
 */
function take(message, chunk, clock) {
  message.model = chunk.model ?? message.model;
  clock.usage = chunk.usage ?? clock.usage;
  message.stats = statsOf(clock);
  const choice = chunk.choices?.[0];
  if (!choice) return;
  const { content, reasoning_content: reasoning, tool_calls: calls } = choice.delta;
  const thought = reasoning ?? choice.delta.reasoning;
  if (content || thought || calls) {
    clock.last = performance.now();
    clock.first ||= clock.last;
    clock.pieces += 1;
  }
  if (content) message.content += content;
  if (thought) message.thought = (message.thought ?? "") + thought;
  for (const call of calls ?? []) takeCall(message, call);
  if (choice.finish_reason) message.finish = choice.finish_reason;
}

/** Calls come in pieces too: the name first, then the arguments bit by bit. */
function takeCall(message, { index = 0, id, function: called }) {
  message.tools ??= [];
  const tool = (message.tools[index] ??= { id: "", name: "", arguments: "" });
  if (id) tool.id = id;
  tool.name += called?.name ?? "";
  tool.arguments += called?.arguments ?? "";
}

/** What it cost: tokens, tokens a second, and seconds to the first one. */
function statsOf({ usage, ...clock }) {
  const tokens = usage?.completion_tokens ?? clock.pieces;
  const seconds = (clock.last - clock.first) / 1000;
  const measured = tokens > 1 && seconds > 0 ? (tokens - 1) / seconds : 0;
  const stats = { tokens, rate: usage?.avg_compl_tok_per_sec || measured };
  if (clock.first) stats.wait = (clock.first - clock.start) / 1000;
  if (usage) stats.prompt = usage.prompt_tokens;
  return stats;
}

function endOf(message) {
  if (message.finish === "error") return `The answer failed: ${message.error}`;
  if (message.finish === "stopped") return "The answer was stopped.";
  return `The answer is complete. ${splitThinking(message.content).answer.slice(0, 2000)}`;
}

/**
 * `work`, run at most once in `ms` however often it is asked for, and then at the end of that time.
 * @param {() => void} work
 * @param {number} ms
 */
function throttled(work, ms) {
  let timer;
  const run = () => {
    timer = undefined;
    work();
  };
  const ask = () => (timer ??= setTimeout(run, ms));
  ask.cancel = () => clearTimeout(timer);
  return ask;
}
