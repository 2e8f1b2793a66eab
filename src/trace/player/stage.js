// The stage: chips that move between running, ready and waiting, and the source.

const SHOWN = { running: 1, ready: 40, waiting: 60 };
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
