// Requests to the API, and whether the server answers.
import { authorization, currentSession, key, renewSession, signOut } from "./session.js";
import { makeStore } from "./stores.js";
import { texts } from "./texts.js";

const RETRY_SECONDS = 1;

/** Whether the server answers; the page says so when it does not. */
export const isOnline = makeStore(true);

/** An error that the API has answered: its status, its message, and the messages of single fields. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body?.message || `${texts.errors.status} ${status}`);
    this.status = status;
    this.fields = body?.invalid_fields || {};
    this.requestId = body?.request_id || "";
  }
}

/**
 * Send a request and return the decoded answer. Raises ApiError.
 * @param {string} method
 * @param {string} path
 * @param {object} [options] `query`, `body`, `signal`; `isAgain` if the token has been renewed
 */
export async function send(method, path, { query, body, signal, isAgain } = {}) {
  const isFile = body instanceof Blob;
  const used = key.value;
  const session = currentSession();
  const headers = { Authorization: authorization(used), Accept: "application/json" };
  if (body !== undefined && !isFile) headers["Content-Type"] = "application/json";
  const answer = await fetchOnline(path + queryText(query), {
    method,
    headers,
    signal,
    credentials: "omit",
    body: isFile ? body : JSON.stringify(body),
  });
  // A request of one user is neither sent again by the next one nor ends their session.
  const isRefused = () => answer.status === 401 && session === currentSession();
  if (isRefused() && !isAgain && (await renewSession(used))) {
    return send(method, path, { query, body, signal, isAgain: true });
  }
  if (answer.ok && answer.headers.get("content-type") === "application/gzip") return answer.blob();
  const text = await answer.text();
  const decoded = text && answer.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text;
  if (answer.ok) return decoded;
  if (isRefused()) signOut(decoded.message || texts.signIn.ended);
  throw new ApiError(answer.status, decoded);
}

export const get = (path, query, signal) => send("GET", path, { query, signal });

/** Send a read again until the server answers; tell at once that it does not. A change is sent once. */
async function fetchOnline(path, options) {
  for (;;) {
    try {
      const answer = await fetch(path, options);
      isOnline.set(true);
      return answer;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      isOnline.set(false);
      if (options.method !== "GET") throw new ApiError(0, { message: texts.errors.unreachable });
      await new Promise((resolve) => setTimeout(resolve, RETRY_SECONDS * 1000));
    }
  }
}

/** Return the text of a query, with its question mark; lists are repeated parameters, and empty values are left out. */
export function queryText(query = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const single of Array.isArray(value) ? value : [value]) {
      if (single !== undefined && single !== null && single !== "") parameters.append(name, String(single));
    }
  }
  const text = parameters.toString();
  return text ? `?${text}` : "";
}

/** Wait until a task ends, and return it. The server answers each read when the task ends, or after a short time. */
export async function waitForTask(taskId, onChange = () => {}) {
  for (;;) {
    const task = await get(`/cloud/v1/tasks/${taskId}`);
    onChange(task);
    if (task.state === "FINISHED" || task.state === "ERROR") return task;
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
}
