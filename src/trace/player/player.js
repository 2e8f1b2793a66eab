// Moving in time: by keys, buttons, mouse and finger.

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

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const target = event.target;
  // Sliders and radio buttons have keys of their own.
  const own = target instanceof HTMLInputElement;
  const slides = own && target.type === "range";
  const shift = event.shiftKey;
  const actions = {
    ArrowRight: own ? undefined : () => (shift ? turn(1) : step(1)),
    ArrowLeft: own ? undefined : () => (shift ? turn(-1) : step(-1)),
    ArrowUp: own ? undefined : () => choose(chosen < 0 ? 0 : chosen - 1),
    ArrowDown: own ? undefined : () => choose(chosen + 1),
    Home: slides ? undefined : () => { pause(); go(0, false); },
    End: slides ? undefined : () => { pause(); go(t.events.length - 1, false); },
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
