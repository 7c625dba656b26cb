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
 * @property {string[]} [fixed] fields that the SDK and the command have in their names
 */

const PLACE = { project: "$GCORE_CLOUD_PROJECT_ID", region: "$GCORE_CLOUD_REGION_ID" };

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
    return `{${Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${python(item, indent)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}

function hcl(value, indent = "  ") {
  if (Array.isArray(value)) return `[${value.map((item) => hcl(item, indent)).join(", ")}]`;
  if (value && typeof value === "object") {
    const inner = Object.entries(value).map(([name, item]) => `${indent}  ${name} = ${hcl(item, `${indent}  `)}`);
    return inner.length ? `{\n${inner.join("\n")}\n${indent}}` : "{}";
  }
  return JSON.stringify(value);
}

/** Return a command line for curl; the place and the key are variables that `pileus env` sets. */
export function curlSample({ method, path, query, body }) {
  const url = `$GCORE_BASE_URL${path}${queryText(query)}`;
  const lines = [`curl -X ${method} "${url}"`, `  -H "Authorization: APIKey $GCORE_API_KEY"`];
  if (body !== undefined) {
    lines.push("  -H 'Content-Type: application/json'", `  -d ${quoteShell(JSON.stringify(body))}`);
  }
  return lines.join(" \\\n");
}

function argumentsOf({ ids = {}, query = {}, body = {}, fixed = [] }) {
  const given = { ...ids, ...query, ...body };
  return Object.entries(given).filter(([name, value]) => !fixed.includes(name) && value !== "" && value !== undefined);
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
  const { ids = {} } = sample;
  const [first, ...otherIds] = Object.entries(ids);
  const positional = first ? [quoteShell(first[1])] : [];
  const others = Object.fromEntries(otherIds);
  const options = argumentsOf({ ...sample, ids: others }).flatMap(([name, value]) => commandValues(name, value));
  return ["pileus", sample.cli, ...positional, ...options].join(" ");
}

/** Return a resource of Terraform with the fields of a request that creates one. */
export function terraformSample(sample) {
  if (!sample.terraform) return texts.dialog.noTerraform;
  const label = String(sample.body?.name || "this").replaceAll(/[^\w-]/g, "_");
  const fields = Object.entries({ project_id: "", region_id: "", ...sample.body })
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
