// The person's page: counts down, follows the server, opens the widget. Without it the page still works, by reloading.
"use strict";

const POLL_MS = 3000;
const SEND_MS = 35000;
// Time to read the widget's last screen, if it does not close by itself.
const WIDGET_END_MS = 4000;
let stream = null;
let polling = null;
let ticking = null;
let waiting = null;
// While the widget is open, or something typed is on its way, the page is left as it is.
let busy = false;

const main = () => document.getElementById("main");
const address = (path) => main().dataset.page + path;
const load = (path, options) => fetch(path, { credentials: "omit", ...options });

// ---- painting anew what the server shows, without losing what is typed

async function repaint() {
  clearTimeout(waiting);
  if (busy) return;
  try {
    const response = await load(main().dataset.page, { headers: { Accept: "text/html" } });
    // Trouble that passes is no reason to take away what is on the screen.
    if (response.ok || isGone(response)) paint(await response.text());
    else later();
  } catch {
    later();
  }
}

function later() {
  waiting = setTimeout(repaint, POLL_MS);
}

const isGone = (response) => response.status === 410 || response.status === 404;

function paint(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  const fresh = parsed.querySelector("main");
  const old = main();
  if (!fresh || busy) return;
  // The widget's screen has a policy of its own, so it needs a real load.
  if ((fresh.dataset.screen === "connect") !== (old.dataset.screen === "connect") && fresh.dataset.page) {
    location.replace(fresh.dataset.page);
    return;
  }
  const typed = old.querySelector("#value");
  const moved = fresh.dataset.screen !== old.dataset.screen;
  // A screen reader stands where it stood, also when the same screen is painted anew.
  const reading = old.querySelector("h1") === document.activeElement;
  old.replaceWith(document.adoptNode(fresh));
  document.title = parsed.title;
  if (fresh.dataset.page) history.replaceState(null, "", fresh.dataset.page);
  const field = main().querySelector("#value");
  if (typed && field && !moved) {
    field.value = typed.value;
    field.focus();
  }
  if (moved || reading) (moved && field ? field : main().querySelector("h1")).focus();
  begin();
}

// ---- following

function heard(version) {
  if (!busy && version !== main().dataset.version) repaint();
}

function follow() {
  unfollow();
  if (busy || main().dataset.watched === undefined || document.hidden) return;
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
      const response = await load(address("/version"));
      if (response.ok) heard((await response.json()).version);
      // The link is over: the page says so.
      else if (isGone(response)) repaint();
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
  const again = document.getElementById("again");
  if (!box) return;
  const ahead = Date.now() - Date.parse(box.dataset.now);
  const until = Date.parse(box.dataset.until);
  const clock = box.querySelector(".clock");
  const tick = () => {
    const left = Math.max(0, Math.ceil((until - (Date.now() - ahead)) / 1000));
    const [hours, minutes, seconds] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
    const two = (number) => String(number).padStart(2, "0");
    clock.textContent = hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
    box.classList.toggle("soon", left <= 30 && main().dataset.screen !== "wait" && !again);
    box.hidden = left > 48 * 3600 || (again && left === 0);
    if (again) again.hidden = left > 0;
    if (left === 0) {
      clearInterval(ticking);
      if (!again) waiting = setTimeout(repaint, 1000);
    }
  };
  tick();
  ticking = setInterval(tick, 1000);
}

// ---- forms: once, in the form that the bank wants, and without losing what is typed when the network is away

function watchForms() {
  for (const form of main().querySelectorAll("form")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const field = form.querySelector("#value");
      if (field) tidy(field);
      if (!busy && (!field || fits(field))) send(form);
    });
    form.addEventListener("input", (event) => event.target.setCustomValidity && event.target.setCustomValidity(""));
    form.addEventListener("change", (event) => tidy(event.target));
  }
}

// A code is copied as "123 456".
function tidy(field) {
  if (field.dataset.digits === undefined) return;
  const joined = field.value.replace(/[\s.\u2010-\u2015-]+/g, "");
  if (/^[0-9]+$/.test(joined)) field.value = joined;
}

function fits(field) {
  if (field.dataset.form === undefined) return true;
  let expression;
  try { expression = new RegExp(field.dataset.form); } catch { return true; }
  if (field.value.length > 100 || expression.test(field.value.trim())) return true;
  field.setCustomValidity(field.dataset.formMessage || "");
  field.reportValidity();
  return !field.dataset.formMessage;
}

async function send(form) {
  const button = form.querySelector("button");
  const label = button.textContent;
  const body = new URLSearchParams(new FormData(form));
  say(form, null);
  busy = true;
  unfollow();
  // Not disabled: it would lose the focus.
  button.setAttribute("aria-disabled", "true");
  button.textContent = main().dataset.sending;
  const given = new AbortController();
  const tooLong = setTimeout(() => given.abort(), SEND_MS);
  try {
    const response = await load(form.action, { method: "POST", body, signal: given.signal });
    const html = await response.text();
    busy = false;
    paint(html);
  } catch {
    // It may have arrived all the same: following shows it.
    busy = false;
    button.removeAttribute("aria-disabled");
    button.textContent = label;
    say(form, main().dataset.offline);
    follow();
  } finally {
    clearTimeout(tooLong);
  }
}

function say(form, text) {
  const old = document.getElementById("error");
  if (old) old.remove();
  if (text === null) return;
  const error = document.createElement("p");
  error.id = "error";
  error.className = "error";
  error.setAttribute("role", "alert");
  error.textContent = text;
  form.before(error);
}

// ---- another device for what this one cannot read

function watchSharing() {
  const share = document.getElementById("share");
  const copy = document.getElementById("copy");
  if (share && navigator.share) {
    share.hidden = false;
    // The person may close the sheet again: that is no failure.
    share.addEventListener("click", () => navigator.share({ text: share.dataset.text, url: location.href }).catch(() => {}));
  }
  if (copy && navigator.clipboard) {
    copy.hidden = false;
    if (share && share.hidden) copy.className = "primary";
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(location.href);
        copy.textContent = copy.dataset.copied;
      } catch { /* not allowed: the address stands in the browser's bar */ }
    });
  }
}

// ---- the widget: while it is open the page does not follow the Item, and takes nothing away

function watchConnect() {
  const button = document.getElementById("connect");
  if (!button) return;
  button.hidden = false;
  const label = button.textContent;
  const error = document.getElementById("connect-error");
  const ready = () => {
    busy = false;
    button.disabled = false;
    button.textContent = label;
    follow();
  };
  const failed = () => {
    error.textContent = button.dataset.failed;
    error.hidden = false;
    ready();
  };
  button.addEventListener("click", async () => {
    busy = true;
    unfollow();
    button.disabled = true;
    button.textContent = button.dataset.opening;
    error.hidden = true;
    try {
      await loadScript(button.dataset.script);
      const response = await load(address("/connect-token"), { method: "POST" });
      if (!response.ok) throw new Error(String(response.status));
      open(await response.json());
    } catch {
      failed();
    }
  });

  async function open(made) {
    // What the person did in the widget is told once it has closed, or has come to its good end.
    let acted = false;
    let ended = false;
    const end = async () => {
      if (ended) return;
      ended = true;
      if (acted) await tell();
      else ready();
    };
    const widget = new window.PluggyConnect({
      connectToken: made.accessToken,
      updateItem: made.itemId,
      includeSandbox: made.includeSandbox,
      language: button.dataset.language,
      onSuccess: () => {
        acted = true;
        setTimeout(end, WIDGET_END_MS);
      },
      // The widget says what went wrong, and lets the person try again.
      onError: (problem) => { acted = acted || Boolean(problem && problem.data && problem.data.item); },
      onClose: end,
    });
    try {
      await widget.init();
    } catch {
      ended = true;
      failed();
    }
  }
}

async function tell() {
  try {
    await load(address("/connected"), { method: "POST", redirect: "manual" });
  } catch { /* the Item's event tells it too */ }
  location.replace(main().dataset.page);
}

function loadScript(script) {
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

// ---- logos that do not load

function watchLogos() {
  for (const logo of document.querySelectorAll("img.logo")) {
    const replace = () => {
      const letter = document.createElement("span");
      letter.className = "logo letter";
      letter.setAttribute("aria-hidden", "true");
      letter.textContent = logo.dataset.letter;
      logo.replaceWith(letter);
    };
    if (logo.complete && logo.naturalWidth === 0) replace();
    else logo.addEventListener("error", replace);
  }
}

// ----

function begin() {
  countDown();
  watchForms();
  watchSharing();
  watchConnect();
  follow();
}

document.addEventListener("visibilitychange", follow);
// Back shows what was kept in memory: look again.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
watchLogos();
begin();
