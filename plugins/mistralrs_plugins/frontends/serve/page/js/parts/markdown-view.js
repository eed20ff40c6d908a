/** Markdown, drawn outside of the component tree: see markdown.js. */

import { html, useLayoutEffect, useRef } from "../lib.js";
import { showMarkdown } from "../markdown.js";

/** @param {{text: string}} properties */
export function MarkdownView({ text }) {
  const container = useRef(null);
  useLayoutEffect(() => showMarkdown(container.current, text), [text]);
  return html`<div class="markdown" ref=${container} />`;
}
