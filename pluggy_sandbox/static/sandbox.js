// The page at `/`: a view of the control surface. Each part is painted again when what it shows has changed.
(() => {
  "use strict";

  const $ = (id) => document.getElementById(id);
  const opened = new Set(); // ids of Items whose statement is shown, and of deliveries whose details are
  const painted = {};

  function tag(name, props = {}, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(props)) {
      if (key === "data") Object.assign(node.dataset, value);
      else if (key.startsWith("aria-")) node.setAttribute(key, value);
      else node[key] = value;
    }
    node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
    return node;
  }

  function say(words) {
    $("toast").textContent = words;
    $("toast").classList.add("on");
    clearTimeout(say.timer);
    say.timer = setTimeout(() => $("toast").classList.remove("on"), 4000);
  }

  async function ask(method, path, body) {
    const response = await fetch(`/_sandbox${path}`, { method, body: body && JSON.stringify(body) });
    const value = await response.json();
    if (!response.ok) {
      const details = (value.details || []).map((detail) => detail.message).join(", ");
      throw new Error(details ? `${value.message}: ${details}` : value.message);
    }
    return value;
  }

  // Do one thing, say what came of it (or what went wrong), and paint. *done*: the words, or what makes them.
  async function act(method, path, body, done) {
    try {
      const answer = await ask(method, path, body);
      say(typeof done === "function" ? done(answer) : done);
    } catch (error) {
      say(error.message);
    }
    await repaint();
  }

  const button = (label, onclick, title = "") => tag("button", { type: "button", onclick, title }, label);
  const minute = (at) => (at ? at.replace("T", " ").slice(0, 16) : "never");
  const second = (at) => at.replace("T", " ").slice(0, 19);
  const money = (value, currency) => `${currency} ${Number(value).toLocaleString("pt-BR", { minimumFractionDigits: 2, maximumFractionDigits: 4 })}`;

  // Items

  const EVERYTHING = ["add", "pending", "post_new_id", "post_same_id", "edit", "remove", "backdate"].map((kind) => ({ kind }));
  const atTheBank = (done) => `At the bank: ${done.added.length} new, ${done.modified.length} changed, ${done.removed.length} gone. The next execution will see it.`;

  let realDeadlines = false; // what a person is asked for is due in real time, whatever the clock does

  function question(item) {
    const asked = item.parameter || item.userAction;
    if (!asked) return null;
    const at = `/items/${item.id}`;
    const box = tag("div", { className: "question" });
    box.append(tag("p", {}, tag("b", {}, asked.label || "QR code"), ` ${asked.assistiveText || asked.instructions || ""}`,
      tag("span", { className: "muted" }, ` until ${second(asked.expiresAt).slice(11)} UTC${realDeadlines ? ", in real time" : ""}`)));
    if (asked.type === "image") box.append(tag("img", { className: "captcha", alt: "The digits to type", src: `data:image/png;base64,${asked.data}` }));
    if (asked.type === "oauth") {
      box.append(tag("div", { className: "row" }, tag("a", { className: "button", href: new URL(asked.data).pathname + new URL(asked.data).search, target: "_blank" }, "Open the bank's page"), decisions(at)));
    } else if (item.userAction) {
      box.append(tag("div", { className: "row" }, decisions(at)));
    } else {
      const value = asked.options
        ? tag("select", { "aria-label": asked.label }, asked.options.map((option) => tag("option", { value: option.value }, option.label)))
        : tag("input", { value: "123456", size: 8, autocomplete: "off", "aria-label": asked.label });
      box.append(tag("div", { className: "row" }, value, button("Answer", () => act("POST", `${at}/mfa`, { [asked.name]: value.value }, "Answered: the execution goes on."))));
    }
    return box;
  }

  const decisions = (at) => [
    button("Approve", () => act("POST", `${at}/approve`, undefined, "The person has approved."), "The person approves at the bank"),
    button("Refuse", () => act("POST", `${at}/reject`, undefined, "The person has refused."), "The person refuses at the bank"),
  ];

  function controls(item) {
    const at = `/items/${item.id}`;
    const waitsAtBank = !item.status.startsWith("WAITING") && ["USER_AUTHORIZATION_PENDING", "USER_AUTHORIZATION_NOT_GRANTED"].includes(item.executionStatus);
    const shown = opened.has(item.id);
    return tag("div", { className: "row small" },
      waitsAtBank ? button("Approve", () => act("POST", `${at}/approve`, undefined, "The person has approved."), "The person approves at the bank") : null,
      button("Execute", () => act("POST", `${at}/run`, { triggeredBy: "SYNC" }, "An execution has begun."), "As auto-sync would"),
      button("Change data", () => act("POST", `${at}/evolve`, { changes: EVERYTHING }, atTheBank), "One change of every kind at the bank"),
      button("Break next execution", () => act("POST", `${at}/break`, { executionStatus: "SITE_NOT_AVAILABLE" }, "The next execution will find the bank down.")),
      button("Revoke", () => act("POST", `${at}/revoke`, undefined, "The person withdrew the consent."), "The person withdraws the consent"),
      button("Delete", () => confirm(`Delete the Item ${item.id}, with all its data?`) && act("DELETE", at, undefined, "The Item is deleted."), "As Pluggy deletes an Item"),
      tag("button", { type: "button", "aria-expanded": String(shown), onclick: () => { shown ? opened.delete(item.id) : opened.add(item.id); repaint(); } }, shown ? "Hide statement" : "Statement"));
  }

  async function statement(item) {
    const { results } = await ask("GET", `/items/${item.id}/statement?size=8`);
    if (!results.length) return tag("p", { className: "empty" }, "No account yet.");
    return tag("div", { className: "accounts" }, results.map((account) => tag("div", {},
      tag("p", { className: "facts" }, `${account.name} ${account.number} · ${money(account.balance, account.currencyCode)} · ${account.transactionsCount.toLocaleString()} transactions`),
      tag("table", {}, account.transactions.map((row) => tag("tr", { className: row.status === "PENDING" ? "pending" : "" },
        tag("td", { className: "mono day" }, row.date.slice(0, 10)), tag("td", {}, row.description),
        tag("td", { className: "muted category" }, row.category || ""), tag("td", { className: "num" }, money(row.amount, row.currencyCode))))))));
  }

  async function itemCard(item) {
    const facts = [`last success ${minute(item.lastUpdatedAt)}`];
    if (item.nextAutoSyncAt) facts.push(`next auto-sync ${minute(item.nextAutoSyncAt)}`);
    if (item.clientUserId) facts.push(item.clientUserId);
    return tag("article", { className: "item" },
      tag("div", { className: "head" }, tag("img", { src: new URL(item.connector.imageUrl).pathname, alt: "" }), tag("b", {}, item.connector.name),
        tag("span", { className: `state ${item.status}` }, item.status), item.executionStatus === item.status ? null : tag("span", { className: "muted mono" }, item.executionStatus)),
      tag("div", { className: "facts" }, tag("span", { className: "mono" }, item.id), ` · ${facts.join(" · ")}`),
      item.error ? tag("p", { className: "error" }, item.error.providerMessage || item.error.message) : null,
      question(item), controls(item), opened.has(item.id) ? await statement(item) : null);
  }

  // Faults

  const ENDED = "That is over.";

  function faultLines({ faults, health }) {
    const lines = faults.requests.filter((rule) => rule.times !== 0).map((rule) => {
      const what = rule.do === "status" ? rule.status : rule.do === "slow" ? `slow, ${rule.seconds} s` : rule.do.replace("_", " ");
      const left = faults.requests.filter((other) => other !== rule);
      return [`${rule.endpoint === "*" ? "every request" : rule.endpoint}: ${what}${rule.times === null ? "" : `, ${rule.times}× more`}`, () => act("PUT", "/faults", { ...faults, requests: left }, ENDED)];
    });
    const { loss, duplicate, disorder, delaySeconds } = faults.deliveries;
    const deliveries = [loss && `${Math.round(loss * 100)} of 100 lost`, duplicate && `${Math.round(duplicate * 100)} of 100 twice`, disorder && "out of order", delaySeconds[1] && `late by ${delaySeconds[1]} s`].filter(Boolean);
    if (deliveries.length) lines.push([`deliveries: ${deliveries.join(", ")}`, () => act("PUT", "/faults", { ...faults, deliveries: {} }, ENDED)]);
    if (faults.notFoundAfterEvent) lines.push([`404 ${faults.notFoundAfterEvent}× after each event`, () => act("PUT", "/faults", { ...faults, notFoundAfterEvent: 0 }, ENDED)]);
    for (const [connector, status] of Object.entries(health)) {
      if (status !== "ONLINE") lines.push([`institution ${connector}: ${status}`, () => act("PUT", `/connectors/${connector}/health`, { status: "ONLINE" }, ENDED)]);
    }
    return lines;
  }

  function paintFaults(state) {
    const lines = faultLines(state);
    $("fault-count").textContent = lines.length || "";
    $("faults").replaceChildren(lines.length
      ? tag("ul", { className: "faults" }, lines.map(([words, end]) => tag("li", {}, tag("span", {}, words), button("End", end))))
      : tag("p", { className: "empty" }, "All is well."));
  }

  // The form says what there is, so that applying it anew brings back nothing that was ended.
  function fillDeliveryFaults({ deliveries, notFoundAfterEvent }) {
    const { elements } = $("delivery-faults");
    elements.loss.value = Math.round(deliveries.loss * 100);
    elements.duplicate.value = Math.round(deliveries.duplicate * 100);
    elements.delaySeconds.value = deliveries.delaySeconds[1];
    elements.notFoundAfterEvent.value = notFoundAfterEvent;
    elements.disorder.checked = deliveries.disorder;
  }

  // Deliveries

  // A long name may go on in the next line after its slash.
  const breakable = (name) => name.split("/").flatMap((word, n) => (n ? ["/", tag("wbr"), word] : [word]));

  function delivery(entry) {
    const last = entry.attempts[entry.attempts.length - 1];
    const result = last ? String(last.status || last.error) : entry.state;
    const node = tag("details", { className: "delivery", open: opened.has(entry.id), data: { id: entry.id } },
      tag("summary", {}, tag("i", { className: `dot ${entry.state}`, title: entry.state }), tag("span", { className: "event" }, breakable(entry.event)),
        tag("span", { className: "muted" }, entry.attempts.length > 1 ? `${result} · ${entry.attempts.length}×` : result)),
      tag("dl", {},
        tag("dt", {}, "state"), tag("dd", {}, entry.state),
        tag("dt", {}, "to"), tag("dd", { className: "mono" }, entry.target.url),
        tag("dt", {}, "event id"), tag("dd", { className: "mono" }, entry.eventId || "none")),
      entry.attempts.length ? tag("table", {}, tag("tr", {}, tag("th", {}, "attempt"), tag("th", {}, "answer"), tag("th", { className: "num" }, "took")),
        entry.attempts.map((attempt) => tag("tr", {}, tag("td", { className: "mono" }, second(attempt.at)), tag("td", {}, String(attempt.status || attempt.error)), tag("td", { className: "num" }, `${Math.round(attempt.seconds * 1000)} ms`)))) : null,
      tag("pre", { tabIndex: 0, "aria-label": "payload" }, JSON.stringify(entry.payload, null, 2)),
      button("Send again", () => act("POST", `/deliveries/${entry.id}/replay`, undefined, "Sent again, with the same event id."), "With the same eventId"));
    node.addEventListener("toggle", () => (node.open ? opened.add(entry.id) : opened.delete(entry.id)));
    return node;
  }

  function paintDeliveries(deliveries, webhooks) {
    const wanted = $("shown").value.split(" ").filter(Boolean);
    const shown = deliveries.filter((entry) => !wanted.length || wanted.includes(entry.state)).reverse();
    const target = webhooks.length ? `What happens to an Item is sent to ${webhooks.join(", ")}.` : "Register a webhook with POST /webhooks.";
    const none = deliveries.length ? "None of these." : `Nothing delivered yet. ${target}`;
    $("deliveries").replaceChildren(...(shown.length ? shown.map(delivery) : [tag("p", { className: "empty" }, none)]));
  }

  // The whole

  const counted = (number, word) => `${number} ${word}${Number(number) === 1 ? "" : "s"}`;

  function paintClock({ now, realNow, speed, mode }) {
    $("now").textContent = `${second(now)} UTC`;
    $("now").dateTime = now;
    const minutes = Math.round((Date.parse(now) - Date.parse(realNow)) / 60000);
    const days = Math.abs(minutes) / 1440;
    const distance = days >= 1 ? counted(days.toFixed(days % 1 < 0.05 ? 0 : 1), "day") : counted(Math.abs(minutes), "minute");
    $("ahead").textContent = minutes ? `${distance} ${minutes > 0 ? "ahead of" : "behind"} real time` : "real time";
    if (![...$("speed").options].some((option) => Number(option.value) === speed)) $("speed").append(tag("option", { value: String(speed) }, `${speed} seconds a second`));
    if (document.activeElement !== $("speed")) $("speed").value = String(speed);
    if (document.activeElement !== $("mode")) $("mode").value = mode;
  }

  // Paint a part if what it shows changed, unless somebody is typing in it.
  async function part(name, state, paint) {
    const text = JSON.stringify(state);
    const active = document.activeElement;
    const typing = $(name).contains(active) && ["INPUT", "SELECT"].includes(active.tagName);
    if (painted[name] === text || typing) return;
    painted[name] = text;
    await paint();
  }

  let asked = 0;

  async function repaint() {
    const mine = ++asked;
    const state = await ask("GET", "/overview");
    if (mine !== asked) return; // somebody asked later, and knows more
    paintClock(state);
    realDeadlines = state.realDeadlines;
    $("deadlines").hidden = !realDeadlines;
    await part("items", [state.items, realDeadlines, [...opened]], async () => {
      $("count").textContent = state.items.length || "";
      const cards = await Promise.all(state.items.slice().reverse().map(itemCard));
      if (cards.length) $("items").replaceChildren(...cards);
      else $("items").replaceChildren(tag("p", { className: "empty" }, "No Item yet. Press a test user."));
    });
    await part("faults", [state.faults, state.health], () => paintFaults(state));
    const { deliveries, notFoundAfterEvent } = state.faults;
    await part("delivery-faults", [deliveries, notFoundAfterEvent], () => fillDeliveryFaults(state.faults));
    await part("deliveries", [state.deliveries, state.webhooks, $("shown").value], () => paintDeliveries(state.deliveries, state.webhooks));
  }

  const chosen = () => $("connector").selectedOptions[0];
  function offer() {
    for (const node of document.querySelectorAll("[data-for]")) node.hidden = !node.dataset.for.split("|").includes(chosen().dataset.login);
  }

  function credentials({ user, cpf }) {
    const values = { user, password: "password-ok", token: $("code").value, cpf, cooperative: "0001", certificate: "Y2VydA==" };
    return Object.fromEntries(chosen().dataset.needs.split(" ").filter(Boolean).map((name) => [name, values[name]]));
  }

  document.querySelectorAll("[data-user],[data-cpf],[data-nobody]").forEach((node) => node.addEventListener("click", () =>
    act("POST", "/items", { connectorId: Number(chosen().value), parameters: credentials(node.dataset), clientUserId: $("client-user").value || undefined },
      "Connecting: see its card below.")));
  $("connector").addEventListener("change", offer);
  $("shown").addEventListener("change", () => repaint());
  document.querySelectorAll("[data-advance]").forEach((node) => node.addEventListener("click", () => act("POST", "/clock", { advanceSeconds: Number(node.dataset.advance) }, ({ now }) => `It is ${second(now)} UTC now.`)));
  $("mode").addEventListener("change", ({ target }) => { target.blur(); act("PUT", "/settings", { mode: target.value }, target.value === "production" ? "Items sync by themselves now." : "Items sync only when told now."); });
  $("speed").addEventListener("change", ({ target }) => { target.blur(); act("POST", "/clock", { speed: Number(target.value) }, "The clock has another speed."); });

  const onSubmit = (id, send) => $(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    await send(new FormData(event.target));
  });
  onSubmit("request-fault", async (form) => {
    const [kind, status] = form.get("do").split(" ");
    const rule = { endpoint: form.get("endpoint"), do: kind, times: form.get("times") ? Number(form.get("times")) : null };
    if (status) rule.status = Number(status);
    if (kind === "slow") rule.seconds = Number(form.get("seconds"));
    const { faults } = await ask("GET", "/overview");
    await act("PUT", "/faults", { ...faults, requests: [...faults.requests.filter((other) => other.times !== 0), rule] }, "Requests go wrong now.");
  });
  onSubmit("delivery-faults", async (form) => {
    const { faults } = await ask("GET", "/overview");
    const late = Number(form.get("delaySeconds"));
    const deliveries = { loss: Number(form.get("loss")) / 100, duplicate: Number(form.get("duplicate")) / 100, disorder: form.has("disorder"), delaySeconds: [0, late] };
    await act("PUT", "/faults", { ...faults, deliveries, notFoundAfterEvent: Number(form.get("notFoundAfterEvent")) }, "Applied.");
  });
  onSubmit("health", (form) => act("PUT", `/connectors/${form.get("connector")}/health`, { status: form.get("status") }, ({ status }) => `The institution is ${status}.`));

  async function loop() {
    try {
      if (!document.hidden) await repaint();
      document.body.classList.remove("away");
    } catch {
      document.body.classList.add("away"); // the sandbox may be starting again
    }
    setTimeout(loop, 1000);
  }
  offer();
  loop();
})();
