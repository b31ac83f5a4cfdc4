//  The page of one broker.  All that is shown is what /api/v1 tells (zbroker-api(7)); names are put in as text, never as HTML.
"use strict";

const EVERY = 1000;       //  ms between two looks
const PAGE = 50;          //  queues in a page
const MESSAGES = 20;      //  messages, and
const EVENTS = 200;       //  events that are shown
const KEPT = 120;         //  points of the chart,
const DEPTHS = 60;        //  and of a queue's, a point each other look
const SVG = "http://www.w3.org/2000/svg";
const RATES = [["messages_in", "stored", "#2563eb"], ["messages_out", "delivered", "#d97706"], ["acked", "acknowledged", "#059669"]];

const at = id => document.getElementById(id);
const state = {pair: null, heard: 0, after: [""], next: null, pattern: "", points: [], last: null, listed: 0, listing: false,
               depths: new Map(), sort: "name", queue: null, messages: [], message: ["first"], behind: null, client: [""], clients: null, events: []};

function element(name, text, kind) {
  const one = document.createElement(name);
  one.textContent = text ?? "";
  if (kind) one.className = kind;
  return one;
}

async function ask(path, said) {
  const options = said === undefined ? {} : {
    method: "POST", body: JSON.stringify(said), headers: {"Content-Type": "application/json", "X-Zbroker": "1"}};
  const answer = await fetch("/api/v1/" + path, options);
  const object = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(object.text || "error " + answer.status), {code: answer.status});
  return object;
}

const bytes = n => n == null ? "not known" : n >= 2 ** 30 ? (n / 2 ** 30).toFixed(1) + " GiB" : (n / 2 ** 20).toFixed(1) + " MiB";

function span(ms) {
  const s = Math.floor(ms / 1000);
  if (s < 120) return s + " s";
  if (s < 7200) return Math.floor(s / 60) + " min";
  return s < 172800 ? Math.floor(s / 3600) + " h" : Math.floor(s / 86400) + " days";
}

//  --- The pair ---------------------------------------------------------------------------------------------------

function facts(status) {
  const resync = status.resync && (status.resync.total ? Math.floor(100 * status.resync.done / status.resync.total) + " %" : "begins");
  return [["answers", status.role === "active" ? (status.level === "hold" ? "nothing now" : "OK " + status.level) : null],
          ["why", status.why], ["for", span(status.since_ms)],
          ["alone", status.alone ? "yes: the other disk lacks what was stored since" : null], ["catches up", resync],
          ["lag", status.peer && status.peer.lag ? status.peer.lag + " commits, " + span(status.peer.lag_ms) : null],
          ["disk", bytes(status.disk.free) + " free" + (status.disk.full ? ": FULL, producers are refused" : "")],
          ["clients", status.sessions + " in " + status.connections + " connections"],
          ["up", span(status.uptime_ms) + ", version " + status.version]];
}

function showBroker(where, name, endpoint, status, here) {
  const box = at(where);
  box.className = "broker " + (status ? status.role : "gone");
  box.replaceChildren(element("h3", name + (here ? " (this machine)" : "")), element("div", endpoint, "soft"));
  box.append(element("strong", status ? status.role : "does not answer", status ? (status.role === "active" ? "good" : "") : "bad"));
  if (!status) return;
  const list = element("dl");
  for (const [word, text] of facts(status)) if (text) list.append(element("dt", word), element("dd", text));
  box.append(list);
}

function showLink(here) {
  const peer = here.peer;
  const kind = here.in_sync ? "good" : peer && peer.heard ? "care" : "bad";
  at("link").className = kind;
  at("link-text").textContent = here.in_sync ? "in sync" : !peer ? "" : peer.heard ? "not in sync" :
    "silent" + (peer.silent_ms == null ? "" : " for " + span(peer.silent_ms));
}

function showPair(pair) {
  const here = pair.here;
  const there = pair.there && pair.there_age_ms < 3000 && (!here.peer || here.peer.heard) ? pair.there : null;
  const backup = pair.node === "backup";
  at("pair-name").textContent = pair.pair;
  document.title = (here.in_sync ? "in sync" : here.role) + " – zbroker " + pair.node;
  showBroker(backup ? "right" : "left", pair.node, pair.endpoint, here, true);
  at(backup ? "left" : "right").hidden = at("link").hidden = !pair.other;
  if (pair.other) showBroker(backup ? "left" : "right", backup ? "primary" : "backup", pair.other, there, false);
  showLink(here);
  const words = {"yes": ["Yes.", "good"], "after-switchover": ["Yes, after a switchover.", "care"], "no": ["No.", "bad"]};
  const [word, kind] = words[pair.switch_off.may] || ["No.", "bad"];
  at("may").textContent = word;
  at("may").className = kind;
  at("may-why").textContent = pair.switch_off.why;
  const texts = [...here.way_out, ...(there ? there.way_out : [])].map(way => way.why + ": " + way.text);
  at("ways-out").replaceChildren(...[...new Set(texts)].map(text => element("li", text, "bad")));
  at("who").textContent = pair.login || (pair.logins ? "" : "read only: no login is configured");
  at("log-in").hidden = !pair.logins || !!pair.login;
  at("log-out").hidden = at("create").hidden = !pair.login;
  at("switchover").hidden = !pair.login || !here.in_sync;
}

//  --- The chart --------------------------------------------------------------------------------------------------

//  Of whoever is active: the passive broker stores nothing for clients.
function takePoint(pair) {
  const active = pair.here.role === "active" ? pair.here : pair.there && pair.there.role === "active" ? pair.there : null;
  const last = state.last;
  state.last = active;
  if (!active || !last || active.pid !== last.pid || active.uptime_ms <= last.uptime_ms) return;
  const seconds = (active.uptime_ms - last.uptime_ms) / 1000;
  state.points.push(RATES.map(([name]) => Math.max(0, (active[name] - last[name]) / seconds)));
  if (state.points.length > KEPT) state.points.shift();
}

function drawRates() {
  const canvas = at("rates"), pen = canvas.getContext("2d");
  const most = Math.max(1, ...state.points.flat());
  const style = getComputedStyle(document.body);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = style.color;
  pen.font = "14px system-ui";
  pen.fillText(Math.ceil(most) + "/s", 4, 16);
  RATES.forEach(([, , colour], line) => {
    pen.strokeStyle = colour;
    pen.lineWidth = 2;
    pen.beginPath();
    state.points.forEach((point, index) => pen.lineTo(canvas.width * (KEPT - state.points.length + index) / (KEPT - 1),
                                                      canvas.height - 4 - (canvas.height - 28) * point[line] / most));
    pen.stroke();
  });
  const now = state.points.at(-1) || RATES.map(() => 0);
  at("legend").replaceChildren(...RATES.map(([, word, colour], line) => {
    const one = element("span", word + " " + Math.round(now[line]) + "/s");
    one.style.color = colour;
    return one;
  }));
}

//  --- Queues -----------------------------------------------------------------------------------------------------

function button(text, label, act) {
  const one = element("button", text);
  one.setAttribute("aria-label", label);
  one.addEventListener("click", act);
  return one;
}

//  How many messages there were at each look; of the queues that are shown now, so that it stays small.
function takeDepths(queues) {
  const depths = new Map();
  for (const queue of queues) depths.set(queue.name, [...(state.depths.get(queue.name) || []), queue.messages].slice(-DEPTHS));
  state.depths = depths;
}

function depthChart(queue) {
  const svg = document.createElementNS(SVG, "svg"), line = document.createElementNS(SVG, "polyline"), title = document.createElementNS(SVG, "title");
  const points = state.depths.get(queue.name), most = Math.max(1, ...points), least = Math.min(...points);
  svg.setAttribute("viewBox", "0 0 " + (DEPTHS - 1) + " 20");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  title.textContent = "Messages of " + queue.name + " since this page shows it: " + least + " to " + Math.max(...points);
  line.setAttribute("points", points.map((count, index) => (DEPTHS - points.length + index) + "," + (19 - 18 * count / most)).join(" "));
  svg.append(title, line);
  return svg;
}

function row(queue, may) {
  const line = element("tr");
  const most = queue["max-messages"];
  const depth = element("td"), name = element("td", queue.name);
  if (queue.kind && queue.kind !== "queue") name.append(element("span", " " + queue.kind, "soft"));
  depth.append(depthChart(queue));
  line.append(name, element("td", queue.messages), depth, element("td", queue.leased), element("td", queue.waiting),
              element("td", queue.lease == null ? "–" : span(queue.lease)), element("td", most && most !== "0" ? most : "no limit"));
  const acts = element("td");
  if (queue.kind !== "topic") acts.append(button("Messages", "Messages of " + queue.name, () => peek(queue.name)));
  if (may && queue.kind !== "topic") acts.append(button("Move…", "Move messages of " + queue.name, () => move(queue.name)));
  if (may && (!queue.kind || queue.kind === "queue"))
    acts.append(button("Edit…", "Edit " + queue.name, () => edit(queue)),
                button("Purge…", "Purge " + queue.name, () => destroy("purge", queue)),
                button("Delete…", "Delete " + queue.name, () => destroy("delete", queue)));
  line.append(acts);
  return line;
}

async function list() {
  const pair = state.pair;
  const serves = pair && [pair.here, pair.there].some(one => one && one.role === "active" && one.level !== "hold");
  const locked = pair && pair.keys && !pair.login;
  const why = !pair || !serves ? "No broker serves now." : locked ? "Log in to see the queues." : "";
  at("queues-why").textContent = why;
  at("queues-why").hidden = !why;
  if (why || state.listing) return;
  state.listing = true;
  try {
    const query = new URLSearchParams({max: PAGE, pattern: state.pattern, after: state.after.at(-1), sort: state.sort});
    const page = await ask("queues?" + query);
    state.next = page.next;
    state.listed = Date.now();
    takeDepths(page.queues);
    at("queues").tBodies[0].replaceChildren(...page.queues.map(queue => row(queue, !!pair.login)));
  } catch (error) {
    at("queues-why").textContent = error.message;
    at("queues-why").hidden = false;
  }
  state.listing = false;
  at("next").disabled = !state.next;
  at("first").disabled = state.after.length === 1;
}

//  --- Messages ---------------------------------------------------------------------------------------------------

//  Asks for what a part of the page shows, and says there what is wrong.
async function fill(where, path, show) {
  const why = at(where + "-why");
  try {
    show(await ask(path));
    why.hidden = true;
  } catch (error) {
    why.textContent = error.message;
    why.hidden = false;
  }
}

const octets = message => message.body_base64 === undefined ? new TextEncoder().encode(message.body) :
  Uint8Array.from(atob(message.body_base64), one => one.charCodeAt(0));

function bodyText(message, as) {
  if (as === "hex" || message.body === undefined) return [...octets(message)].map(one => one.toString(16).padStart(2, "0")).join(" ");
  if (as !== "JSON") return message.body;
  try {
    return JSON.stringify(JSON.parse(message.body), null, 2);
  } catch {
    return message.body;
  }
}

function stateText(message) {
  const until = message.until ? " until " + new Date(Number(message.until)).toLocaleTimeString() : "";
  return message.state + (message.by ? " by " + message.by : "") + until;
}

function showMessages() {
  const as = at("body-as").value;
  at("messages").tBodies[0].replaceChildren(...state.messages.map(message => {
    const line = element("tr"), body = element("td");
    body.append(element("pre", bodyText(message, as)));
    if (message.cut) body.append(element("div", "the first " + bytes(65536) + " of " + bytes(message.size), "soft"));
    line.append(body, element("td", stateText(message)), element("td", message.deliveries),
                element("td", message.properties.map(([name, value]) => name + "=" + value).join("\n")), element("td", message.id));
    return line;
  }));
}

function lookInto() {
  const query = new URLSearchParams({queue: state.queue, after: state.message.at(-1), max: MESSAGES});
  return fill("peek", "messages?" + query, page => {
    state.messages = page.messages;
    state.behind = page.next;
    at("peek-next").disabled = !page.next;
    at("peek-first").disabled = state.message.length === 1;
    showMessages();
  });
}

function peek(queue) {
  state.queue = queue;
  state.message = ["first"];
  state.messages = [];
  at("peek").hidden = false;
  at("peek-queue").textContent = queue;
  showMessages();
  at("peek").scrollIntoView();
  return lookInto();
}

at("body-as").addEventListener("change", showMessages);
at("peek-first").addEventListener("click", () => { state.message = ["first"]; lookInto(); });
at("peek-next").addEventListener("click", () => { if (state.behind) { state.message.push(state.behind); lookInto(); } });
at("peek-close").addEventListener("click", () => { state.queue = null; at("peek").hidden = true; });

//  --- Clients and events -----------------------------------------------------------------------------------------

function clientRow(client) {
  const line = element("tr");
  line.append(...[client.name ?? "#" + client.client, client.principal, client.address, span(client.since_ms), span(client.silent_ms),
                  client.gets, client.leased, client.puts].map(text => element("td", text ?? "–")));
  if (client.gone) line.className = "soft";
  return line;
}

function lookAtClients() {
  const query = new URLSearchParams({pattern: at("clients-pattern").value, after: state.client.at(-1)});
  return fill("clients", "clients?" + query, page => {
    state.clients = page.next;
    at("clients-next").disabled = page.next === null;
    at("clients-first").disabled = state.client.length === 1;
    at("clients").tBodies[0].replaceChildren(...page.clients.map(clientRow));
  });
}

function eventLine(event) {
  const line = element("li"), who = [event.principal, event.address].filter(Boolean).join(" at ");
  line.append(element("time", new Date(event.time).toLocaleString()), element("span", event.kind, "kind"),
              element("span", event.text + (who ? " (" + who + ")" : "") + (event.left_out ? ", and " + event.left_out + " more before it" : "")));
  return line;
}

//  The newest first.
function lookAtEvents() {
  const last = state.events.at(-1);
  return fill("events", "events" + (last ? "?after=" + last.id : ""), page => {
    if (last && page.missed) state.events = [];
    if (page.events.length === 0 && last) return;
    state.events = [...state.events, ...page.events].slice(-EVENTS);
    at("events").replaceChildren(...state.events.toReversed().map(eventLine));
  });
}

at("clients-search").addEventListener("submit", event => {
  event.preventDefault();
  state.client = [""];
  lookAtClients();
});
at("clients-first").addEventListener("click", () => { state.client = [""]; lookAtClients(); });
at("clients-next").addEventListener("click", () => { if (state.clients) { state.client.push(state.clients); lookAtClients(); } });
at("clients-box").addEventListener("toggle", () => { if (at("clients-box").open) lookAtClients(); });
at("events-box").addEventListener("toggle", () => { if (at("events-box").open) lookAtEvents(); });

//  --- What asks again --------------------------------------------------------------------------------------------

//  A dialog with fields: {label, name, type, value}.  `act` gets their values; what it throws is shown and can be mended.
function dialog(title, text, word, fields, act) {
  at("ask-title").textContent = title;
  at("ask-text").textContent = text;
  at("ask-error").textContent = "";
  at("ask-do").textContent = word;
  at("ask-fields").replaceChildren(...fields.map(field => {
    const label = element("label", field.label), input = element("input");
    input.name = field.name;
    input.type = field.type || "text";
    input.value = field.value ?? "";
    input.autocomplete = "off";
    label.append(input);
    return label;
  }));
  at("ask-do").onclick = async event => {
    event.preventDefault();
    const values = Object.fromEntries([...at("ask-fields").querySelectorAll("input")].map(input => [input.name, input.value]));
    at("ask-do").disabled = true;
    at("ask-error").textContent = "";
    try {
      await act(values);
      at("ask").close();
      await look();
      await list();
    } catch (error) {
      at("ask-error").textContent = error.message;
    }
    at("ask-do").disabled = false;
  };
  at("ask").showModal();
}

function typed(values, what) {
  if (values.confirm !== what) throw new Error("That is not " + what + ".");
}

function destroy(what, queue) {
  const count = queue.messages === 1 ? "1 message" : queue.messages + " messages";
  dialog((what === "purge" ? "Purge " : "Delete ") + queue.name,
         (what === "purge" ? "All its messages are deleted: " : "The queue is deleted, with all its messages: ") + count +
         ". There is no way back.", what === "purge" ? "Purge" : "Delete",
         [{label: "Type the queue's name", name: "confirm"}], values => {
           typed(values, queue.name);
           return ask(what, {queue: queue.name, confirm: values.confirm});
         });
}

//  Step by step, and never what comes later than now.
async function moveAll(queue, to, most) {
  const {ok: [, , last]} = await ask("move", {queue, to, last: "", max: 0});
  for (let left = most; left > 0;) {
    const {ok: [, count]} = await ask("move", {queue, to, last, max: Math.min(left, 1000)});
    if (count === "0") return;
    left -= Number(count);
  }
}

function move(queue) {
  dialog("Move messages of " + queue, "The oldest first, of those that are there now; what a consumer has stays. Dead letters become what they were.",
         "Move", [{label: "To the queue", name: "to", value: queue.endsWith(".dead") ? queue.slice(0, -5) : ""},
                  {label: "Messages at most; empty: all", name: "most"}], values => {
           if (!/^\d*$/.test(values.most)) throw new Error("That is not a number.");
           return moveAll(queue, values.to, values.most === "" ? Infinity : Number(values.most));
         });
}

function edit(queue) {
  const fields = queue ? [] : [{label: "Name", name: "queue"}];
  fields.push({label: "Lease, ms: then a delivered message goes to others", name: "lease", value: queue ? queue.lease : ""},
              {label: "Messages at most; 0 = no limit", name: "max-messages", value: queue ? queue["max-messages"] : ""},
              {label: "Tries until a message goes to the dead letters; 0 = no limit", name: "max-deliveries",
               value: queue ? queue["max-deliveries"] || "" : ""});
  dialog(queue ? "Edit " + queue.name : "New queue", "What is left empty stays as it is.", queue ? "Save" : "Create", fields, values => {
    const {queue: name, ...options} = values;
    for (const option of Object.keys(options)) if (options[option] === "") delete options[option];
    return ask("queue", {queue: queue ? queue.name : name, options});
  });
}

at("create").addEventListener("click", () => edit(null));
at("switchover").addEventListener("click", () => dialog(
  "Hand the role over", "The active broker finishes what it has taken, and the other one leads. Clients wait for a moment.", "Hand over",
  [{label: "Type the word switchover", name: "confirm"}], values => {
    typed(values, "switchover");
    return ask("switchover", {confirm: values.confirm});
  }));
at("log-in").addEventListener("click", () => dialog("Log in", "", "Log in",
  [{label: "Name", name: "name"}, {label: "Password", name: "password", type: "password"}], values => ask("login", values)));
at("log-out").addEventListener("click", async () => {
  await ask("logout", {});
  location.reload();
});
at("search").addEventListener("submit", event => {
  event.preventDefault();
  state.pattern = at("pattern").value;
  state.after = [""];
  list();
});
//  By another column: from its beginning.
for (const head of document.querySelectorAll("#queues button[data-sort]")) head.addEventListener("click", () => {
  state.sort = head.dataset.sort;
  state.after = [""];
  for (const other of document.querySelectorAll("#queues button[data-sort]"))
    other.closest("th").setAttribute("aria-sort", other !== head ? "none" : state.sort === "name" ? "ascending" : "descending");
  list();
});
at("first").addEventListener("click", () => { state.after = [""]; list(); });
at("next").addEventListener("click", () => { if (state.next) { state.after.push(state.next); list(); } });

//  --- Each second ------------------------------------------------------------------------------------------------

//  Beyond the broker's machine who has not logged in sees nothing.
function lock() {
  //  What was seen before is gone with the document.
  if (state.pair) return location.reload();
  document.querySelector("main").hidden = true;
  at("who").textContent = "Log in to see this broker.";
  at("log-in").hidden = false;
  at("log-out").hidden = true;
}

async function look() {
  try {
    const pair = await ask("pair");
    //  With keys a login shows more than none does.
    if (state.pair && state.pair.login && pair.keys && !pair.login) return location.reload();
    state.pair = pair;
    state.heard = Date.now();
    showPair(state.pair);
    takePoint(state.pair);
    drawRates();
    at("stale").hidden = true;
    document.querySelector("main").hidden = false;
  } catch (error) {
    const locked = error.code === 401;
    at("stale").hidden = locked;
    if (locked) return lock();
    at("stale").textContent = "This broker does not answer" + (state.heard ? " since " + span(Date.now() - state.heard) : "") +
      ". What is below is old. Look at the other broker's page.";
  }
}

async function run() {
  await look();
  if (!at("ask").open && Date.now() - state.listed >= 2 * EVERY) {
    await list();
    if (state.queue !== null) await lookInto();
    if (at("clients-box").open) await lookAtClients();
    if (at("events-box").open) await lookAtEvents();
  }
  setTimeout(run, EVERY);
}
run();
