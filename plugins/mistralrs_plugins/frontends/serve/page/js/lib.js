/** What components are written with. */

import { h, render } from "../vendor/preact/preact.mjs";
import htm from "../vendor/htm/htm.mjs";

export { render };
export { useEffect, useLayoutEffect, useMemo, useRef, useState } from "../vendor/preact/hooks.mjs";

/** Markup as a tagged template. Texts in it are never taken for markup. */
export const html = htm.bind(h);
