// The rule of JSON merge patch (RFC 7386) for tags, as the server applies it.

/**
 * Return the patch that makes `wanted` of `current`: changed and new keys with their values, removed ones with null.
 * @param {Record<string, string>} current
 * @param {Record<string, string>} wanted
 * @returns {Record<string, string | null>}
 */
export function makePatch(current, wanted) {
  const patch = {};
  for (const [name, value] of Object.entries(wanted)) {
    if (!Object.hasOwn(current, name) || current[name] !== value) patch[name] = value;
  }
  for (const name of Object.keys(current)) {
    if (!Object.hasOwn(wanted, name)) patch[name] = null;
  }
  return patch;
}

/**
 * Return the tags after a patch; a patch of null removes all.
 * @param {Record<string, string>} current
 * @param {Record<string, string | null> | null} patch
 */
export function applyPatch(current, patch) {
  if (patch === null) return {};
  const result = { ...current };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = value;
  }
  return result;
}

/**
 * Return the names that both the user and somebody else have changed since `base`, with different results.
 * @param {Record<string, string>} base
 * @param {Record<string, string>} theirs
 * @param {Record<string, string>} ours
 */
export function findConflicts(base, theirs, ours) {
  const names = new Set([...Object.keys(base), ...Object.keys(theirs), ...Object.keys(ours)]);
  const value = (tags, name) => (Object.hasOwn(tags, name) ? tags[name] : null);
  return [...names].filter((name) => {
    const [before, other, own] = [value(base, name), value(theirs, name), value(ours, name)];
    return other !== before && own !== before && other !== own;
  });
}
