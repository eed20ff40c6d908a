/**
 * Markdown of a model as nodes of the page. Models write what strangers told them, so nothing in it may act: HTML is
 * shown as the text it is, images are links, and what comes out is sanitized before it becomes nodes.
 */

import DOMPurify from "../vendor/dompurify/purify.es.mjs";
import { Marked } from "../vendor/marked/marked.esm.js";
import { codeBlock } from "./code.js";
import { MATH, mathBlock, mathInline, typeset } from "./math.js";

const MAX_CHARS = 200_000; // beyond this, text is shown as it is
const SAFE_ADDRESS = /^(?:https?:|mailto:)/i;
const TAGS =
  "a p br em strong del code pre ul ol li blockquote h1 h2 h3 h4 h5 h6 hr table thead tbody tr th td span sup sub div";
const NO_ADDRESSES = ["align", "start", "data-language", MATH];
const RULES = {
  ALLOWED_TAGS: TAGS.split(" "),
  ALLOWED_ATTR: ["href", ...NO_ADDRESSES],
  ADD_URI_SAFE_ATTR: NO_ADDRESSES,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: SAFE_ADDRESS,
  RETURN_DOM_FRAGMENT: true,
};

/** @param {string} text */
export function escape(text) {
  const names = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (char) => names[char]);
}

const link = (href, inner) =>
  SAFE_ADDRESS.test(href) ? `<a href="${escape(href)}">${inner}</a>` : `<span>${inner}</span>`;

const marked = new Marked({ gfm: true, breaks: true });
marked.use({
  extensions: [mathBlock(escape), mathInline(escape)],
  renderer: {
    html: ({ text }) => text.replace(/<br\s*\/?>|[^<]+|</gi, (part) => (/^<br/i.test(part) ? "<br>" : escape(part))),
    code: ({ text, lang }) =>
      `<pre><code data-language="${escape((lang ?? "").trim().split(/\s/)[0])}">${escape(text)}</code></pre>`,
    image: ({ href, text }) => link(href, escape(text || href)),
    checkbox: ({ checked }) => (checked ? "\u2611 " : "\u2610 "),
    link({ href, tokens }) {
      return link(href, this.parser.parseInline(tokens));
    },
  },
});

/** @type {WeakMap<Element, {key: string, node: Element}[]>} */
const drawn = new WeakMap();

/**
 * Show markdown in `container`. Blocks that have not changed since the last call stay as they are, so a text that
 * grows costs what is new of it, and what the user has selected stays selected.
 * @param {Element} container
 * @param {string} text
 */
export function showMarkdown(container, text) {
  const blocks = blocksOf(text);
  const before = drawn.get(container) ?? [];
  let same = 0;
  while (same < before.length && before[same].key === blocks[same]?.key) same++;
  for (const { node } of before.slice(same)) node.remove();
  const added = blocks.slice(same).map(({ key, render }) => ({ key, node: blockNode(render) }));
  container.append(...added.map(({ node }) => node));
  drawn.set(container, [...before.slice(0, same), ...added]);
}

/** @param {string} text */
function blocksOf(text) {
  try {
    if (text.length > MAX_CHARS) throw new RangeError("too long");
    const tokens = marked.lexer(text);
    const defined = Object.keys(tokens.links).length; // links that are defined later change earlier blocks
    return tokens
      .filter(({ type }) => type !== "space" && type !== "def")
      .map((token) => ({ key: `${defined} ${token.raw}`, render: () => marked.parser([token]) }));
  } catch {
    // Nested too deep, or too long: the plain text is better than no text.
    return [{ key: text, render: () => `<pre>${escape(text)}</pre>` }];
  }
}

/** @param {() => string} render */
function blockNode(render) {
  const node = document.createElement("div");
  node.className = "block";
  node.append(DOMPurify.sanitize(render(), RULES));
  for (const anchor of node.querySelectorAll("a[href]")) {
    Object.assign(anchor, { target: "_blank", rel: "noopener noreferrer nofollow", title: anchor.href });
  }
  for (const code of node.querySelectorAll("pre > code[data-language]")) codeBlock(code);
  for (const table of node.querySelectorAll("table")) scrollable(table);
  for (const formula of node.querySelectorAll(`[${MATH}]`)) typeset(formula);
  return node;
}

/** @param {Element} wide Gets a frame in which it can be scrolled, by keys too. */
function scrollable(wide) {
  const frame = document.createElement("div");
  Object.assign(frame, { className: "wide", tabIndex: 0, role: "region", ariaLabel: "Table" });
  wide.replaceWith(frame);
  frame.append(wide);
}
