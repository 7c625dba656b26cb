// Columns and filters, of which the tables of nouns consist.

/** The beginning of paths in a project and a region. */
export const REGIONAL = "{project}/{region}";

export const column = (name, kind, more) => ({ name, kind, ...more });
export const hidden = (name, kind) => column(name, kind, { isHidden: true });
export const link = (name, noun, of) => column(name, "link", { noun, of });
export const filter = (name, kind = "text") => ({ name, kind });
export const choice = (name, ...options) => ({ name, kind: "select", options });

export const name = column("name", "self");
export const id = hidden("id", "code");
export const shownId = column("id", "code");
export const status = column("status", "status");
export const lifecycle = column("provisioning_status", "status");
export const health = column("operating_status", "status");
export const tagsColumn = column("tags", "tags");
export const newTags = column("tags_v2", "tags");
export const created = column("created_at", "time");
export const size = column("size", "size");
export const fixedAddress = column("fixed_ip_address", "code");
export const nameFilter = filter("name");
export const tagFilter = filter("tag_key_value", "tag");
export const STATES = choice("status", "ACTIVE", "BUILD", "ERROR", "PAUSED", "REBOOT", "RESIZE", "SHUTOFF", "SUSPENDED");
export const RECORD = ["overview", "history"];
export const TAGGED = ["overview", "tags", "history"];
