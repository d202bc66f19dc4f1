// Says so when a part of the page could not be loaded: old figures must not pass for new ones.
"use strict";

document.addEventListener("htmx:afterRequest", (event) => {
  const main = document.getElementById("main");
  const said = document.getElementById("stale");
  if (event.detail.successful) {
    if (said) said.remove();
    return;
  }
  if (said || event.detail.xhr.status === 401) return;
  const note = document.createElement("p");
  note.id = "stale";
  note.className = "said bad";
  note.setAttribute("role", "alert");
  note.textContent = "The console does not answer. What you see is older than it says.";
  main.prepend(note);
});
