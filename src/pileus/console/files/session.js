// Sign in and out. The key is in memory and in the storage of this tab, which no other origin reads, and in no cookie.
import { makeStore } from "./stores.js";

const STORED_KEY = "pileus-key";
const CHANNEL = new BroadcastChannel("pileus-session");
const PATIENCE = 150;

/** The key or token of the session; an empty text if nobody has signed in. */
export const key = makeStore(sessionStorage.getItem(STORED_KEY) || "");
/** Why the sign-in page is shown; empty at first. */
export const reason = makeStore("");

key.subscribe(() => {
  if (key.value) sessionStorage.setItem(STORED_KEY, key.value);
  else sessionStorage.removeItem(STORED_KEY);
});

// A new tab of the same origin takes over the session of another one.
CHANNEL.addEventListener("message", ({ data }) => {
  if (data.kind === "ask" && key.value) CHANNEL.postMessage({ kind: "answer", key: key.value });
  if (data.kind === "answer" && !key.value) key.set(data.key);
  if (data.kind === "end") key.set("");
});

/** Read the ticket in the address, and remove it from there; or ask the other tabs for their session. */
export async function resumeSession() {
  const ticket = new URLSearchParams(location.hash.slice(1)).get("ticket");
  if (ticket) {
    history.replaceState(null, "", location.pathname + location.search);
    await redeemTicket(ticket);
  }
  if (key.value) return;
  CHANNEL.postMessage({ kind: "ask" });
  await new Promise((resolve) => {
    const stop = key.subscribe(resolve);
    setTimeout(() => (stop(), resolve()), PATIENCE);
  });
}

async function redeemTicket(ticket) {
  const answer = await fetch("/ui/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ticket }),
    credentials: "omit",
  });
  const body = await answer.json();
  if (answer.ok) key.set(body.token);
  else reason.set(body.message);
}

/** Sign in with an API key. Returns whether the server accepts it. */
export async function signIn(text) {
  const answer = await fetch("/ui/session", { headers: { Authorization: authorization(text) }, credentials: "omit" });
  if (!answer.ok) return (await answer.json()).message;
  reason.set("");
  key.set(text);
  return "";
}

/** Sign out in all tabs. */
export function signOut(why = "") {
  reason.set(why);
  key.set("");
  CHANNEL.postMessage({ kind: "end" });
}

/** Return the header that authenticates a key, or the access token of a login. */
export function authorization(text) {
  return text.startsWith("access_") ? `Bearer ${text}` : `APIKey ${text}`;
}
