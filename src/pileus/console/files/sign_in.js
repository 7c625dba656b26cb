// The page that signs in.
import { html, useState } from "./vendor/preact.js";
import { CopyBox, Field } from "./parts.js";
import { reason, signIn } from "./session.js";
import { useStore } from "./stores.js";
import { texts } from "./texts.js";

/** Ask for an API key. */
export function SignIn() {
  const why = useStore(reason);
  const [problem, setProblem] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    setProblem("");
    const text = String(new FormData(event.target).get("key")).trim();
    setProblem(await signIn(text).catch(() => texts.errors.unreachable));
  };
  const shown = problem || why;
  return html`<main class="alone" id="content">
    <h1>${texts.product}</h1>
    <form class="sign-in" onSubmit=${submit}>
      <h2>${texts.signIn.title}</h2>
      <p>${texts.signIn.intro}</p>
      ${shown && html`<p class="error" role="alert">${shown}</p>`}
      <${Field} id="key" label=${texts.signIn.key}>
        <input id="key" name="key" type="password" autocomplete="current-password" required autofocus />
      <//>
      <button class="button primary" type="submit">${texts.signIn.submit}</button>
      <p class="soft">${texts.signIn.local}</p>
      <${CopyBox} text="pileus console --open" label=${texts.dialog.cli} />
    </form>
  </main>`;
}
