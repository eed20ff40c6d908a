/** Which models the server has, and whether they are loaded. */

import { ApiError, hasKey, listModels, loadModel, unloadModel } from "./api.js";
import { state, update } from "./store.js";

const CALM_MS = 15_000;
const BUSY_MS = 1_000;
const PASSING = ["reloading", "loading", "unloading", "restarting"];
let timer;

/**
 * Models that write text, without their aliases, and the name of the one to begin with.
 * @param {any[]} cards
 */
function modelsOf(cards) {
  const models = cards
    .filter((card) => card.id === card.root && (card.output_modalities ?? ["text"]).includes("text"))
    .map((card) => ({
      id: card.id,
      status: card.status,
      contextLength: card.max_model_len,
      modalities: card.input_modalities ?? [],
    }));
  const usual = cards.find((card) => card.id === "default")?.root;
  return { models, defaultModel: (models.find(({ id }) => id === usual) ?? models[0])?.id ?? "" };
}

/** Ask the server now, and again after a while. */
export async function refreshModels() {
  clearTimeout(timer);
  let problem = "";
  try {
    const found = modelsOf(await listModels());
    if (JSON.stringify(found) !== JSON.stringify({ models: state.models, defaultModel: state.defaultModel })) update(found);
    if (!found.models.length) problem = "This server has no model that writes text.";
  } catch (error) {
    problem = error.message;
    if (error.status === 401) askForKey();
  }
  if (problem !== state.problem) update({ problem });
  const busy = problem || state.models.some(({ status }) => PASSING.includes(status));
  timer = setTimeout(() => document.hidden || refreshModels(), busy ? BUSY_MS : CALM_MS);
}

/** Let the user enter a key, unless that is being done. */
export function askForKey() {
  if (state.dialog !== "key") update({ dialog: "key", keyRefused: hasKey() });
}

/** The model of the conversation's settings, or the default one. */
export function chosenModel(settings) {
  const byId = (id) => state.models.find((each) => each.id === id);
  return byId(settings.model) ?? byId(state.defaultModel);
}

/**
 * Load a model, or unload it.
 * @param {string} id
 * @param {boolean} load
 */
export async function switchModel(id, load) {
  const change = load ? loadModel(id) : unloadModel(id);
  setTimeout(refreshModels, 100);
  try {
    await change;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    update({ notice: error.message });
  }
  await refreshModels();
}

document.addEventListener("visibilitychange", () => document.hidden || refreshModels());
