// Components whose modules are loaded when they are shown.
import { html, useEffect, useState } from "./vendor/preact.js";
import { Loading } from "./parts.js";

/** Return a component that loads the one of a module. */
export const lazy = (load, name) => (props) => {
  const [module, setModule] = useState(null);
  useEffect(() => void load().then(setModule), []);
  return module ? html`<${module[name]} ...${props} />` : html`<${Loading} />`;
};
