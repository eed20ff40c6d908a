/** The settings of a conversation; new ones begin with those that were used last. */

import { setSettings, settings } from "../actions.js";
import { html } from "../lib.js";
import { CHOICES, NUMBERS } from "../settings.js";
import { close, Dialog } from "./dialog.js";

export function SettingsDialog() {
  const given = settings();
  const set = (name, value) => {
    const { [name]: _, ...others } = settings();
    setSettings(value === "" ? others : { ...others, [name]: value });
  };
  const reset = () => setSettings(given.model ? { model: given.model } : {});
  return html`<${Dialog} title="Settings">
    <p class="faint">They hold for this conversation and the next new ones. What is empty is left to the model.</p>
    <${TextField} name="system" label="System prompt" rows="4" given=${given} set=${set} />
    <div class="fields">
      ${NUMBERS.map((each) => html`<${NumberField} field=${each} given=${given} set=${set} />`)}
      ${CHOICES.map((each) => html`<${ChoiceField} field=${each} given=${given} set=${set} />`)}
    </div>
    <${TextField} name="stop" label="Stop at (one text a line)" rows="2" given=${given} set=${set} />
    <div class="tools">
      <button type="button" class="quiet" onClick=${reset}>Leave all to the model</button>
      <button type="button" class="strong" onClick=${close}>Done</button>
    </div>
  <//>`;
}

function TextField({ name, label, rows, given, set }) {
  return html`<div class="field">
    <label for=${name}>${label}</label>
    <textarea id=${name} rows=${rows} value=${given[name] ?? ""} onInput=${({ target }) => set(name, target.value)} />
  </div>`;
}

function NumberField({ field: [name, label, least, most, by, about], given, set }) {
  const change = ({ target }) => {
    if (target.validity.badInput || (target.value !== "" && !within(Number(target.value), least, most))) return;
    set(name, target.value === "" ? "" : Number(target.value));
  };
  return html`<div class="field">
    <label for=${name}>${label}</label>
    <input
      id=${name}
      type="number"
      inputmode="decimal"
      min=${least}
      max=${most}
      step=${by === 1 ? 1 : "any"}
      placeholder="model's own"
      aria-describedby=${`${name}-about`}
      value=${given[name] ?? ""}
      onChange=${change}
    />
    <small id=${`${name}-about`} class="faint">${about}</small>
  </div>`;
}

const within = (value, least, most) => value >= least && value <= most;

function ChoiceField({ field: [name, label, choices], given, set }) {
  return html`<div class="field">
    <label for=${name}>${label}</label>
    <select id=${name} value=${given[name] ?? ""} onChange=${({ target }) => set(name, target.value)}>
      ${choices.map((each) => html`<option value=${each}>${each || "model's own"}</option>`)}
    </select>
  </div>`;
}
