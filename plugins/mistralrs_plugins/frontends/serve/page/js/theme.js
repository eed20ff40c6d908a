/** Dark and light: the system's choice, unless the user has made one. */

const KEY = "mistralrs.theme";
export const THEMES = ["system", "light", "dark"];

/** The user's choice. */
export function theme() {
  const chosen = localStorage.getItem(KEY);
  return THEMES.includes(chosen) ? chosen : "system";
}

/** @param {string} chosen One of THEMES. */
export function setTheme(chosen) {
  localStorage.setItem(KEY, chosen);
  document.documentElement.dataset.theme = chosen;
}
