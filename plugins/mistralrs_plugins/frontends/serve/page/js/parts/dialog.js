/** A dialog: the browser keeps the focus inside, closes it on Escape, and gives the focus back. */

import { html, useEffect, useRef } from "../lib.js";
import { update } from "../store.js";
import { IconButton } from "./icons.js";

export function close() {
  update({ dialog: null });
}

/** @param {{title: string, children: any}} properties */
export function Dialog({ title, children }) {
  const dialog = useRef(null);
  useEffect(() => {
    dialog.current.showModal();
    return () => dialog.current?.close();
  }, []);
  const clicked = (event) => event.target === dialog.current && close(); // outside of it
  return html`<dialog ref=${dialog} aria-labelledby="dialog-title" onClose=${close} onClick=${clicked}>
    <div class="dialog">
      <header class="dialog-head">
        <h2 id="dialog-title">${title}</h2>
        <${IconButton} icon="close" label="Close" onClick=${close} />
      </header>
      ${children}
    </div>
  </dialog>`;
}
