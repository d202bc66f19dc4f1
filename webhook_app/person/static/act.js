// The person's page: counts down, follows the server, opens the widget. Without it the page still works, by reloading.
"use strict";

const POLL_MS = 3000;
let stream = null;
let polling = null;
let ticking = null;

const main = () => document.getElementById("main");
const address = (path) => main().dataset.page + path;

// ---- painting anew what the server shows, without losing what is typed

async function repaint() {
  const response = await fetch(main().dataset.page, { credentials: "omit", headers: { Accept: "text/html" } });
  const html = await response.text();
  const fresh = new DOMParser().parseFromString(html, "text/html").querySelector("main");
  if (!fresh) return;
  if (!fresh.dataset.version) { location.reload(); return; }
  const old = main();
  // The widget's screen has a policy of its own, so it needs a real load.
  if ((fresh.dataset.screen === "connect") !== (old.dataset.screen === "connect")) {
    location.replace(fresh.dataset.page);
    return;
  }
  const typed = old.querySelector("#value");
  const moved = fresh.dataset.screen !== old.dataset.screen;
  // A screen reader stands where it stood, also when the same screen is painted anew.
  const reading = old.querySelector("h1") === document.activeElement;
  old.replaceWith(document.adoptNode(fresh));
  document.title = new DOMParser().parseFromString(html, "text/html").title;
  history.replaceState(null, "", fresh.dataset.page);
  const field = main().querySelector("#value");
  if (typed && field && !moved) {
    field.value = typed.value;
    field.focus();
  }
  if (moved || reading) main().querySelector("h1").focus();
  begin();
}

// ---- following

function heard(version) {
  if (version !== main().dataset.version) repaint();
}

function follow() {
  unfollow();
  if (main().dataset.watched === undefined || document.hidden) return;
  stream = new EventSource(address("/changes"));
  stream.onmessage = (message) => heard(message.data);
  stream.onerror = () => {
    // A stream that ended opens again by itself; one that was refused does not.
    if (stream && stream.readyState === EventSource.CLOSED) poll();
  };
}

function poll() {
  unfollow();
  polling = setInterval(async () => {
    try {
      const response = await fetch(address("/version"), { credentials: "omit" });
      if (response.ok) heard((await response.json()).version);
    } catch { /* the network is away: the next turn tries again */ }
  }, POLL_MS);
}

function unfollow() {
  if (stream) stream.close();
  clearInterval(polling);
  stream = polling = null;
}

// ---- counting down, by the server's clock

function countDown() {
  clearInterval(ticking);
  const box = main().querySelector(".countdown");
  if (!box) return;
  const ahead = Date.now() - Date.parse(box.dataset.now);
  const until = Date.parse(box.dataset.until);
  const clock = box.querySelector(".clock");
  const tick = () => {
    const left = Math.max(0, Math.ceil((until - (Date.now() - ahead)) / 1000));
    const [hours, minutes, seconds] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
    const two = (number) => String(number).padStart(2, "0");
    clock.textContent = hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
    box.classList.toggle("soon", left <= 30 && main().dataset.screen !== "wait");
    box.hidden = left > 48 * 3600;
    if (left === 0) {
      clearInterval(ticking);
      setTimeout(repaint, 1000);
    }
  };
  tick();
  ticking = setInterval(tick, 1000);
}

// ---- forms: once, and in the form that the bank wants

function watchForms() {
  for (const form of main().querySelectorAll("form")) {
    form.addEventListener("submit", (event) => {
      const field = form.querySelector("[data-form]");
      if (field && !fits(field)) {
        event.preventDefault();
        return;
      }
      const button = form.querySelector("button");
      if (button.disabled) event.preventDefault();
      button.disabled = true;
    });
    form.addEventListener("input", (event) => event.target.setCustomValidity && event.target.setCustomValidity(""));
  }
}

function fits(field) {
  let expression;
  try { expression = new RegExp(field.dataset.form); } catch { return true; }
  if (field.value.length > 100 || expression.test(field.value.trim())) return true;
  field.setCustomValidity(field.dataset.formMessage || "");
  field.reportValidity();
  return !field.dataset.formMessage;
}

// ---- the widget

function watchConnect() {
  const button = document.getElementById("connect");
  if (!button) return;
  button.hidden = false;
  const label = button.textContent;
  const ready = () => { button.disabled = false; button.textContent = label; };
  const failed = () => {
    const error = document.getElementById("connect-error");
    error.textContent = button.dataset.failed;
    error.hidden = false;
    ready();
  };
  button.addEventListener("click", async () => {
    button.disabled = true;
    button.textContent = button.dataset.opening;
    document.getElementById("connect-error").hidden = true;
    try {
      await load(button.dataset.script);
      const response = await fetch(address("/connect-token"), { method: "POST", credentials: "omit" });
      if (!response.ok) throw new Error(String(response.status));
      const made = await response.json();
      const widget = new window.PluggyConnect({
        connectToken: made.accessToken,
        updateItem: made.itemId,
        includeSandbox: made.includeSandbox,
        language: button.dataset.language,
        onSuccess: acted,
        onError: (error) => (error && error.data && error.data.item ? acted() : failed()),
        onClose: ready,
      });
      await widget.init();
    } catch {
      failed();
    }
  });
}

async function acted() {
  await fetch(address("/connected"), { method: "POST", credentials: "omit", redirect: "manual" });
  location.replace(main().dataset.page);
}

function load(script) {
  if (window.PluggyConnect) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.src = script;
    element.referrerPolicy = "no-referrer";
    element.onload = resolve;
    element.onerror = reject;
    document.head.append(element);
  });
}

// ----

function begin() {
  countDown();
  watchForms();
  watchConnect();
  follow();
}

document.addEventListener("visibilitychange", follow);
// Back shows what was kept in memory: look again.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
begin();
