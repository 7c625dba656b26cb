// Sign in and out. The key is in memory and in the storage of this tab, which no other origin reads, and in no cookie.
import { makeStore } from "./stores.js";

const STORED_KEY = "pileus-key";
const STORED_REFRESH = "pileus-refresh";
const CHANNEL = new BroadcastChannel("pileus-session");
const PATIENCE = 150;

/** The key or token of the session; an empty text if nobody has signed in. */
export const key = makeStore(sessionStorage.getItem(STORED_KEY) || "");
/** Why the sign-in page is shown; empty at first. */
export const reason = makeStore("");

/** What renews the token of somebody who has signed in with a password. */
let refreshToken = sessionStorage.getItem(STORED_REFRESH) || "";

const loginOf = (refresh) => refresh.split("_")[1];

/** Return what stays the same while a session lasts: the id of a login, or else the key. Empty if nobody has signed in. */
export function currentSession() {
  return loginOf(refreshToken) || key.value;
}

/** Use a key, or the tokens of a login; empty texts end the session of this tab. */
function useKey(text, refresh = "") {
  refreshToken = refresh;
  for (const [name, value] of [[STORED_KEY, text], [STORED_REFRESH, refresh]]) {
    if (value) sessionStorage.setItem(name, value);
    else sessionStorage.removeItem(name);
  }
  key.set(text);
}

const tell = (kind) => CHANNEL.postMessage({ kind, key: key.value, refresh: refreshToken });

// A new tab of the same origin takes over the session of another one, and all tabs of a login use its latest tokens.
CHANNEL.addEventListener("message", ({ data }) => {
  if (data.kind === "ask" && key.value) tell("answer");
  const isNewer = data.kind === "renewed" && loginOf(data.refresh) === loginOf(refreshToken);
  if ((data.kind === "answer" && !key.value) || isNewer) useKey(data.key, data.refresh);
  if (data.kind === "end") useKey("");
});

/** Read the ticket in the address, and remove it from there; or ask the other tabs for their session. */
export async function resumeSession() {
  const ticket = new URLSearchParams(location.hash.slice(1)).get("ticket");
  if (ticket) {
    history.replaceState(null, "", location.pathname + location.search);
    const { body, problem } = await post("/ui/session", { ticket });
    if (problem) reason.set(problem);
    else useKey(body.token);
  }
  if (key.value) return;
  tell("ask");
  await new Promise((resolve) => {
    const stop = key.subscribe(resolve);
    setTimeout(() => (stop(), resolve()), PATIENCE);
  });
}

/** Send a request without a key. Returns the answer, or why it was refused. */
async function post(path, content) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(content), credentials: "omit" });
  const body = await answer.json();
  return answer.ok ? { body, problem: "" } : { problem: body.message };
}

/** Sign in with an API key. Returns why the server does not accept it. */
export async function signInWithKey(text) {
  const answer = await fetch("/ui/session", { headers: { Authorization: authorization(text) }, credentials: "omit" });
  if (!answer.ok) return (await answer.json()).message;
  reason.set("");
  useKey(text);
  return "";
}

/** Sign in with the e-mail address and the password of a user. Returns why the server does not accept them. */
export async function signInWithPassword(username, password) {
  const { body, problem } = await post("/iam/auth/jwt/login", { username, password });
  if (problem) return problem;
  reason.set("");
  useKey(body.access, body.refresh);
  return "";
}

let renewal = null;

/** Get new tokens for a login whose token was refused. Returns whether there are new ones; requests share one renewal. */
export function renewSession(refused) {
  if (!refreshToken) return Promise.resolve(false);
  if (key.value !== refused) return Promise.resolve(true);
  const session = currentSession();
  renewal ||= post("/iam/auth/jwt/refresh", { refresh: refreshToken })
    .then(({ body, problem }) => {
      // Somebody may have signed out, or another user in, in the meantime.
      if (problem || session !== currentSession()) return false;
      useKey(body.access, body.refresh);
      tell("renewed");
      return true;
    })
    .finally(() => (renewal = null));
  return renewal;
}

/** Sign out in all tabs. */
export function signOut(why = "") {
  reason.set(why);
  useKey("");
  tell("end");
}

/** Return the header that authenticates a key, or the access token of a login. */
export function authorization(text) {
  return text.startsWith("access_") ? `Bearer ${text}` : `APIKey ${text}`;
}
