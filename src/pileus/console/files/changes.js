// The stream of the project's changes: whoever shows something loads it again when something has changed.
import { authorization, currentSession, key, renewSession } from "./session.js";
import { makeStore } from "./stores.js";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15000;

/** Whether changes arrive by the stream; without it, lists are polled. */
export const isLive = makeStore(false);

const listeners = new Set();

/** The changes: `subscribe` calls a listener with each one, and with null if some may have been missed. */
export const changes = {
  subscribe(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  publish(change) {
    for (const listener of [...listeners]) listener(change);
  },
};

let lastId = "";
let followedSession = "";

/** Read the stream for as long as somebody is signed in; begin again where it broke off, in the same session. */
export async function followChanges() {
  let pause = FIRST_PAUSE;
  for (;;) {
    if (!key.value) await nextKey();
    // A stream of a key that is used no longer would deliver the changes of another tenant.
    const ending = new AbortController();
    const stop = key.subscribe(() => ending.abort());
    try {
      const used = key.value;
      const answer = await openStream(ending.signal);
      if (answer.status === 401) await renewSession(used);
      if (answer.ok) {
        isLive.set(true);
        pause = FIRST_PAUSE;
        await readEvents(answer.body, (event) => ending.signal.aborted || handleEvent(event));
      }
    } catch {
      // The connection broke, or there is none: it is opened again after a pause.
    }
    stop();
    isLive.set(false);
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  }
}

function nextKey() {
  return new Promise((resolve) => {
    const stop = key.subscribe(() => key.value && (stop(), resolve()));
  });
}

function openStream(signal) {
  if (followedSession !== currentSession()) lastId = "";
  followedSession = currentSession();
  const headers = { Authorization: authorization(key.value), Accept: "text/event-stream" };
  if (lastId) headers["Last-Event-ID"] = lastId;
  return fetch("/ui/changes", { headers, signal, credentials: "omit", cache: "no-store" });
}

function handleEvent(event) {
  if (event.id) lastId = event.id;
  if (event.name === "change" || event.name === "task") changes.publish({ kind: event.name, ...JSON.parse(event.data) });
  if (event.name === "missed") changes.publish(null);
}

/** Read server-sent events from a body, and call `handle` with each one. */
export async function readEvents(body, handle) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer = (buffer + value).replaceAll("\r\n", "\n");
    const blocks = buffer.split("\n\n");
    buffer = blocks.pop() || "";
    for (const block of blocks) handle(parseEvent(block));
  }
}

/** Parse one event. */
export function parseEvent(block) {
  const event = { name: "message", id: "", data: "" };
  for (const line of block.split("\n")) {
    const [field, ...rest] = line.split(":");
    const value = rest.join(":").replace(/^ /, "");
    if (field === "event") event.name = value;
    else if (field === "id") event.id = value;
    else if (field === "data") event.data += event.data ? `\n${value}` : value;
  }
  return event;
}
