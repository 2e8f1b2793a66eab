// Reads a run, and knows its state at any moment. Each line of #events is an array:
//   ["i", {program, virtual}]                 about the run
//   ["L", file, line, first?, [source…]?]     a place; numbered in their order
//   ["W", text]                               why somebody waits; likewise
//   ["s", at, who, by, place, name]           spawned; by -1 the run, -2 a timer, -3 a thread, -4 a descriptor
//   ["b", at, who, ready]                     its step begins, others are ready
//   ["y", at, who, place?] ["p", at, who, why, place, holders?] ["n", at, who]
//                                             it ends: with a yield, a wait, or no stack
//   ["w", at, who, by, interrupted]           woken
//   ["e", at, who, how] ["d", at, who]        ended; its last step is over
//   ["t", at, who, expires]                   a timer is due
//   ["z", at] ["a", at] ["k", at]             the thread sleeps, awakes; deadlock
//   ["x", count] ["f", events, missing]       missing here; the end of the file

const $ = (id) => document.getElementById(id);
const GONE = 0, RUN = 1, READY = 2, WAIT = 3;
const EVERY = 2048; // events between two states that are kept

function read(text) {
  const end = text.lastIndexOf("\n"); // what follows is not a whole line
  const lines = text.slice(0, Math.max(end, 0)).trim().replaceAll("\n", ",");
  const t = { events: [], lanes: [], places: [], reasons: [], about: {}, missing: 0, steps: 0, whole: false };
  const numbers = new Map();
  const lane = (id, name, place) => {
    let index = numbers.get(id);
    if (index === undefined) {
      index = t.lanes.length;
      numbers.set(id, index);
      t.lanes.push({ id, name: name || "", place, hue: Math.round((index * 137.508) % 360), own: [] });
    }
    return index;
  };
  let last = 0;
  for (const line of JSON.parse("[" + lines + "]")) {
    const [kind, at, id, a, b, c] = line;
    switch (kind) {
      case "i": t.about = at; continue;
      case "L": t.places.push({ file: at, line: id, first: a, source: b }); continue;
      case "W": t.reasons.push(at); continue;
      case "f": t.whole = true; t.missing = Math.max(t.missing, id); continue;
      case "x": t.missing += at; t.events.push({ kind, at: last, who: -1, count: at }); continue;
    }
    const event = { kind, at, who: id === undefined ? -1 : lane(id, kind === "s" ? c : "", kind === "s" ? b : undefined) };
    last = at;
    if (kind === "s") { event.by = a > 0 ? lane(a) : a; event.place = b; }
    if (kind === "w") { event.by = a > 0 ? lane(a) : a; event.interrupted = b === 1; }
    if (kind === "b") { event.ready = a; t.steps++; }
    if (kind === "y") event.place = a;
    if (kind === "p") { event.why = a; event.place = b; event.held = c; }
    if (kind === "e") event.how = a;
    if (kind === "t") event.expires = a === 1;
    if ("sbypnwed".includes(kind)) t.lanes[event.who].own.push(t.events.length);
    t.events.push(event);
  }
  t.last = last;
  return t;
}

const t = { events: [], lanes: [], places: [], reasons: [], about: {} };
const label = (lane) => t.lanes[lane].name || "#" + t.lanes[lane].id;
const full = (lane) => (t.lanes[lane].name ? t.lanes[lane].name + " " : "") + "#" + t.lanes[lane].id;
const actor = (by) => (by >= 0 ? label(by) : by === -2 ? "A timer" : by === -3 ? "Another thread" : by === -4 ? "A descriptor" : "The run");
const placeText = (place) => (t.places[place] ? t.places[place].file + ":" + t.places[place].line : "");

/** The last event of a lane that is not after `moment`: its place in `own`, or -1. */
function lastOwn(lane, moment) {
  const own = t.lanes[lane].own;
  let low = 0, high = own.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (own[middle] <= moment) low = middle + 1; else high = middle;
  }
  return low - 1;
}

const stateAfter = (kind) => (kind === "b" || kind === "e" ? RUN : kind === "p" || kind === "n" ? WAIT : kind === "d" ? GONE : READY);

/** Where a lane stopped last, at or before its `k`-th event. */
function stopBefore(lane, k) {
  const own = t.lanes[lane].own;
  for (; k >= 0; k--) if ("sypn".includes(t.events[own[k]].kind)) return t.events[own[k]];
  return undefined;
}

const fresh = () => ({ at: -1, queue: [], running: -1, waiting: new Set(), unknown: 0, asleep: false });
const copy = (s) => ({ ...s, queue: s.queue.slice(), waiting: new Set(s.waiting) });
let kept = [], now = fresh();

function apply(s, index) {
  const { kind, who, ready } = t.events[index];
  const leave = () => {
    const place = s.queue.indexOf(who);
    if (place >= 0) s.queue.splice(place, 1);
    s.waiting.delete(who);
  };
  s.at = index;
  if (kind === "b") {
    // Under a seed the one that is picked changes places with the head.
    const place = s.queue.indexOf(who);
    if (place > 0) s.queue[place] = s.queue[0];
    if (place >= 0) s.queue.shift();
    s.waiting.delete(who);
    s.running = who;
    s.unknown = Math.max(0, ready - s.queue.length); // after a gap
  } else if (kind === "s" || kind === "w" || kind === "y") {
    leave();
    s.queue.push(who);
    if (s.running === who) s.running = -1;
  } else if (kind === "p" || kind === "n") {
    leave();
    s.waiting.add(who);
    if (s.running === who) s.running = -1;
  } else if (kind === "d" || (kind === "e" && s.running !== who)) {
    leave();
    if (s.running === who) s.running = -1;
  } else if (kind === "z" || kind === "a") {
    s.asleep = kind === "z";
  }
}

function prepare() {
  kept = [];
  const s = fresh();
  for (let index = 0; index < t.events.length; index++) {
    if (index % EVERY === 0) kept.push(copy(s));
    apply(s, index);
  }
  now = fresh();
}

function seek(moment) {
  if (moment < now.at || moment - now.at > EVERY) now = copy(kept[Math.floor(moment / EVERY)]);
  while (now.at < moment) apply(now, now.at + 1);
}
