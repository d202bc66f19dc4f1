// The page at `/`: a view of the control surface, repainted when something changed.
(() => {
  "use strict";

  const $ = (id) => document.getElementById(id);
  const open = new Set();
  let painted = "";

  const text = (value) => document.createTextNode(value);
  const tag = (name, props = {}, ...children) => {
    const node = Object.assign(document.createElement(name), props);
    node.append(...children.filter(Boolean).map((child) => (typeof child === "string" ? text(child) : child)));
    return node;
  };

  const say = (words) => {
    $("toast").textContent = words;
    $("toast").classList.add("on");
    clearTimeout(say.timer);
    say.timer = setTimeout(() => $("toast").classList.remove("on"), 3500);
  };

  async function ask(method, path, body) {
    const response = await fetch(`/_sandbox${path}`, { method, body: body && JSON.stringify(body) });
    const value = await response.json();
    if (!response.ok) {
      say(value.message + (value.details ? `: ${value.details.map((d) => d.message).join(", ")}` : ""));
      throw new Error(value.message);
    }
    return value;
  }

  const act = (path, body, method = "POST") => async () => {
    try {
      const answer = await ask(method, path, body);
      if (answer.added) say(`At the bank: ${answer.added.length} new, ${answer.modified.length} changed, ${answer.removed.length} gone. The next execution will see it.`);
    } catch { /* said already */ }
    await repaint();
  };

  const button = (label, onclick, title) => tag("button", { onclick, title: title || "" }, label);
  const when = (at) => (at ? at.replace("T", " ").slice(0, 16) : "never");
  const money = (value, currency) => `${currency} ${Number(value).toLocaleString("pt-BR", { minimumFractionDigits: 2, maximumFractionDigits: 4 })}`;

  const EVERYTHING = ["add", "pending", "post_new_id", "post_same_id", "edit", "remove", "backdate"].map((kind) => ({ kind }));

  function buttons(item) {
    const at = `/items/${item.id}`;
    const row = tag("div", { className: "row" });
    if (item.parameter && item.parameter.type !== "oauth") {
      const value = tag("input", { value: item.parameter.options ? item.parameter.options[0].value : "123456", size: 8, ariaLabel: item.parameter.label });
      row.append(tag("span", {}, `${item.parameter.label}: `), value, button("Answer", () => act(`${at}/mfa`, { [item.parameter.name]: value.value })()));
    }
    if (item.parameter && item.parameter.type === "oauth") row.append(tag("a", { href: item.parameter.data, target: "_blank" }, "Bank's page"));
    if (item.status.startsWith("WAITING") || item.executionStatus.startsWith("USER_AUTHORIZATION")) row.append(button("Approve", act(`${at}/approve`), "The person approves at the bank"));
    if (item.status.startsWith("WAITING")) row.append(button("Refuse", act(`${at}/reject`)));
    row.append(
      button("Run", act(`${at}/run`, { triggeredBy: "SYNC" }), "As auto-sync would"),
      button("Change data", act(`${at}/evolve`, { changes: EVERYTHING }), "One change of every kind at the bank"),
      button("Break next execution", act(`${at}/break`, { executionStatus: "SITE_NOT_AVAILABLE" })),
      button("Revoke", act(`${at}/revoke`), "The person withdraws the consent"),
      button("Delete", act(at, undefined, "DELETE")),
      button(open.has(item.id) ? "Hide" : "Statement", () => { open.has(item.id) ? open.delete(item.id) : open.add(item.id); painted = ""; repaint(); }),
    );
    return row;
  }

  async function statement(item) {
    const { results } = await ask("GET", `/items/${item.id}/statement?size=8`);
    return tag("div", { className: "accounts" }, ...results.map((account) => tag("div", {},
      tag("p", { className: "facts" }, `${account.name} ${account.number} · ${money(account.balance, account.currencyCode)} · ${account.transactionsCount.toLocaleString()} transactions`),
      tag("table", {}, ...account.transactions.map((row) => tag("tr", { className: row.status === "PENDING" ? "pending" : "" },
        tag("td", { className: "mono" }, row.date.slice(0, 10)), tag("td", {}, row.description),
        tag("td", { className: "muted" }, row.category || ""), tag("td", { className: "num" }, money(row.amount, row.currencyCode))))))));
  }

  async function itemCard(item) {
    const facts = [`last success ${when(item.lastUpdatedAt)}`];
    if (item.nextAutoSyncAt) facts.push(`next auto-sync ${when(item.nextAutoSyncAt)}`);
    if (item.clientUserId) facts.push(item.clientUserId);
    if (item.error) facts.push(item.error.providerMessage || item.error.message);
    return tag("div", { className: "item" },
      tag("div", { className: "head" }, tag("img", { src: new URL(item.connector.imageUrl).pathname, alt: "" }), tag("b", {}, item.connector.name),
        tag("span", { className: `state ${item.status}` }, item.status), tag("span", { className: "muted mono" }, item.executionStatus)),
      tag("div", { className: "facts" }, tag("span", { className: "mono" }, item.id), ` · ${facts.join(" · ")}`),
      buttons(item), open.has(item.id) ? await statement(item) : null);
  }

  function delivery(entry) {
    const last = entry.attempts[entry.attempts.length - 1];
    const result = last ? last.status || last.error : entry.state;
    return tag("details", { className: "delivery" },
      tag("summary", {}, tag("i", { className: `dot ${entry.state}`, title: entry.state }), tag("span", {}, entry.event),
        tag("span", { className: "muted" }, `${result} · ${entry.attempts.length}×`)),
      tag("div", { className: "facts" }, entry.target.url), tag("pre", {}, JSON.stringify(entry.payload, null, 1)),
      button("Replay", act(`/deliveries/${entry.id}/replay`)));
  }

  async function repaint() {
    const [clock, items, deliveries, settings] = await Promise.all([ask("GET", "/clock"), ask("GET", "/items"), ask("GET", "/deliveries?latest=60"), ask("GET", "/settings")]);
    $("clock").textContent = `${when(clock.now)} UTC`;
    $("mode").value = settings.mode;
    const state = JSON.stringify([items, deliveries, [...open]]);
    if (state === painted || document.activeElement.tagName === "INPUT") return;
    painted = state;
    $("count").textContent = items.results.length || "";
    if (items.results.length) $("items").replaceChildren(...await Promise.all(items.results.slice().reverse().map(itemCard)));
    else $("items").replaceChildren(tag("p", { className: "empty" }, "No item yet. Press a test user above."));
    const wasOpen = document.querySelector(".delivery[open]");
    if (deliveries.results.length && !wasOpen) $("deliveries").replaceChildren(...deliveries.results.slice().reverse().map(delivery));
  }

  function parametersFor(login, user) {
    if (login === "open finance") return { cpf: "761.092.776-73" };
    if (login === "qr") return {};
    const pair = { user, password: "password-ok" };
    return login === "one step" ? { ...pair, token: "123456" } : pair;
  }

  $("users").addEventListener("click", async (event) => {
    const user = event.target.dataset.user;
    if (!user) return;
    const option = $("connector").selectedOptions[0];
    const parameters = parametersFor(option.dataset.login, user);
    if (option.textContent.includes("Cooperative")) parameters.cooperative = "0001";
    if (option.textContent.includes("Certificate")) parameters.certificate = "Y2VydA==";
    await act("/items", { connectorId: Number(option.value), parameters, clientUserId: $("client-user").value || undefined })();
  });
  document.querySelectorAll("[data-advance]").forEach((node) => node.addEventListener("click", act("/clock", { advanceSeconds: Number(node.dataset.advance) })));
  $("mode").addEventListener("change", (event) => { event.target.blur(); act("/settings", { mode: event.target.value }, "PUT")(); });

  const loop = async () => {
    try { await repaint(); } catch { /* the sandbox may be starting again */ }
    setTimeout(loop, 700);
  };
  loop();
})();
