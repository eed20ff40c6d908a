/** Asks for the API key of a server that needs one. */

import { setKey } from "../api.js";
import { html } from "../lib.js";
import { refreshModels } from "../models.js";
import { close, Dialog } from "./dialog.js";

/** @param {{refused: boolean}} properties `refused` if there was a key that the server did not take. */
export function KeyDialog({ refused }) {
  const enter = (event) => {
    event.preventDefault();
    const key = event.target.elements.key.value.trim();
    if (!key) return;
    setKey(key);
    close();
    refreshModels();
  };
  return html`<${Dialog} title="API key">
    <form onSubmit=${enter}>
      ${refused && html`<p class="failure" role="alert">The server did not take this key.</p>`}
      <label class="field">
        <span>The server lets in only who has a key. It is kept until this tab is closed.</span>
        <input name="key" type="password" autocomplete="off" required autofocus />
      </label>
      <div class="tools"><button type="submit" class="strong">Use this key</button></div>
    </form>
  <//>`;
}
