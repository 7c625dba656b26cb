// The same operation for other clients: the official SDK, the command line, Terraform and curl.
import { queryText } from "./api.js";
import { html, useState } from "./vendor/preact.js";
import { CopyBox } from "./parts.js";
import { texts } from "./texts.js";

/**
 * @typedef {object} Sample
 * @property {string} method
 * @property {string} path
 * @property {object} [query]
 * @property {object} [body]
 * @property {string} [sdk] the method of the SDK, below `client.cloud`
 * @property {string} [cli] the command after `pileus`
 * @property {Record<string, string>} [ids] the ids of the path, by parameter
 * @property {string} [terraform] the resource
 * @property {string[]} [options] the fields that the command has as options, if it is not that of a noun
 * @property {Record<string, string>} [aliases] what the SDK and the command call fields
 */

function quoteShell(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Return a value as Python writes it. */
export function python(value, indent = 4) {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map((item) => python(item, indent)).join(", ")}]`;
  if (typeof value === "object") {
    const items = Object.entries(value).filter(([, item]) => item !== undefined);
    return `{${items.map(([name, item]) => `${JSON.stringify(name)}: ${python(item, indent)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}

function hcl(value, indent = "  ") {
  if (Array.isArray(value)) return `[${value.map((item) => hcl(item, indent)).join(", ")}]`;
  if (value && typeof value === "object") {
    const items = Object.entries(value).filter(([, item]) => item !== undefined);
    const inner = items.map(([name, item]) => `${indent}  ${name} = ${hcl(item, `${indent}  `)}`);
    return inner.length ? `{\n${inner.join("\n")}\n${indent}}` : "{}";
  }
  // Terraform evaluates what stands in ${…} and %{…}.
  return JSON.stringify(value).replaceAll("${", "$$${").replaceAll("%{", "%%{");
}

/** Return a command line for curl; the place and the key are variables that `pileus env` sets. */
export function curlSample({ method, path, query, body }) {
  const url = `"$GCORE_BASE_URL"${quoteShell(path + queryText(query))}`;
  const lines = [`curl -X ${quoteShell(method)} ${url}`, `  -H "Authorization: APIKey $GCORE_API_KEY"`];
  if (body !== undefined) {
    lines.push("  -H 'Content-Type: application/json'", `  -d ${quoteShell(JSON.stringify(body))}`);
  }
  return lines.join(" \\\n");
}

function argumentsOf({ ids = {}, query = {}, body = {}, aliases = {} }) {
  const given = Object.entries({ ...ids, ...query, ...body }).filter(([, value]) => value !== "" && value !== undefined);
  return given.map(([name, value]) => [aliases[name] || name, value]);
}

/** Return a program for the official SDK, which reads key and place from its variables. */
export function pythonSample(sample) {
  if (!sample.sdk) return texts.dialog.noSdk;
  const values = argumentsOf(sample).map(([name, value]) => `    ${name.replaceAll("-", "_")}=${python(value)},`);
  const call = values.length ? `(\n${values.join("\n")}\n)` : "()";
  return `from gcore import Gcore\n\nclient = Gcore()\nclient.cloud.${sample.sdk}${call}`;
}

function commandValues(name, value) {
  const option = `--${name.replaceAll("_", "-")}`;
  if (value === true) return [option];
  if (value === false) return [option.replace("--", "--no-")];
  if (Array.isArray(value)) return value.flatMap((item) => commandValues(name, item));
  if (value && typeof value === "object") {
    const isMap = name === "tags";
    const pairs = Object.entries(value).filter(([, item]) => item !== undefined);
    const texts_ = pairs.map(([key, item]) => (item === null ? `${key}-` : `${key}=${commandText(item)}`));
    return isMap ? texts_.map((text) => `${option} ${quoteShell(text)}`) : [`${option} ${quoteShell(texts_.join(","))}`];
  }
  return [`${option} ${quoteShell(String(value))}`];
}

function commandText(value) {
  return value !== null && typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Return a command line of `pileus`. */
export function commandSample(sample) {
  if (!sample.cli) return texts.dialog.noCommand;
  const { ids = {}, options: names } = sample;
  if (names) {
    const given = argumentsOf(sample).filter(([name]) => names.includes(name));
    return ["pileus", sample.cli.trim(), ...given.flatMap(([name, value]) => commandValues(name, value))].join(" ");
  }
  const [first, ...otherIds] = Object.entries(ids);
  const positional = first ? [quoteShell(first[1])] : [];
  const others = Object.fromEntries(otherIds);
  // A command has the action in its name.
  const given = argumentsOf({ ...sample, ids: others }).filter(([name, value]) => !(name === "action" && sample.cli.endsWith(` ${value.replaceAll?.("_", "-")}`)));
  const options = given.flatMap(([name, value]) => commandValues(name, value));
  return ["pileus", sample.cli, ...positional, ...options].join(" ");
}

/** Return a resource of Terraform with the fields of a request that creates one. */
export function terraformSample(sample) {
  if (!sample.terraform) return texts.dialog.noTerraform;
  const label = String(sample.body?.name || "this").replaceAll(/[^\w-]/g, "_");
  const fields = Object.entries({ project_id: "", region_id: "", ...sample.ids, ...sample.body })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => {
      const place = { project_id: "var.project_id", region_id: "var.region_id" }[name];
      return `  ${name} = ${place || hcl(value)}`;
    });
  return `resource "${sample.terraform}" "${label}" {\n${fields.join("\n")}\n}`;
}

const FORMS = { cli: commandSample, python: pythonSample, terraform: terraformSample, curl: curlSample };

/** Show an operation in all forms, one at a time. @param {{sample: Sample, forms?: string[]}} props */
export function Samples({ sample, forms = Object.keys(FORMS) }) {
  const [form, setForm] = useState(forms[0]);
  return html`<div class="samples">
    <div class="choice" role="group" aria-label=${texts.dialog.same}>
      ${forms.map(
        (name) => html`<button
          key=${name}
          type="button"
          class="button small"
          aria-pressed=${String(name === form)}
          onClick=${() => setForm(name)}
        >
          ${texts.dialog[name]}
        </button>`,
      )}
    </div>
    <${CopyBox} text=${FORMS[form](sample)} label=${`${texts.dialog.same}: ${texts.dialog[form]}`} />
  </div>`;
}
