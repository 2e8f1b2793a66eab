// The lanes: a canvas as large as what is seen of them.

const canvas = $("lanes"), scroller = $("scroller"), RULER = 26;
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
    // Steps on top of all else; what is narrower than a pixel is painted once.
    for (const steps of [false, true]) {
      let painted = -1e9;
      for (let k = Math.max(0, lastOwn(lane, first)); k < own.length && own[k] <= last; k++) {
        const state = stateAfter(t.events[own[k]].kind);
        if (state === GONE || (state === RUN) !== steps) continue;
        const right = k + 1 < own.length ? own[k + 1] : t.events.length;
        const x0 = Math.round(Math.max(view.label - 2, X(where(own[k]))));
        const x1 = Math.max(x0 + 1, Math.round(Math.min(view.width + 2, X(where(right)))));
        if (x1 <= painted) continue;
        painted = x1;
        if (state === RUN) {
          c.fillStyle = colours.run;
          c.fillRect(x0, y + pad, x1 - x0, bar);
        } else if (state === READY) {
          c.fillStyle = colours["ready-soft"];
          c.fillRect(x0, y + pad, x1 - x0, bar);
          c.fillStyle = colours.ready;
          c.fillRect(x0, y + pad + bar - 2, x1 - x0, 2);
        } else {
          c.fillStyle = colours.wait;
          c.fillRect(x0, y + view.row / 2 - 1, x1 - x0, 1.5);
        }
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
  c.fillText(axis === "steps" ? "event" : "time", 8, 9);
  for (let pos = Math.ceil(view.origin / every) * every; X(pos) < view.width - 30; pos += every) {
    if (pos > length()) break;
    c.fillRect(X(pos), RULER - 5, 1, 5);
    c.fillText(axis === "steps" ? String(pos + 1) : time(pos), X(pos) + 3, 9);
  }
  c.fillStyle = colours.focus;
  const x = X(where(moment)) + (axis === "steps" ? scale / 2 : 1);
  c.beginPath();
  c.moveTo(x - 6, RULER - 9);
  c.lineTo(x + 6, RULER - 9);
  c.lineTo(x, RULER);
  c.fill();
}
