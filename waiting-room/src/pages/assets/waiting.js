// Keeps the numbers moving, and goes in when it is our turn. Without this script the page reloads itself.
"use strict";

(() => {
  const { room, title, opens, now, pollAfterMs } = document.currentScript.dataset;
  const words = JSON.parse(document.getElementById("words").textContent);
  const base = `/.waiting-room/${room}`;
  const lang = document.documentElement.lang;
  const json = { headers: { Accept: "application/json" } };
  // How far the clock of this machine is behind the server's.
  let behindBy = Number(now) - Date.now();

  // --- words and numbers, as the server writes them

  const say = (name, values = {}) => words[name].replace(/\{([a-z_]+)\}/g, (_, word) => values[word]);
  const number = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, words.thousands);
  const count = (of, n) => say(of, { count: number(n) });

  function minutes(n) {
    if (n < 1) return say("under_a_minute");
    if (n < 120) return count("minutes", n);
    return say("hours", { hours: number(Math.floor(n / 60)), minutes: n % 60 });
  }

  function waitText(range) {
    if (!range) return say("wait_unknown");
    const [low, high] = [Math.floor(range.low / 60), Math.ceil(range.high / 60)];
    if (high < 2) return minutes(0);
    if (low < 1) return say("wait_up_to", { high: minutes(high) });
    if (low < high && high < 120) return say("wait_minutes", { low: number(low), high: number(high) });
    return low < high ? say("wait_range", { low: minutes(low), high: minutes(high) }) : minutes(high);
  }

  function when(at) {
    const date = new Date(at).toLocaleString(lang, { dateStyle: "long", timeStyle: "short" });
    const left = Math.ceil((at - Date.now() - behindBy) / 60000);
    return left > 0 ? say("when", { date, span: minutes(left) }) : date;
  }

  // --- what is shown

  /** Writes only what has changed, so that nothing flickers and nothing is read out twice. */
  function put(id, text, box = (element) => element.parentNode) {
    const element = document.getElementById(id);
    if (!element) return;
    if (element.textContent !== text) element.textContent = text;
    if (box(element).hidden === Boolean(text)) box(element).hidden = !text;
  }
  const note = (name) => put("note", name ? say(`note_${name}`) : "", (element) => element);

  function showTimes() {
    for (const time of document.querySelectorAll("time[data-at]")) {
      const at = Number(time.dataset.at);
      if (at && time.textContent !== when(at)) time.textContent = when(at);
    }
  }

  function showDoors(at) {
    const doors = document.getElementById("doors_open");
    if (!doors) return;
    if (at) {
      [doors.dataset.at, doors.dateTime] = [at, new Date(at).toISOString()];
    } else {
      delete doors.dataset.at;
      doors.textContent = "";
    }
    doors.parentNode.parentNode.hidden = !at;
  }

  /** Whether the doors are not open yet; an operator can open them before their time. */
  const isPrequeue = (place) => place.phase === "prequeue" && place.switch !== "open";

  /** What is said below the numbers: the same choice as the server's. */
  function noteOf(place) {
    if (place.holding) return "holding";
    if (["maintenance", "draining"].includes(place.switch)) return place.switch;
    if (["paused", "queue_all"].includes(place.switch)) return "paused";
    if (place.state === "to_be_drawn") return "draw";
    if (isPrequeue(place)) return "prequeue";
    if (place.stock?.left === 0) return "sold_out";
    return { beyond: "beyond", unlikely: "unlikely" }[place.stock?.reach];
  }

  const kept = `waiting-room-${room}`;
  let best = {};
  try { best = JSON.parse(sessionStorage.getItem(kept)) ?? {}; } catch { /* no storage: the bar begins anew */ }

  /** How far we have come since we first looked. It never goes back, even if the line ahead grows. */
  function progress(place) {
    const bar = document.getElementById("progress");
    if (!bar) return;
    if (best.number !== place.number) best = { number: place.number, from: place.ahead, done: 0 };
    best.done = Math.max(best.done, 1 - place.ahead / Math.max(best.from, 1));
    try { sessionStorage.setItem(kept, JSON.stringify(best)); } catch { /* as above */ }
    bar.value = Math.max(best.done, 0.01);
    bar.hidden = false;
  }

  let spokenAt = 0;
  let spokenNote;
  let told;

  /** For those who listen: at most every half minute, and when something else is going on. */
  function announce(text, what) {
    if (spokenNote === what && Date.now() - spokenAt < 30000) return;
    [spokenAt, spokenNote] = [Date.now(), what];
    put("announce", text, () => ({}));
  }

  function show(place) {
    behindBy = place.server_time_unix_ms - Date.now();
    const drawn = place.state === "to_be_drawn";
    const early = drawn || isPrequeue(place);
    const ahead = count("people", drawn ? place.among : place.ahead);
    const wait = waitText(place.wait_seconds);
    const about = noteOf(place);
    const stock = place.stock && !drawn
      ? say("stock_line", { ahead, left: count("units", place.stock.left) }) : "";
    put("where", say(early ? "in_prequeue" : "in_line"), (element) => element);
    put("count_of", say(drawn ? "among" : "ahead"));
    put("count", ahead);
    put("number", drawn ? "" : number(place.number + 1));
    put("behind", drawn ? "" : count("people", place.behind));
    put("wait", early ? "" : wait);
    put("stock", stock);
    put("message", place.message ?? "");
    showDoors(early ? place.doors_open_unix_ms : undefined);
    showTimes();
    note(about);
    if (!early) progress(place);
    document.title = drawn ? say("title_draw", { title }) : say("title_waiting", { ahead, title });
    if (place.message && place.message !== told) announce(place.message, place.message);
    else announce(about ? say(`note_${about}`) : say("announce", { ahead, wait }), about);
    told = place.message;
  }

  // --- news

  let timer;
  let stream;
  let failures = 0;
  const lookIn = (ms) => { clearTimeout(timer); timer = setTimeout(look, ms); };
  const lost = () => {
    note("offline");
    failures += 1;
    lookIn(Math.min(2000 * failures, 20000) * (0.75 + Math.random() / 2));
  };

  /** Whether we were told to ask less often; then we come again when we may, and not all at the same instant. */
  function tooMany(answer) {
    if (answer.status !== 429) return false;
    const seconds = Number(answer.headers.get("Retry-After")) || 2;
    lookIn(Math.min(seconds, 600) * 1000 * (1 + Math.random() / 4));
    return true;
  }

  async function goIn() {
    stream?.close();
    note("called");
    document.title = say("title_called", { title });
    announce(say("note_called"), "called");
    const answer = await fetch(`${base}/claim`, { method: "POST", ...json });
    // In, or too late: the page knows. Not yet after all: we keep looking.
    if (answer.ok || answer.status === 410) return location.reload();
    if (!tooMany(answer)) lost();
  }

  async function took(place) {
    failures = 0;
    if (place.state === "called") return goIn();
    if (place.state !== "waiting" && place.state !== "to_be_drawn") return location.reload();
    show(place);
    // While news come by themselves, looking is only a precaution.
    lookIn(stream?.readyState === EventSource.OPEN ? Math.max(30000, 4 * place.poll_after_ms) : place.poll_after_ms);
  }

  async function look() {
    try {
      const answer = await fetch(`${base}/status`, json);
      if (answer.status === 401) return navigator.cookieEnabled ? location.reload() : note("cookies");
      if (tooMany(answer)) return;
      if (!answer.ok) return lost();
      await took(await answer.json());
    } catch {
      lost();
    }
  }

  function listen() {
    if (!window.EventSource) return;
    stream = new EventSource(`${base}/events`);
    stream.addEventListener("place", (event) => took(JSON.parse(event.data)).catch(lost));
    // The browser tries again by itself, or has given up; either way we look until news come again.
    stream.addEventListener("error", () => lookIn(Number(pollAfterMs)));
  }

  showTimes();
  setInterval(showTimes, 15000);
  if (opens) {
    // Not all at the same instant.
    const until = Number(opens) - Number(now) + Math.random() * 3000;
    setTimeout(() => location.reload(), Math.min(Math.max(until, 1000), 3600000));
    return;
  }
  lookIn(Number(pollAfterMs));
  listen();
  addEventListener("online", look);
  addEventListener("pageshow", (event) => { if (event.persisted) look(); });
})();
