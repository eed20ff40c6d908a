/** Formulas: `$...$` and `\(...\)` in a line, `$$...$$` and `\[...\]` on their own. KaTeX is loaded with the first. */

export const MATH = "data-math";

const MAX_CHARS = 4000;
const BLOCK = /^(?:\$\$([^]{1,4000}?)\$\$|\\\[([^]{1,4000}?)\\\])[ \t]*(?:\n|$)/;
// A single dollar opens a formula only before, and closes it only after, something that is no space: prices stay prices.
const INLINE =
  /^(?:\$\$([^\n]{1,4000}?)\$\$|\\\[([^\n]{1,4000}?)\\\]|\\\(([^\n]{1,4000}?)\\\)|\$(?!\s)((?:\\[^\n]|[^\\$\n]){1,1000}?)(?<!\s)\$(?!\d))/;

/** An extension of marked. `escape` makes text safe in HTML. */
export const mathBlock = (escape) => ({
  name: "mathBlock",
  level: "block",
  start: (text) => text.match(/^(?:\$\$|\\\[)/m)?.index,
  tokenizer: (text) => token("mathBlock", BLOCK.exec(text), true),
  renderer: ({ tex }) => `<div ${MATH}="block">${escape(tex)}</div>`,
});

/** An extension of marked. `escape` makes text safe in HTML. */
export const mathInline = (escape) => ({
  name: "mathInline",
  level: "inline",
  start: (text) => text.match(/\$|\\[([]/)?.index,
  tokenizer: (text) => {
    const found = INLINE.exec(text);
    return token("mathInline", found, Boolean(found && (found[1] ?? found[2])));
  },
  renderer: ({ tex, display }) => `<span ${MATH}="${display ? "block" : "inline"}">${escape(tex)}</span>`,
});

/** @param {RegExpExecArray|null} found */
function token(type, found, display) {
  const tex = found?.slice(1).find((each) => each !== undefined);
  return tex?.trim() ? { type, raw: found[0], tex: tex.trim(), display } : undefined;
}

/** @type {Promise<any>|undefined} */
let loading;

function loadKatex() {
  loading ??= new Promise((resolve, reject) => {
    const sheet = document.createElement("link");
    sheet.rel = "stylesheet";
    sheet.href = new URL("../vendor/katex/katex.min.css", import.meta.url).href;
    document.head.append(sheet);
    import("../vendor/katex/katex.mjs").then((module) => resolve(module.default), reject);
  });
  return loading;
}

/**
 * Replace the source of a formula by the formula; one that is wrong stays as it is.
 * @param {Element} element
 */
export async function typeset(element) {
  const tex = element.textContent;
  if (tex.length > MAX_CHARS) return;
  const katex = await loadKatex();
  const options = {
    displayMode: element.getAttribute(MATH) === "block",
    strict: "ignore",
    trust: false, // no links, images or attributes
    maxSize: 20,
    maxExpand: 200,
  };
  try {
    katex.render(tex, element, options);
  } catch (error) {
    element.textContent = tex; // KaTeX would show the error with a style of its own, which the policy forbids
    element.title = error.message;
    element.classList.add("failed");
  }
}
