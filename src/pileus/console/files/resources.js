// Data of the API that a component shows, and keeps current.
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "./vendor/preact.js";
import { get } from "./api.js";
import { changes, isLive } from "./changes.js";
import { debounced, useInterval, useStore } from "./stores.js";

const TRANSITION_SECONDS = 3;
const POLL_SECONDS = 15;
const IDLE_SECONDS = 60;

/**
 * Load a resource, and load it again when the project changes. The data stays while it is loaded again.
 * @param {string | null} path null loads nothing
 * @param {object} [query]
 * @param {{isBusy?: (data: any) => boolean, follows?: boolean}} [options]
 */
export function useResource(path, query = {}, { isBusy, follows = true } = {}) {
  const request = path && path + JSON.stringify(query);
  const [state, setState] = useState({ request: null, data: null, error: null });
  const current = useRef(request);
  current.current = request;
  const load = useCallback(async () => {
    if (!path) return;
    try {
      const data = await get(path, query);
      if (current.current === request) setState({ request, data, error: null });
    } catch (error) {
      if (current.current === request) setState((last) => ({ ...last, request, error }));
    }
  }, [request]);
  // Before the browser paints, which takes longer than the answer.
  useLayoutEffect(() => void load(), [load]);
  useEffect(() => (follows ? changes.subscribe(debounced(250, load)) : undefined), [load, follows]);
  const live = useStore(isLive);
  const isInTransition = state.data !== null && isBusy?.(state.data);
  useInterval(follows && (isInTransition ? TRANSITION_SECONDS : live ? IDLE_SECONDS : POLL_SECONDS), load);
  const isCurrent = state.request === request;
  return { data: state.data, error: isCurrent ? state.error : null, isLoading: !isCurrent, reload: load };
}
