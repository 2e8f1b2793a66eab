// What happens, in words.

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
