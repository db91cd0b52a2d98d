// Gives the widget the reader's language, and lines up as soon as the puzzle is solved; the button is for who is faster.
"use strict";

const form = document.getElementById("proof");
const widget = form.querySelector("altcha-widget");
widget.setAttribute("strings", JSON.stringify({ ...widget.dataset }));

widget.addEventListener("statechange", (event) => {
  // Where a solution did not count, somebody presses the button: else this might go on for ever.
  if (event.detail.state !== "verified" || "again" in form.dataset) return;
  // The widget adds its field to the form after it has said so.
  setTimeout(() => form.requestSubmit(), 50);
});
