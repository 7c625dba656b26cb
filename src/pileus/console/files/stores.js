// Values that several parts of the page show, and the hooks that show them.
import { useEffect, useRef, useState } from "./vendor/preact.js";

/**
 * @template T
 * @typedef {{value: T, set: (value: T) => void, subscribe: (listener: () => void) => () => void}} Store
 */

/**
 * Make a value that calls its listeners when it changes.
 * @template T
 * @param {T} value
 * @returns {Store<T>}
 */
export function makeStore(value) {
  const listeners = new Set();
  return {
    get value() {
      return value;
    },
    set(next) {
      if (next === value) return;
      value = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Return the value of a store, and draw the component again when it changes. */
export function useStore(store) {
  const [, redraw] = useState(0);
  useEffect(() => store.subscribe(() => redraw((count) => count + 1)), [store]);
  return store.value;
}

/** Call a function after a time without further calls. */
export function debounced(delay, action) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), delay);
  };
}

/** Call a function repeatedly while the component is shown and the tab is visible. */
export function useInterval(seconds, action) {
  const latest = useRef(action);
  latest.current = action;
  useEffect(() => {
    if (!seconds) return undefined;
    const timer = setInterval(() => document.hidden || latest.current(), seconds * 1000);
    return () => clearInterval(timer);
  }, [seconds]);
}
