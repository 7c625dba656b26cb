// The editor of tags: it shows the merge patch that will be sent, and keeps what was typed when others change the tags.
import { html, useEffect, useState } from "./vendor/preact.js";
import { ApiError, get, send, waitForTask } from "./api.js";
import { obstacleTo } from "./caller.js";
import { TagRows } from "./forms.js";
import { applyPatch, findConflicts, makePatch } from "./merge_patch.js";
import { fillPath, pathOf, tagsOf } from "./nouns.js";
import { Button, CopyBox, ErrorBox, announce } from "./parts.js";
import { Samples } from "./samples.js";
import { texts } from "./texts.js";

function tagRowsOf(tags) {
  return Object.entries(tags).map(([key, value]) => ({ key, value }));
}

function tagsOfRows(rows) {
  return Object.fromEntries(rows.filter(({ key }) => key !== "").map(({ key, value }) => [key, value]));
}

/** The tab of tags. */
export function TagsTab({ noun, place, id, record, reload }) {
  const present = tagsOf(noun, record);
  const [base, setBase] = useState(present);
  const [rows, setRows] = useState(() => tagRowsOf(present));
  const [state, setState] = useState({ isSaving: false, error: null });
  const wanted = tagsOfRows(rows);
  const own = makePatch(base, wanted);
  const isEdited = Object.keys(own).length > 0;
  const presentText = JSON.stringify(present);
  // Others have changed the tags: take their changes over, unless the same tag was changed here.
  const conflicts = findConflicts(base, present, wanted);
  useEffect(() => {
    if (presentText === JSON.stringify(base) || conflicts.length > 0) return;
    setRows(tagRowsOf(applyPatch(present, own)));
    setBase(present);
  }, [presentText]);
  const patch = makePatch(present, applyPatch(present, own));
  const path = noun.patchPath ? fillPath(noun.patchPath, place, id) : pathOf(noun, place, id);
  const save = async () => {
    setState({ isSaving: true, error: null });
    try {
      const saved = await savePatch(noun, place, id, path, patch);
      setBase(tagsOf(noun, saved));
      setRows(tagRowsOf(tagsOf(noun, saved)));
      setState({ isSaving: false, error: null });
      announce(texts.tags.saved);
    } catch (error) {
      setState({ isSaving: false, error });
    }
    reload();
  };
  const keep = (theirs) => {
    setRows(tagRowsOf(theirs ? { ...applyPatch(present, own), ...pick(present, conflicts) } : applyPatch(present, own)));
    setBase(present);
  };
  const number = Object.keys(patch).length;
  return html`<div class="columns">
    <div>
      <${SystemTags} noun=${noun} record=${record} />
      <${TagRows} rows=${rows} onChange=${setRows} />
      ${conflicts.length > 0 && html`<${Conflict} ...${{ conflicts, present, wanted, keep }} />`}
      <${ErrorBox} error=${state.error} onRetry=${state.error && save} />
      ${state.error?.status === 409 && html`<p class="soft">${texts.tags.locked}</p>`}
      <footer class="actions">
        <${Button} kind="primary" reason=${obstacleTo("write") || (number === 0 ? texts.tags.unchanged : "")} disabled=${state.isSaving || conflicts.length > 0} onClick=${save}>
          ${texts.tags.save(number)}
        <//>
        ${isEdited && html`<${Button} onClick=${() => (setRows(tagRowsOf(present)), setBase(present))}>${texts.tags.discard}<//>`}
      </footer>
    </div>
    <div aria-live="polite">
      <h2>${texts.tags.patch}</h2>
      <${CopyBox} text=${`PATCH ${path}\n${JSON.stringify({ tags: patch }, null, 2)}`} label=${texts.tags.patch} />
      <h2>${texts.dialog.same}</h2>
      <${Samples} forms=${["cli", "python", "curl"]} sample=${sampleOf(noun, path, id, patch)} />
    </div>
  </div>`;
}

const pick = (tags, names) => Object.fromEntries(names.filter((name) => name in tags).map((name) => [name, tags[name]]));

async function savePatch(noun, place, id, path, patch) {
  const answer = await send("PATCH", path, { body: { tags: patch } });
  if (answer?.tasks?.[0]) {
    const task = await waitForTask(answer.tasks[0]);
    if (task.state === "ERROR") throw new ApiError(409, { message: task.error });
  }
  return answer?.tasks ? get(pathOf(noun, place, id)) : answer;
}

function sampleOf(noun, path, id, patch) {
  return {
    method: "PATCH", path, body: { tags: patch }, sdk: `${noun.sdk}.update`, cli: `${noun.word} update`, ids: { [noun.param]: id },
  };
}

function SystemTags({ noun, record }) {
  const system = (record[noun.tagsField] || []).filter((tag) => tag.read_only);
  if (!system.length) return null;
  return html`<p class="soft">${texts.tags.system}</p>
    <ul class="chips">
      ${system.map((tag) => html`<li key=${tag.key} class="chip">${tag.key}=${tag.value}</li>`)}
    </ul>`;
}

function Conflict({ conflicts, present, wanted, keep }) {
  const show = (tags, name) => (name in tags ? tags[name] : texts.tags.removed);
  return html`<div class="warning" role="alert">
    <p>${texts.tags.conflict}</p>
    <ul>
      ${conflicts.map(
        (name) => html`<li key=${name}><code>${name}</code>: ${texts.tags.theirs} <code>${show(present, name)}</code>, ${texts.tags.ours} <code>${show(wanted, name)}</code></li>`,
      )}
    </ul>
    <${Button} onClick=${() => keep(false)}>${texts.tags.keepOurs}<//>
    <${Button} onClick=${() => keep(true)}>${texts.tags.keepTheirs}<//>
  </div>`;
}
