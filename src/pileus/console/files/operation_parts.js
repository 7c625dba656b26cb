// What the tables of operations consist of: fields of forms, and the usual operations of a noun.
import { NOUNS } from "./nouns.js";

export const text = (name, isRequired = false) => ({ name, kind: "text", isRequired });
export const area = (name, isRequired = false) => ({ name, kind: "area", isRequired });
export const number = (name, initial) => ({ name, kind: "number", isRequired: true, initial: () => initial ?? "" });
export const optionalNumber = (name, more) => ({ name, kind: "number", ...more });
export const list = (name) => ({ name, kind: "list" });
export const flag = (name, initial = false) => ({ name, kind: "boolean", initial: () => initial });
export const select = (name, options, more) => ({ name, kind: "select", options, isRequired: true, ...more });
export const ref = (name, noun, more) => ({ name, kind: "ref", noun, isRequired: true, ...more });
export const suggested = (name, path) => ({ name, kind: "suggested", path });
export const refs = (name, noun, query) => ({ name, kind: "refs", noun, query });
export const tagsField = { name: "tags", kind: "tags" };
export const optional = { isRequired: false };
export const privateNetwork = { query: { external: "false" } };
export const priced = { query: { include_prices: "true" } };

/** Return a field that begins with the value of the record. */
export const current = (field, of = field.name) => ({ ...field, initial: (record) => record[of] ?? "" });

export const isStatus = (...names) => (record) => names.includes(record.status);

export const create = (word, fields, more) => ({
  name: "create", verb: "create", method: "POST", path: NOUNS[word].path, fields, isCreation: true, ...more,
});

/** Return an operation that posts to a path below that of a record. */
export const act = (word, name, verb, path, fields, more) => ({
  name, verb, method: "POST", path: `${NOUNS[word].path}/{id}/${path}`, fields, ...more,
});

export const update = (word, name, fields, more) => ({
  name, verb: "update", method: "PATCH", path: NOUNS[word].patchPath || `${NOUNS[word].path}/{id}`, fields, ...more,
});

export const rename = (word, more) => update(word, "rename", [current(text("name", true))], more);

export const remove = (word, more) => ({
  name: "delete", verb: "delete", method: "DELETE", path: `${NOUNS[word].path}/{id}`, isDangerous: true, sentIn: "query", ...more,
});

/** Return an operation that makes a record of a noun for another one, such as a snapshot of a volume. */
export const createFor = (word, name, fields, fixed, more) => ({
  ...create(word, fields, { sdk: `${NOUNS[word].sdk}.create`, command: NOUNS[word].word, ids: {}, fixed, terraform: NOUNS[word].terraform, ...more }),
  name, isCreation: false,
});
