// The page that signs in.
import { html, useState } from "./vendor/preact.js";
import { CopyBox, Field } from "./parts.js";
import { reason, signInWithKey, signInWithPassword } from "./session.js";
import { useStore } from "./stores.js";
import { texts } from "./texts.js";

/** Ask for an API key, or for the password of a user. */
export function SignIn() {
  const why = useStore(reason);
  const [way, setWay] = useState("key");
  const [problem, setProblem] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    setProblem("");
    const read = (name) => String(new FormData(event.target).get(name) ?? "").trim();
    const tried = way === "key" ? signInWithKey(read("key")) : signInWithPassword(read("email"), read("password"));
    setProblem(await tried.catch(() => texts.errors.unreachable));
  };
  const shown = problem || why;
  const input = (name, type, more) => html`<${Field} id=${name} label=${texts.signIn[name]}>
    <input id=${name} name=${name} type=${type} autocomplete=${type === "email" ? "username" : "current-password"} required ...${more} />
  <//>`;
  return html`<main class="alone" id="content">
    <h1>${texts.product}</h1>
    <form class="sign-in" onSubmit=${submit}>
      <h2>${texts.signIn.title}</h2>
      <div class="choice" role="group" aria-label=${texts.signIn.title}>
        ${Object.entries(texts.signIn.ways).map(
          ([name, label]) => html`<button type="button" key=${name} class="button small" aria-pressed=${String(name === way)} onClick=${() => (setWay(name), setProblem(""))}>${label}</button>`,
        )}
      </div>
      <p>${way === "key" ? texts.signIn.intro : texts.signIn.aboutPassword}</p>
      ${shown && html`<p class="error" role="alert">${shown}</p>`}
      ${way === "key" ? input("key", "password", { autofocus: true }) : [input("email", "email"), input("password", "password")]}
      <button class="button primary" type="submit">${texts.signIn.submit}</button>
      <p class="soft">${texts.signIn.local}</p>
      <${CopyBox} text="pileus console --open" label=${texts.dialog.cli} />
    </form>
  </main>`;
}
