"use strict";
// Plays a run. Each line of #events is an array:
//   ["i", {program, virtual}]                 about the run
//   ["L", file, line, first?, [source…]?]     a place; numbered in their order
//   ["W", text]                               why somebody waits; likewise
//   ["s", at, who, by, place, name]           spawned; by -1 the run, -2 a timer, -3 a thread
//   ["b", at, who, ready]                     its step begins, others are ready
//   ["y", at, who, place?] ["p", at, who, why, place, holders?] ["n", at, who]
//                                             it ends: with a yield, a wait, or no stack
//   ["w", at, who, by, interrupted]           woken
//   ["e", at, who, how] ["d", at, who]        ended; its last step is over
//   ["t", at, who, expires]                   a timer is due
//   ["z", at] ["a", at] ["k", at]             the thread sleeps, awakes; deadlock
//   ["x", count] ["f", events, missing]       missing here; the end of the file
(() => {
  const $ = (id) => document.getElementById(id);
  const GONE = 0, RUN = 1, READY = 2, WAIT = 3;
  const EVERY = 2048; // events between two states that are kept
  const SHOWN = { running: 1, ready: 40, waiting: 60 };

  // ── The trace ────────────────────────────────────────────────────────────

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
  const actor = (by) => (by >= 0 ? label(by) : by === -2 ? "A timer" : by === -3 ? "Another thread" : "The run");
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

  // ── The state at a moment ────────────────────────────────────────────────

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

  // ── What happens, in words ───────────────────────────────────────────────

  const strong = (text) => {
    const b = document.createElement("b");
    b.textContent = text;
    return b;
  };

  function story(index) {
    const e = t.events[index];
    const who = e.who >= 0 ? strong(label(e.who)) : "";
    switch (e.kind) {
      case "s": return [strong(actor(e.by)), " spawns ", who, ". It goes to the back of the ready queue, and will run when its turn comes."];
      case "b": return ["The loop takes ", who, " off the head of the queue and lets it run."];
      case "y": return [who, " yields. It goes to the back of the queue: whoever else is ready comes first."];
      case "p": return [who, " waits for ", strong(t.reasons[e.why] ?? "something"), e.held ? ", held by " + e.held : "", ". It leaves the queue, until somebody wakes it."];
      case "n": return ["There is no stack for ", who, " now. It waits until one is free."];
      case "w": return e.interrupted
        ? [strong(actor(e.by)), " interrupts the wait of ", who, ". It goes to the back of the queue, and will unwind in its turn."]
        : [strong(actor(e.by)), " wakes ", who, ". It goes to the back of the queue."];
      case "e": return [who, " " + e.how + ". Nobody will see it again."];
      case "d": return ["The last step of ", who, " is over. Its stack is free for another."];
      case "t": return [e.expires ? "A timeout of " : "A timer of ", who, " is due."];
      case "z": return ["The queue is empty. The thread sleeps until a timer is due or news comes from outside."];
      case "a": return ["The thread is awake again, and looks who can go on."];
      case "k": return ["Deadlock: the queue is empty, and nothing outside can wake anybody."];
      case "x": return [strong(e.count + " events are missing here"), ": there were more than could be written."];
    }
    return [];
  }

  function placeOf(index) {
    const e = t.events[index];
    if (e.place !== undefined) return e.place;
    if (e.kind === "b") {
      const stop = stopBefore(e.who, lastOwn(e.who, index) - 1);
      return stop && stop.place;
    }
    return undefined;
  }

  function describe(lane, moment) {
    const k = lastOwn(lane, moment);
    if (k < 0) return full(lane) + "\nis not there yet";
    const own = t.lanes[lane].own;
    const e = t.events[own[k]], since = time(e.at);
    const stop = stopBefore(lane, k);
    const at = stop && placeText(stop.place);
    const lines = [full(lane)];
    switch (e.kind) {
      case "b": case "e":
        lines.push("runs since " + since);
        if (t.events[own[k + 1]]?.kind === "p") lines.push("then waits for " + t.reasons[t.events[own[k + 1]].why] + "\n" + placeText(t.events[own[k + 1]].place));
        else if (t.events[own[k + 1]]?.kind === "y") lines.push("then yields\n" + placeText(t.events[own[k + 1]].place));
        break;
      case "y": lines.push("ready since it yielded, " + since); if (at) lines.push(at); break;
      case "s": lines.push("ready, new since " + since, "spawned by " + actor(e.by) + ", " + at); break;
      case "w": lines.push("ready since " + since, (e.interrupted ? "interrupted by " : "woken by ") + actor(e.by)); if (at) lines.push("it waited at " + at); break;
      case "p": lines.push("waits for " + t.reasons[e.why] + (e.held ? ", held by " + e.held : ""), "since " + since, at); break;
      case "n": lines.push("waits for a stack since " + since); break;
      case "d": lines.push("has ended"); break;
    }
    return lines.join("\n");
  }

  function time(ns) {
    const units = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];
    const [size, unit] = units.find(([size]) => ns >= size) ?? [1, "ns"];
    return (ns / size).toFixed(size === 1 ? 0 : 3).replace(/\.?0+$/, size === 1 ? "$&" : "") + " " + unit;
  }

  // ── The stage: chips that move ───────────────────────────────────────────

  const chips = new Map();
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  function chip(lane) {
    let li = chips.get(lane);
    if (!li) {
      li = document.createElement("li");
      li.style.setProperty("--hue", t.lanes[lane].hue);
      li.dataset.id = t.lanes[lane].id;
      li.dataset.lane = lane;
      li.append(Object.assign(document.createElement("span"), { textContent: label(lane) }));
      li.append(document.createElement("small"));
      chips.set(lane, li);
    }
    return li;
  }

  function fill(list, lanes, state, none, hidden) {
    const shown = lanes.slice(0, SHOWN[list.id]);
    const more = lanes.length - shown.length + hidden;
    const wanted = shown.map((lane) => {
      const li = chip(lane);
      li.className = "chip is-" + state + (lane === chosen ? " is-new" : "");
      const small = li.lastChild;
      const e = state === "waiting" ? stopBefore(lane, lastOwn(lane, now.at)) : undefined;
      const text = e && e.kind === "p" ? t.reasons[e.why].split(" (spawned at")[0] : "";
      if (small.textContent !== text) small.textContent = text;
      small.hidden = !text;
      return li;
    });
    if (more > 0 || !shown.length) {
      const li = document.createElement("li");
      li.className = more > 0 ? "more" : "nobody";
      li.textContent = more > 0 ? "and " + more + " more" : none;
      wanted.push(li);
    }
    wanted.forEach((li, place) => { if (list.children[place] !== li) list.insertBefore(li, list.children[place] ?? null); });
    while (list.children.length > wanted.length) list.lastChild.remove();
  }

  function stage(animate) {
    const before = new Map();
    if (animate) for (const [lane, li] of chips) if (li.isConnected) before.set(lane, li.getBoundingClientRect());
    fill($("waiting"), [...now.waiting], "waiting", "nobody", 0);
    fill($("ready"), now.queue, "ready", "empty", now.unknown);
    fill($("running"), now.running >= 0 ? [now.running] : [], "running", now.asleep ? "nobody: the thread sleeps" : "nobody: the loop", 0);
    for (const [lane, li] of chips) if (!li.isConnected) chips.delete(lane);
    $("ready-count").textContent = now.queue.length + now.unknown;
    $("waiting-count").textContent = now.waiting.size;
    for (const [lane, old] of before) {
      const li = chips.get(lane);
      if (!li) continue;
      const box = li.getBoundingClientRect();
      const [x, y] = [old.left - box.left, old.top - box.top];
      if (Math.abs(x) + Math.abs(y) > 2) {
        li.animate([{ transform: `translate(${x}px, ${y}px)`, zIndex: 3 }, { transform: "none", zIndex: 3 }], { duration: 260, easing: "cubic-bezier(.2,.8,.3,1)" });
      }
    }
  }

  function source(index) {
    const number = placeOf(index);
    const place = number === undefined ? undefined : t.places[number];
    $("code").hidden = !place;
    $("place-kind").textContent = { b: "goes on at ", s: "spawned at " }[t.events[index].kind] ?? "stops at ";
    if (!place || $("code").dataset.place === String(number)) return;
    $("code").dataset.place = number;
    $("place").textContent = place.file + ":" + place.line;
    $("lines").hidden = !place.source;
    const deep = Math.min(...(place.source ?? []).filter((text) => text.trim()).map((text) => text.search(/\S/)));
    $("lines").replaceChildren(...(place.source ?? []).map((text, k) => {
      const line = document.createElement("span");
      line.textContent = text.slice(deep) || " ";
      line.dataset.n = place.first + k;
      if (place.first + k === place.line) line.className = "here";
      return line;
    }));
  }

  // ── The lanes ────────────────────────────────────────────────────────────

  const canvas = $("lanes"), scroller = $("scroller"), RULER = 22;
  let moment = 0, chosen = -1, axis = "steps", colours = {}, follow = true;
  const zoom = { steps: 16, time: 0 }; // pixels for an event, pixels for a nanosecond
  const view = { width: 0, height: 0, label: 0, row: 24, origin: 0 };

  const where = (index) => (axis === "steps" ? index : index >= t.events.length ? t.last : t.events[Math.max(index, 0)].at);
  const length = () => (axis === "steps" ? t.events.length : t.last);

  function measure() {
    view.width = scroller.clientWidth;
    view.height = scroller.clientHeight;
    view.label = Math.min(170, Math.max(64, view.width * 0.2));
    view.row = Math.max(14, Math.min(30, Math.floor((view.height - RULER) / Math.max(1, t.lanes.length))));
    $("tall").style.height = Math.max(view.height, t.lanes.length * view.row + RULER) + "px";
    const sharp = Math.min(2, devicePixelRatio || 1);
    canvas.width = Math.round(view.width * sharp);
    canvas.height = Math.round(view.height * sharp);
    canvas.style.height = view.height + "px";
    canvas.getContext("2d").setTransform(sharp, 0, 0, sharp, 0, 0);
    if (!zoom.time) {
      const room = view.width - view.label;
      zoom.time = room / Math.max(1, t.last);
      zoom.steps = Math.max(12, Math.min(28, room / t.events.length));
    }
    const style = getComputedStyle(document.documentElement);
    for (const name of ["ink", "soft", "line", "card", "run", "ready", "ready-soft", "wait", "mark", "grid", "focus"]) colours[name] = style.getPropertyValue("--" + name).trim();
  }

  function scrollTo(lane) {
    const top = lane * view.row, room = view.height - RULER;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + view.row > scroller.scrollTop + room) scroller.scrollTop = top + view.row - room;
  }

  /** The event at a horizontal position. */
  function eventAt(x) {
    const pos = view.origin + (x - view.label) / zoom[axis];
    if (axis === "steps") return Math.max(0, Math.min(t.events.length - 1, Math.floor(pos)));
    let low = 0, high = t.events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (t.events[middle].at <= pos) low = middle + 1; else high = middle;
    }
    return Math.max(0, low - 1);
  }

  const laneAt = (y) => {
    const lane = Math.floor((y - RULER + scroller.scrollTop) / view.row);
    return y >= RULER && lane < t.lanes.length ? lane : -1;
  };

  function draw() {
    const c = canvas.getContext("2d"), scale = zoom[axis], room = view.width - view.label;
    const head = where(moment);
    const most = Math.max(0, length() - room / scale + (axis === "steps" ? 1 : 0));
    view.origin = Math.max(0, Math.min(most, head - (room * 0.6) / scale));
    const X = (pos) => view.label + (pos - view.origin) * scale;
    const first = eventAt(view.label), last = Math.min(t.events.length - 1, eventAt(view.width) + 1);
    const top = Math.floor(scroller.scrollTop / view.row);
    const bottom = Math.min(t.lanes.length, Math.ceil((scroller.scrollTop + view.height) / view.row));
    const Y = (lane) => RULER + lane * view.row - scroller.scrollTop;
    c.fillStyle = colours.card;
    c.fillRect(0, 0, view.width, view.height);

    // The moment is a column, or a line where time is the axis.
    const wide = axis === "steps" ? Math.max(2, scale) : 2;
    c.fillStyle = axis === "steps" ? colours.mark : colours.focus;
    c.fillRect(X(head), RULER, wide, view.height);

    c.save();
    c.beginPath();
    c.rect(view.label, RULER, room, view.height);
    c.clip();
    const bar = Math.max(6, view.row - 8), pad = (view.row - bar) / 2;
    for (let lane = top; lane < bottom; lane++) {
      const y = Y(lane), own = t.lanes[lane].own;
      c.fillStyle = colours.grid;
      c.fillRect(view.label, y + view.row - 1, room, 1);
      // What is narrower than a pixel is painted once; steps come first.
      let painted = -1e9, stepped = -1e9;
      for (let k = Math.max(0, lastOwn(lane, first)); k < own.length && own[k] <= last; k++) {
        const state = stateAfter(t.events[own[k]].kind);
        const right = k + 1 < own.length ? own[k + 1] : state === GONE ? own[k] : t.events.length;
        const x0 = Math.round(Math.max(view.label - 2, X(where(own[k])))), x1 = Math.round(Math.min(view.width + 2, X(where(right))));
        if (state === GONE) continue;
        if (state === RUN ? x0 === x1 && x0 === stepped : x1 <= painted) continue;
        painted = x1;
        const w = Math.max(1, x1 - x0);
        if (state === RUN) {
          stepped = x0;
          painted = x0 + w;
          c.fillStyle = colours.run;
          c.fillRect(x0, y + pad, w, bar);
        } else if (state === READY) {
          c.fillStyle = colours["ready-soft"];
          c.fillRect(x0, y + pad, w, bar);
          c.fillStyle = colours.ready;
          c.fillRect(x0, y + pad + bar - 2, w, 2);
        } else {
          c.fillStyle = colours.wait;
          c.fillRect(x0, y + view.row / 2 - 1, w, 1.5);
        }
      }
    }
    arrows(c, X, Y, first, last, top, bottom);
    c.restore();

    for (let lane = top; lane < bottom; lane++) {
      const y = Y(lane);
      if (lane === chosen) {
        c.strokeStyle = colours.focus;
        c.lineWidth = 2;
        c.strokeRect(1, y, view.width - 2, view.row - 1);
      }
      c.fillStyle = `hsl(${t.lanes[lane].hue} 65% 50%)`;
      c.beginPath();
      c.arc(10, y + view.row / 2, 4, 0, 7);
      c.fill();
      c.fillStyle = lane === now.running ? colours.run : colours.ink;
      c.font = (lane === now.running ? "600 " : "") + Math.min(13, view.row - 3) + "px system-ui, sans-serif";
      c.textBaseline = "middle";
      c.fillText(clip(c, label(lane), view.label - 26), 20, y + view.row / 2 + 1);
    }
    ruler(c, X, room, scale);
  }

  function clip(c, text, room) {
    if (c.measureText(text).width <= room) return text;
    while (text && c.measureText(text + "…").width > room) text = text.slice(0, -1);
    return text + "…";
  }

  /** From each wake and spawn to the step that it caused. */
  function arrows(c, X, Y, first, last, top, bottom) {
    const dense = last - first > 600;
    for (let index = Math.max(0, first - 200); index <= last; index++) {
      const e = t.events[index];
      if (e.kind !== "w" && e.kind !== "s") continue;
      const important = index === moment || e.who === chosen || (chosen >= 0 && e.by === chosen);
      if ((dense && !important) || (e.by < 0 && !important && e.kind === "s")) continue;
      const own = t.lanes[e.who].own, next = own[lastOwn(e.who, index) + 1];
      if (next === undefined || t.events[next].kind !== "b") continue;
      const outside = e.by < 0;
      if (Math.max(e.by, e.who) < top || (outside ? e.who : Math.min(e.by, e.who)) >= bottom) continue;
      const half = axis === "steps" ? 0.5 : 0;
      const x0 = X(where(index) + half), x1 = X(where(next)), y1 = Y(e.who) + view.row / 2;
      const y0 = outside ? RULER : Y(e.by) + view.row / 2;
      c.strokeStyle = important ? colours.focus : colours.soft;
      c.fillStyle = c.strokeStyle;
      c.globalAlpha = important ? 1 : 0.45;
      c.lineWidth = important ? 2 : 1;
      c.setLineDash(outside ? [3, 3] : []);
      c.beginPath();
      c.moveTo(x0, y0);
      c.bezierCurveTo(x0 + (x1 - x0) * 0.2, y1, x0 + (x1 - x0) * 0.2, y1, x1 - 3, y1);
      c.stroke();
      c.setLineDash([]);
      c.beginPath();
      c.moveTo(x1 + 1, y1);
      c.lineTo(x1 - 6, y1 - 4);
      c.lineTo(x1 - 6, y1 + 4);
      c.fill();
      c.globalAlpha = 1;
    }
  }

  function ruler(c, X, room, scale) {
    c.fillStyle = colours.card;
    c.fillRect(0, 0, view.width, RULER);
    c.fillStyle = colours.line;
    c.fillRect(0, RULER - 1, view.width, 1);
    c.fillStyle = colours.soft;
    c.font = "11px system-ui, sans-serif";
    c.textBaseline = "middle";
    let every = 10 ** Math.ceil(Math.log10(Math.max(80 / scale, 1)));
    if (every * scale > 400) every /= 5; else if (every * scale > 200) every /= 2;
    if (axis === "steps") every = Math.max(1, Math.round(every));
    c.fillText(axis === "steps" ? "event" : "time", 8, RULER / 2);
    for (let pos = Math.ceil(view.origin / every) * every; X(pos) < view.width - 30; pos += every) {
      if (pos > length()) break;
      c.fillRect(X(pos), RULER - 5, 1, 5);
      c.fillText(axis === "steps" ? String(pos + 1) : time(pos), X(pos) + 3, RULER / 2);
    }
    c.fillStyle = colours.focus;
    const x = X(where(moment)) + (axis === "steps" ? scale / 2 : 1);
    c.beginPath();
    c.moveTo(x - 6, RULER - 9);
    c.lineTo(x + 6, RULER - 9);
    c.lineTo(x, RULER);
    c.fill();
  }

  // ── Moving in time ───────────────────────────────────────────────────────

  let playing = false, debt = 0, before = 0, asked = false;

  function show(animate) {
    seek(moment);
    stage(animate && !calm.matches);
    const e = t.events[moment];
    $("when").textContent = "Event " + (moment + 1) + " of " + t.events.length + " · " + time(e.at);
    $("sentence").replaceChildren(...story(moment));
    source(moment);
    $("scrub").value = moment;
    $("scrub").setAttribute("aria-valuetext", "event " + (moment + 1) + " of " + t.events.length);
    $("position").textContent = Math.round((100 * (moment + 1)) / t.events.length) + " %";
    document.documentElement.dataset.moment = moment;
    if (follow && e.who >= 0) scrollTo(e.who);
    draw();
  }

  /** Shows the moment once per frame, however often it is asked to. */
  function go(to, animate) {
    moment = Math.max(0, Math.min(t.events.length - 1, to));
    follow = true;
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      show(animate);
    });
  }

  function redraw() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  }

  const step = (by) => { pause(); go(moment + by, true); };

  /** To the next step, or back to the one before. */
  function turn(by) {
    pause();
    let to = moment + by;
    while (to > 0 && to < t.events.length - 1 && t.events[to].kind !== "b") to += by;
    go(to, true);
  }

  const speed = () => 4000 ** ($("speed").value / 100);

  function tick(at) {
    if (!playing) return;
    debt += Math.min(0.1, (at - before) / 1000) * speed();
    before = at;
    const whole = Math.floor(debt);
    if (whole > 0) {
      debt -= whole;
      moment = Math.min(t.events.length - 1, moment + whole);
      follow = true;
      show(whole === 1 && speed() < 8);
      if (moment >= t.events.length - 1) pause();
    }
    if (playing) requestAnimationFrame(tick);
  }

  function play() {
    if (moment >= t.events.length - 1) go(0, false);
    playing = true;
    debt = 0;
    before = performance.now();
    mark();
    requestAnimationFrame(tick);
  }

  function pause() {
    playing = false;
    mark();
  }

  function mark() {
    document.documentElement.classList.toggle("playing", playing);
    $("play").setAttribute("aria-label", playing ? "Pause" : "Play");
    // Nobody can listen to that many sentences.
    $("sentence").setAttribute("aria-live", playing ? "off" : "polite");
  }

  function faster(by) {
    $("speed").value = Number($("speed").value) + by;
    tellSpeed();
  }

  function tellSpeed() {
    const s = speed();
    $("speed-text").textContent = (s < 10 ? s.toFixed(1) : Math.round(s)) + " events/s";
  }

  function choose(lane) {
    chosen = Math.max(0, Math.min(t.lanes.length - 1, lane));
    scrollTo(chosen);
    $("lane-text").textContent = describe(chosen, moment);
    stage(false);
    redraw();
    const box = scroller.getBoundingClientRect();
    tip(describe(chosen, moment), box.left + view.label, box.top + RULER + (chosen + 1) * view.row - scroller.scrollTop);
  }

  function tip(text, x, y) {
    const tip = $("tip");
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const room = tip.getBoundingClientRect();
    tip.style.left = Math.max(6, Math.min(innerWidth - room.width - 6, x + 12)) + "px";
    tip.style.top = (y + 16 + room.height > innerHeight ? Math.max(6, y - room.height - 12) : y + 16) + "px";
  }

  function zoomBy(factor) {
    const room = view.width - view.label;
    const least = room / Math.max(1, length());
    zoom[axis] = Math.max(Math.min(least, 16), Math.min(axis === "steps" ? 80 : 10, zoom[axis] * factor));
    redraw();
  }

  // ── Hands ────────────────────────────────────────────────────────────────

  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
    const target = event.target;
    // Sliders and radio buttons have keys of their own.
    const own = target instanceof HTMLInputElement;
    const shift = event.shiftKey;
    const actions = {
      ArrowRight: own ? undefined : () => (shift ? turn(1) : step(1)),
      ArrowLeft: own ? undefined : () => (shift ? turn(-1) : step(-1)),
      ArrowUp: own ? undefined : () => choose(chosen < 0 ? 0 : chosen - 1),
      ArrowDown: own ? undefined : () => choose(chosen + 1),
      Home: own ? undefined : () => { pause(); go(0, false); },
      End: own ? undefined : () => { pause(); go(t.events.length - 1, false); },
      " ": target instanceof HTMLButtonElement || target.type === "radio" ? undefined : () => (playing ? pause() : play()),
      "+": () => faster(5),
      "=": () => faster(5),
      "-": () => faster(-5),
      "?": () => $("help").showModal(),
      Escape: () => { chosen = -1; tip(""); stage(false); redraw(); },
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") tip("");
    action();
  }

  function hands() {
    $("first").onclick = () => { pause(); go(0, false); };
    $("back").onclick = () => step(-1);
    $("next").onclick = () => step(1);
    $("turn").onclick = () => turn(1);
    $("play").onclick = () => (playing ? pause() : play());
    $("scrub").oninput = (event) => { pause(); go(Number(event.target.value), false); };
    $("speed").oninput = tellSpeed;
    $("zoom-in").onclick = () => zoomBy(1.5);
    $("zoom-out").onclick = () => zoomBy(1 / 1.5);
    $("help-open").onclick = () => $("help").showModal();
    for (const radio of document.getElementsByName("axis")) radio.onchange = () => { axis = radio.value; redraw(); };
    document.addEventListener("keydown", keys);
    scroller.addEventListener("scroll", redraw);
    new ResizeObserver(() => { measure(); redraw(); }).observe(scroller);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { measure(); redraw(); });
    $("stage").addEventListener("click", (event) => {
      const li = event.target.closest("[data-lane]");
      if (li) choose(Number(li.dataset.lane));
    });

    // A mouse points and clicks, a finger taps and drags.
    let held;
    const spot = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const point = (event) => {
      const [x, y] = spot(event), lane = laneAt(y);
      if (lane < 0) return tip("");
      tip(describe(lane, x < view.label ? moment : eventAt(x)), event.clientX, event.clientY);
    };
    canvas.addEventListener("pointerdown", (event) => {
      held = { x: event.clientX, from: where(moment), moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!held) return point(event);
      const by = event.clientX - held.x;
      if (Math.abs(by) < 5 && !held.moved) return;
      held.moved = true;
      tip("");
      pause();
      const to = held.from - by / zoom[axis];
      go(axis === "steps" ? Math.round(to) : eventAt(view.label + (to - view.origin) * zoom.time), false);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (held && !held.moved) {
        const [x, y] = spot(event), lane = laneAt(y);
        if (lane >= 0) chosen = lane;
        if (event.pointerType === "mouse" && x >= view.label) { pause(); go(eventAt(x), false); } else { stage(false); redraw(); }
        point(event);
      }
      held = undefined;
    });
    canvas.addEventListener("pointercancel", () => { held = undefined; });
    canvas.addEventListener("pointerleave", (event) => { if (!held && event.pointerType === "mouse") tip(""); });
    document.addEventListener("pointerdown", (event) => { if (event.target !== canvas) tip(""); });
    scroller.addEventListener("blur", () => tip(""));
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      zoomBy(event.deltaY < 0 ? 1.2 : 1 / 1.2);
    }, { passive: false });
  }

  // ── Begin ────────────────────────────────────────────────────────────────

  function warn(text) {
    $("warning").hidden = false;
    $("warning").textContent += ($("warning").textContent ? " " : "") + text;
  }

  function begin() {
    Object.assign(t, read($("events").textContent));
    $("program").textContent = t.about.program ?? "";
    document.title = (t.about.program ?? "a run") + ": step by step";
    const many = (n, word) => n.toLocaleString("en") + " " + word + (n === 1 ? "" : "s");
    $("summary").textContent = [many(t.lanes.length, "coroutine"), many(t.steps, "step"), many(t.events.length, "event"),
      (t.about.virtual ? "virtual time: " : "") + time(t.last)].join(" · ");
    if (t.missing) warn(many(t.missing, "event") + (t.missing === 1 ? " is" : " are") + " missing: there were more than could be written.");
    if (!t.whole) warn("The program has not written the end: it still runs, or died.");
    if (!t.events.length) {
      warn("There is nothing to play.");
      return;
    }
    prepare();
    $("scrub").max = t.events.length - 1;
    measure();
    hands();
    tellSpeed();
    mark();
    const asked = Number(new URLSearchParams(location.hash.slice(1)).get("event"));
    moment = Math.max(0, Math.min(t.events.length - 1, asked - 1 || 0));
    show(false);
    document.documentElement.dataset.loaded = "yes";
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
