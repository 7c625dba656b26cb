// The theme: that of the system, unless the user chooses another.
import { html, useState } from "./vendor/preact.js";
import { texts } from "./texts.js";

const STORED_THEME = "pileus-theme";
const THEMES = ["system", "light", "dark"];

function storedTheme() {
  const theme = localStorage.getItem(STORED_THEME);
  return THEMES.includes(theme) ? theme : "system";
}

/** Show the page in the chosen theme. */
export function applyTheme(theme = storedTheme()) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** The choice of the theme. */
export function ThemeChoice() {
  const [theme, setTheme] = useState(storedTheme());
  const choose = (event) => {
    localStorage.setItem(STORED_THEME, event.target.value);
    setTheme(event.target.value);
    applyTheme(event.target.value);
  };
  return html`<select class="theme" aria-label=${texts.theme.label} value=${theme} onChange=${choose}>
    ${THEMES.map((name) => html`<option key=${name} value=${name}>${texts.theme[name]}</option>`)}
  </select>`;
}
