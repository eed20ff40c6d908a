/** Blocks of code: a bar with the language and a button that copies, and colours. Languages are loaded when used. */

import DOMPurify from "../vendor/dompurify/purify.es.mjs";
import { copyText } from "./clipboard.js";

const MAX_CHARS = 30_000; // beyond this, colours cost more than they give
const LANGUAGES = new Set(
  ("bash c cpp csharp css diff dockerfile go haskell ini java javascript json julia kotlin latex lua makefile markdown " +
    "perl php python r ruby rust scala sql swift typescript xml yaml").split(" "),
);
const ALIASES = {
  "c++": "cpp", "c#": "csharp", cs: "csharp", console: "bash", docker: "dockerfile", golang: "go", h: "c", hpp: "cpp",
  hs: "haskell", html: "xml", jl: "julia", js: "javascript", jsx: "javascript", kt: "kotlin", make: "makefile",
  md: "markdown", mjs: "javascript", patch: "diff", pl: "perl", py: "python", rb: "ruby", rs: "rust", sh: "bash",
  shell: "bash", svg: "xml", tex: "latex", toml: "ini", ts: "typescript", tsx: "typescript", yml: "yaml", zsh: "bash",
};
const RULES = { ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], RETURN_DOM_FRAGMENT: true };

/** @type {Map<string, Promise<any>>} */
const loading = new Map();

/** @param {string} language */
function highlighter(language) {
  if (!loading.has(language)) {
    const parts = [
      import("../vendor/highlight/core.min.js"),
      import(`../vendor/highlight/languages/${language}.min.js`),
    ];
    loading.set(
      language,
      Promise.all(parts).then(([core, grammar]) => {
        core.default.registerLanguage(language, grammar.default);
        return core.default;
      }),
    );
  }
  return loading.get(language);
}

/**
 * Dress up `code`, which is the only child of its `pre`.
 * @param {Element} code
 */
export function codeBlock(code) {
  const named = code.dataset.language.toLowerCase();
  const bar = document.createElement("div");
  bar.className = "code-bar";
  const label = document.createElement("span");
  label.textContent = named || "text";
  const button = document.createElement("button");
  Object.assign(button, { type: "button", textContent: "Copy", ariaLabel: "Copy code" });
  button.addEventListener("click", async () => {
    button.textContent = (await copyText(code.textContent)) ? "Copied" : "Not possible";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  bar.append(label, button);
  const pre = code.parentElement;
  const frame = document.createElement("div");
  frame.className = "code";
  pre.replaceWith(frame);
  pre.tabIndex = 0; // so that keys can scroll it
  frame.append(bar, pre);
  const language = ALIASES[named] ?? named;
  if (LANGUAGES.has(language) && code.textContent.length <= MAX_CHARS) colour(code, language);
}

/**
 * @param {Element} code
 * @param {string} language
 */
async function colour(code, language) {
  const text = code.textContent;
  const found = (await highlighter(language)).highlight(text, { language, ignoreIllegals: true });
  code.replaceChildren(DOMPurify.sanitize(found.value, RULES));
}
