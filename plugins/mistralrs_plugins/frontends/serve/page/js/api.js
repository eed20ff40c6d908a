/** The server's routes. The key, if one is needed, lives as long as the tab. */

import { eventData } from "./events.js";

const KEY = "mistralrs.key";
const ROOT = new URL("../../", import.meta.url); // the page is at ROOT/ui/

/** What the server, or the way to it, has refused. `status` is 0 when it could not be reached. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {number} status
   */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** @param {string} key The API key to send from now on. */
export function setKey(key) {
  sessionStorage.setItem(KEY, key);
}

/** Whether a key was entered. */
export function hasKey() {
  return Boolean(sessionStorage.getItem(KEY));
}

/**
 * A response that is good. Raises ApiError for others.
 * @param {string} path Below the server's root.
 * @param {unknown} [body] Sent as JSON with POST, if there is one.
 * @param {AbortSignal} [signal]
 */
async function send(path, body, signal) {
  const headers = {};
  const key = sessionStorage.getItem(KEY);
  if (key) headers.authorization = `Bearer ${key}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const options = { headers, signal, cache: "no-store", method: body === undefined ? "GET" : "POST" };
  if (body !== undefined) options.body = JSON.stringify(body);
  let response;
  try {
    response = await fetch(new URL(path, ROOT), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server cannot be reached.", 0);
  }
  if (response.ok) return response;
  const refusal = await response.json().catch(() => null);
  throw new ApiError(refusal?.error?.message ?? `The server answered ${response.status}.`, response.status);
}

/** The list of models, as the server gives it. */
export async function listModels() {
  return (await (await send("v1/models")).json()).data;
}

/** @param {string} id The model to load; returns when it is loaded. */
export async function loadModel(id) {
  await send("v1/models/reload", { model_id: id });
}

/** @param {string} id The model to unload; returns when it is. */
export async function unloadModel(id) {
  await send("v1/models/unload", { model_id: id });
}

/**
 * The chunks of an answer. Raises ApiError for an error before or within the stream.
 * @param {object} body The request, without what makes it a stream.
 * @param {AbortSignal} signal
 */
export async function* chat(body, signal) {
  const streamed = { ...body, stream: true, stream_options: { include_usage: true } };
  const response = await send("v1/chat/completions", streamed, signal);
  for await (const data of eventData(response.body)) {
    if (data === "[DONE]") return;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new ApiError(chunk.error.message, response.status);
    yield chunk;
  }
  throw new ApiError("The connection broke before the answer was complete.", 0);
}
