// Keeps the numbers moving, and goes in when it is our turn. Without this script the page reloads itself.
"use strict";

const line = document.getElementById("line");
const base = `/.waiting-room/${line.dataset.room}`;
const json = { headers: { Accept: "application/json" } };
const show = (id, text) => { document.getElementById(id).textContent = text; };
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const minutes = (seconds) => (seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`);

function waitText(place) {
  if (place.phase === "prequeue") return "The doors are not open yet";
  if (place.switch === "paused") return "Paused for a moment";
  if (!place.wait_seconds) return "Not known right now";
  return `${minutes(place.wait_seconds.low)} to ${minutes(place.wait_seconds.high)}`;
}

function render(place) {
  show("ahead", place.ahead.toLocaleString());
  show("behind", place.behind.toLocaleString());
  show("wait", waitText(place));
  show("notice", place.holding ? "One moment: we are catching up. You keep your place." : "");
  document.title = `${place.ahead} ahead of you`;
}

async function look() {
  const answer = await fetch(`${base}/status`, json);
  if (answer.status === 401) return location.reload();
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const place = await answer.json();
  if (place.state === "waiting") {
    render(place);
    return place.poll_after_ms;
  }
  if (place.state === "called") await fetch(`${base}/claim`, { method: "POST", ...json });
  return location.reload();
}

async function follow() {
  let pause = Number(line.dataset.pollAfterMs);
  for (;;) {
    await later(pause);
    try {
      pause = await look();
      if (!pause) return;
    } catch {
      show("notice", "No connection right now. You keep your place; trying again.");
      pause = 3000;
    }
  }
}

follow();
