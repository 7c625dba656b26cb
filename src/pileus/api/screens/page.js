// Shows a machine's screen. The ticket stands behind the address's #, which browsers keep to themselves.
import RFB from "/screens/static/novnc/core/rfb.js";

const state = document.getElementById("state");
const keys = document.getElementById("keys");
const again = document.getElementById("again");
const ticket = decodeURIComponent(window.location.hash.slice(1));
let screen = null;

function show(what, text) {
  state.dataset.state = what;
  state.textContent = text;
  keys.disabled = what !== "connected";
  again.hidden = what !== "ended";
}

function connect() {
  show("connecting", "connecting");
  const address = new URL("/screens/socket", window.location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  address.searchParams.set("ticket", ticket);
  let seen = false;
  screen = new RFB(document.getElementById("screen"), address.href, { wsProtocols: ["binary"] });
  screen.scaleViewport = true;
  screen.background = "#000";
  screen.addEventListener("connect", () => {
    seen = true;
    show("connected", "connected");
    screen.focus();
  });
  screen.addEventListener("disconnect", () => {
    const lost = "disconnected: the machine was turned off, or the server has stopped";
    const refused = "not connected: the machine is off, or this address has run out; ask for a new one (get_console)";
    show("ended", seen ? lost : refused);
  });
}

keys.addEventListener("click", () => screen.sendCtrlAltDel());
again.addEventListener("click", connect);
document.getElementById("full").addEventListener("click", () => document.documentElement.requestFullscreen());
if (ticket) {
  connect();
} else {
  show("ended", "this address is not complete: ask for a new one (get_console)");
}
