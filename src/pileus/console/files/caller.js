// Who has signed in, and what the server lets them do. Roles hide nothing: what is not allowed has a reason.
import { makeStore } from "./stores.js";
import { texts } from "./texts.js";

/** The caller, as /ui/session describes it. */
export const caller = makeStore({
  email: "", role: "", client_id: 0, version: "", may_write: false, may_administer: false, may_operate: false,
  control_obstacle: "", is_simulated: false,
});

/** Return why the caller may not use an access; an empty text if they may. */
export function obstacleTo(access) {
  const who = caller.value;
  if (access === "write" && !who.may_write) return texts.dialog.reason.write(who.role);
  if (access === "administer" && !who.may_administer) return texts.dialog.reason.administer(who.role);
  if ((access === "operate" || access === "control") && !who.may_operate) return texts.dialog.reason.operate(who.role);
  return access === "control" ? who.control_obstacle : "";
}
