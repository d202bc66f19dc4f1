/*
 * A stand-in for the Pluggy Connect widget (Pluggy facts 4.4): the same constructor, options and callbacks,
 * talking to the sandbox that served this script.
 */
(() => {
  "use strict";

  const BASE = new URL(document.currentScript.src).origin;
  const POLL_MS = 400;
  const RUNNING = ["UPDATING", "MERGING"];

  const WORDS = {
    pt: {
      choose: "Escolha sua instituição", search: "Buscar", connect: "Conectar", back: "Voltar", close: "Fechar",
      working: "Conectando com segurança…", stay: "Isso leva alguns segundos.", again: "Tentar de novo",
      done: "Conexão concluída", doneText: "Seus dados já podem ser usados.", send: "Enviar",
      consent: "Ao continuar, você autoriza a leitura dos seus dados.", go: "Continuar",
      bank: "Ir para o banco", bankText: "Autorize o acesso na página do seu banco. Esta tela segue sozinha.",
      qr: "Leia o código com o aplicativo do banco", simulate: "Simular a leitura", refuse: "Simular uma recusa", minimise: "Continuar em segundo plano",
      failed: "Não foi possível conectar", left: "Tempo restante", none: "Nenhuma instituição encontrada",
      invalid: "Confira os dados informados.", locked: "Pendente de autorização no banco.",
    },
    en: {
      choose: "Choose your institution", search: "Search", connect: "Connect", back: "Back", close: "Close",
      working: "Connecting securely…", stay: "This takes a few seconds.", again: "Try again",
      done: "Connected", doneText: "Your data is ready to use.", send: "Send",
      consent: "By continuing you allow your data to be read.", go: "Continue",
      bank: "Go to the bank", bankText: "Allow access on your bank's page. This screen goes on by itself.",
      qr: "Scan the code with your bank's app", simulate: "Simulate the scan", refuse: "Simulate a refusal", minimise: "Go on in the background",
      failed: "The connection failed", left: "Time left", none: "No institution found",
      invalid: "Check what you entered.", locked: "Waiting for authorization at the bank.",
    },
  };

  const STYLE = `
    :host{all:initial}
    *{box-sizing:border-box;font-family:system-ui,-apple-system,"Segoe UI",sans-serif}
    .veil{position:fixed;inset:0;z-index:2147483000;display:grid;place-items:center;background:#0b1020b3}
    .box{--bg:#fff;--fg:#161b26;--soft:#667085;--line:#e3e6ec;--accent:#ef294b;width:min(26rem,100vw);height:min(40rem,100vh);
      display:flex;flex-direction:column;background:var(--bg);color:var(--fg);border-radius:18px;overflow:hidden;box-shadow:0 20px 60px #0006}
    .dark{--bg:#171b26;--fg:#eef1f7;--soft:#9aa4b8;--line:#2b3243}
    @media (max-width:26rem){.box:not(.modal,.inline){border-radius:0;height:100vh}}
    .box.modal{max-height:90vh;max-width:94vw}
    .box.inline{width:100%;height:100%;min-height:26rem;box-shadow:none;border:1px solid var(--line)}
    header{display:flex;align-items:center;gap:.75rem;padding:1rem 1.25rem;border-bottom:1px solid var(--line)}
    header b{flex:1;font-size:1rem}
    main{flex:1;overflow:auto;padding:1.25rem}
    h2{margin:0 0 .75rem;font-size:1.15rem}
    p{margin:.25rem 0 1rem;color:var(--soft);line-height:1.45;font-size:.95rem}
    button,input,select{font:inherit;font-size:1rem;color:inherit}
    button{cursor:pointer;border-radius:10px;border:1px solid var(--line);background:transparent;padding:.75rem 1rem;width:100%}
    button.main{background:var(--accent);border-color:var(--accent);color:#fff;font-weight:600}
    button.icon{width:auto;border:0;padding:.25rem .5rem;font-size:1.1rem;color:var(--soft)}
    button:focus-visible,input:focus-visible,select:focus-visible{outline:3px solid #7aa7ff;outline-offset:1px}
    .bank{display:flex;align-items:center;gap:.85rem;text-align:left;margin-bottom:.5rem}
    .bank img{width:2.25rem;height:2.25rem;border-radius:9px}
    .bank small{display:block;color:var(--soft)}
    label{display:block;margin:0 0 .9rem;font-size:.9rem;font-weight:600}
    label small{display:block;font-weight:400;color:var(--soft);margin-top:.15rem}
    input,select{width:100%;margin-top:.35rem;padding:.7rem .8rem;border:1px solid var(--line);border-radius:10px;background:var(--bg)}
    .spin{width:3rem;height:3rem;margin:4rem auto 1.5rem;border:4px solid var(--line);border-top-color:var(--accent);border-radius:50%;animation:t 1s linear infinite}
    @keyframes t{to{transform:rotate(1turn)}}
    .mark{width:4rem;height:4rem;margin:3rem auto 1.25rem;border-radius:50%;display:grid;place-items:center;font-size:2rem;color:#fff;background:#1f9d61}
    .mark.bad{background:#d92d20}
    .center{text-align:center}
    .error{background:#fee4e2;color:#912018;border-radius:10px;padding:.7rem .9rem;margin-bottom:1rem;font-size:.92rem}
    .qr{width:11rem;height:11rem;margin:0 auto 1rem;display:grid;grid-template-columns:repeat(12,1fr);background:#fff;padding:.5rem;border-radius:10px}
    .qr i{background:#fff}.qr i.on{background:#111}
    img.ask{display:block;width:100%;border-radius:10px;margin-bottom:1rem;image-rendering:pixelated;border:1px solid var(--line)}
    .gap>*+*{margin-top:.6rem}
  `;

  const tag = (name, props = {}, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(props)) {
      if (value === undefined || value === null || value === false) continue;
      if (key in node && typeof value !== "string") node[key] = value;
      else node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  };

  class PluggyConnect {
    constructor(options = {}) {
      if (!options.connectToken) throw new Error("connectToken is required");
      this._options = options;
      this._words = WORDS[(options.language || "pt").slice(0, 2)] || WORDS.pt;
      this._alive = false;
    }

    // Resolves once it is rendered. Opens over the page, or inside `container` where one is given: an element, or what selects one.
    async init(container) {
      if (this._host) return this.show();
      const place = typeof container === "string" ? document.querySelector(container) : container;
      if (container && !place) throw new Error("the container does not exist");
      this._alive = true;
      this._host = tag("div", { id: "pluggy-connect" });
      this._root = this._host.attachShadow({ mode: "open" });
      this._main = tag("main");
      this._title = tag("b", {}, "Pluggy");
      const minimise = this._options.allowConnectInBackground
        ? tag("button", { class: "icon", "aria-label": this._words.minimise, "data-minimise": "1", onclick: () => this.hide() }, "–") : null;
      const close = tag("button", { class: "icon", "aria-label": this._words.close, onclick: () => this._leave() }, "✕");
      const looks = ["box", this._options.theme === "dark" && "dark", this._options.allowFullscreen === false && "modal", place && "inline"];
      const box = tag("div", { class: looks.filter(Boolean).join(" "), role: place ? "region" : "dialog",
        "aria-modal": place ? null : "true", "aria-label": "Pluggy Connect" },
        tag("header", {}, this._title, minimise, close), this._main);
      this._veil = place ? box : tag("div", { class: "veil" }, box);
      // Not a style element: a page's Content-Security-Policy would refuse it.
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      this._root.adoptedStyleSheets = [sheet];
      this._root.append(this._veil);
      (place || document.body).append(this._host);
      this._call("onOpen");
      this._begin();  // not awaited: it is rendered now, and an update may take minutes
    }

    async _begin() {
      try {
        await (this._options.updateItem ? this._update() : this._choose());
      } catch (error) {
        this._fail(error);
      }
    }

    async show() {
      if (!this._host) throw new Error("Pluggy Connect is not open");
      this._host.style.display = "";
    }

    // Hides it; what is under way goes on, and is told as before.
    async hide() {
      if (!this._host) throw new Error("Pluggy Connect is not open");
      this._host.style.display = "none";
      this._call("onHide");
    }

    async destroy() {
      this._alive = false;
      if (this._host) this._host.remove();
      this._host = null;
    }

    // Screens

    async _choose() {
      this._working();
      let banks;
      if (this._options.selectedConnectorId !== undefined && this._options.selectedConnectorId !== null) {
        return this._selected(await this._ask("GET", `/connectors/${this._options.selectedConnectorId}`));
      }
      banks = (await this._ask("GET", `/connectors?${this._filters()}`)).results;
      const ids = this._options.connectorIds;
      if (ids) banks = banks.filter((bank) => ids.includes(bank.id));
      const list = tag("div");
      const paint = (text) => {
        const found = banks.filter((bank) => bank.name.toLowerCase().includes(text.toLowerCase()));
        list.replaceChildren(...(found.length ? found.map((bank) => this._bank(bank)) : [tag("p", {}, this._words.none)]));
      };
      const search = tag("input", { type: "search", placeholder: this._words.search, "aria-label": this._words.search,
        oninput: (event) => paint(event.target.value) });
      paint("");
      this._paint(tag("h2", {}, this._words.choose), search, tag("p"), list);
    }

    _bank(bank) {
      const kind = bank.isOpenFinance ? "Open Finance" : bank.hasMFA ? "MFA" : bank.type === "BUSINESS_BANK" ? "PJ" : "";
      return tag("button", { class: "bank", "data-connector": String(bank.id), onclick: () => this._selected(bank) },
        tag("img", { src: bank.imageUrl, alt: "" }), tag("span", {}, bank.name, tag("small", {}, kind)));
    }

    _selected(bank) {
      this._event("SELECTED_INSTITUTION", { connector: bank });
      this._credentials(bank, null);
    }

    _credentials(bank, problem) {
      this._title.textContent = bank.name;
      const given = this._options.openFinanceParameters || {};
      const fields = bank.credentials.map((field) => this._field(field, given[field.name]));
      const form = tag("form", { onsubmit: (event) => this._submitted(event, bank) }, ...fields,
        tag("p", {}, this._words.consent), tag("div", { class: "gap" },
          tag("button", { class: "main", type: "submit" }, fields.length ? this._words.connect : this._words.go),
          this._options.updateItem ? null : tag("button", { type: "button", onclick: () => this._choose() }, this._words.back)));
      this._paint(problem ? tag("div", { class: "error", role: "alert" }, problem) : null, form);
    }

    _field(field, value) {
      const name = { name: field.name, required: !field.optional, autocomplete: "off" };
      const kind = { password: "password", number: "text" }[field.type] || "text";
      const input = field.type === "select"
        ? tag("select", name, ...field.options.map((option) => tag("option", { value: option.value }, option.label)))
        : tag("input", { ...name, type: kind, value, placeholder: field.placeholder,
          inputmode: field.type === "number" ? "numeric" : null });
      return tag("label", {}, field.label, field.assistiveText ? tag("small", {}, field.assistiveText) : null, input);
    }

    async _submitted(event, bank) {
      event.preventDefault();
      const parameters = Object.fromEntries(new FormData(event.target));
      this._event(bank.oauth ? "SUBMITTED_CONSENT" : "SUBMITTED_LOGIN", { connector: bank });
      this._working();
      const updating = this._options.updateItem;
      try {
        const item = updating
          ? await this._ask("PATCH", `/items/${updating}`, { parameters })
          : await this._ask("POST", "/items", { connectorId: bank.id, parameters, products: this._options.products });
        await this._follow(item);
      } catch (error) {
        if (!error.body) return this._fail(error);
        const details = (error.body.details || []).map((detail) => detail.message);
        this._call("onError", { message: error.message, code: error.body.codeDescription });
        this._credentials(bank, details.join(" ") || error.message || this._words.invalid);
      }
    }

    async _update() {
      this._working();
      const item = await this._ask("GET", `/items/${this._options.updateItem}`);
      const refused = ["INVALID_CREDENTIALS", "ACCOUNT_LOCKED", "ACCOUNT_CREDENTIALS_RESET"].includes(item.executionStatus);
      const needsToken = item.connector.credentials.some((field) => field.mfa);
      if (RUNNING.includes(item.status) || item.status.startsWith("WAITING")) return this._follow(item);
      if (refused || needsToken || this._options.forceAskForCredentials) return this._credentials(item.connector, null);
      try {
        await this._follow(await this._ask("PATCH", `/items/${item.id}`, {}));
      } catch (error) {
        this._fail(error);
      }
    }

    async _follow(item) {
      this._itemId = item.id;
      let asked = null;
      let accepted = false;
      this._working();
      while (this._alive) {
        if (!accepted && /(ACCOUNTS|CREDITCARDS|TRANSACTIONS)_IN_PROGRESS|MERGING|SUCCESS/.test(item.executionStatus)) {
          accepted = true;
          this._event(asked ? "LOGIN_MFA_SUCCESS" : "LOGIN_SUCCESS", { item });
          this._event("LOGIN_STEP_COMPLETED", { item });
        }
        if (item.status === "WAITING_USER_INPUT" && item.parameter && asked !== item.parameter.expiresAt + item.parameter.name) {
          asked = item.parameter.expiresAt + item.parameter.name;
          this._question(item);
        } else if (item.status === "WAITING_USER_ACTION") {
          asked = asked || "action";
          this._action(item);
        } else if (RUNNING.includes(item.status)) {
          this._working();
        } else if (!item.status.startsWith("WAITING")) {
          return this._settled(item);
        }
        await new Promise((go) => setTimeout(go, POLL_MS));
        item = await this._ask("GET", `/items/${item.id}`);
      }
    }

    _question(item) {
      const wanted = item.parameter;
      if (wanted.type === "oauth") {
        const go = () => window.open(wanted.data, this._options.forceOauthInBrowser ? "_system" : "_blank");
        return this._paint(tag("h2", {}, item.connector.name), tag("p", {}, this._words.bankText),
          tag("a", { href: wanted.data, target: "_blank", hidden: true }),
          tag("button", { class: "main", "data-bank": wanted.data, onclick: go }, this._words.bank));
      }
      const picture = wanted.type === "image" && wanted.data
        ? tag("img", { class: "ask", alt: wanted.label, src: `data:image/png;base64,${wanted.data}` }) : null;
      const submit = async (event) => {
        event.preventDefault();
        const value = Object.fromEntries(new FormData(event.target));
        this._event("SUBMITTED_MFA", { item });
        this._working();
        try {
          await this._ask("POST", `/items/${item.id}/mfa`, value);
        } catch (error) {
          this._call("onError", { message: error.message, code: error.body && error.body.codeDescription, data: { item } });
        }
      };
      this._paint(tag("h2", {}, item.connector.name), picture,
        tag("form", { onsubmit: submit }, this._field(wanted), tag("button", { class: "main", type: "submit" }, this._words.send)));
      const input = this._main.querySelector("input,select");
      if (input) input.focus();
    }

    _action(item) {
      const code = (item.userAction && item.userAction.attributes && item.userAction.attributes.qr) || "";
      const cells = Array.from({ length: 144 }, (_, n) =>
        tag("i", { class: (code.charCodeAt(n % code.length || 0) * (n + 7) + n * n) % 5 < 2 ? "on" : "" }));
      const decide = (what) => () => fetch(`${BASE}/_sandbox/items/${item.id}/${what}`, { method: "POST" });
      this._paint(tag("div", { class: "center" }, tag("h2", {}, this._words.qr), tag("div", { class: "qr", "data-qr": code }, ...cells),
        tag("p", {}, (item.userAction && item.userAction.instructions) || ""),
        tag("div", { class: "gap" }, tag("button", { onclick: decide("approve"), "data-simulate": "approve" }, this._words.simulate),
          tag("button", { onclick: decide("reject"), "data-simulate": "reject" }, this._words.refuse))));
    }

    _settled(item) {
      this._event("ITEM_RESPONSE", { item });
      if (item.status === "UPDATED") {
        this._call("onSuccess", { item });
        return this._paint(tag("div", { class: "center" }, tag("div", { class: "mark" }, "✓"), tag("h2", {}, this._words.done),
          tag("p", {}, this._words.doneText), tag("button", { class: "main", onclick: () => this._leave() }, this._words.close)));
      }
      const error = item.error || { code: item.executionStatus, message: item.executionStatus };
      this._call("onError", { message: error.message, code: error.code, data: { item } });
      const retry = () => { this._options.updateItem ? this._update() : this._credentials(item.connector, null); };
      if (!this._options.updateItem && item.executionStatus === "INVALID_CREDENTIALS") {
        // The Item exists now; a second try updates it instead of making another one.
        this._options = { ...this._options, updateItem: item.id };
      }
      this._paint(tag("div", { class: "center" }, tag("div", { class: "mark bad" }, "!"), tag("h2", {}, this._words.failed),
        tag("p", {}, error.providerMessage || error.message), tag("div", { class: "gap" },
          tag("button", { class: "main", onclick: retry }, this._words.again),
          tag("button", { onclick: () => this._leave() }, this._words.close))));
    }

    _working() {
      if (this._main.querySelector(".spin")) return;
      this._paint(tag("div", { class: "spin" }), tag("div", { class: "center" }, tag("h2", {}, this._words.working), tag("p", {}, this._words.stay)));
    }

    _fail(error) {
      this._call("onError", { message: error.message, code: error.body && error.body.codeDescription });
      this._paint(tag("div", { class: "center" }, tag("div", { class: "mark bad" }, "!"), tag("h2", {}, this._words.failed),
        tag("p", {}, error.message), tag("button", { onclick: () => this._leave() }, this._words.close)));
    }

    // Wiring

    _filters() {
      const options = this._options;
      const query = new URLSearchParams();
      if (options.includeSandbox) query.set("sandbox", "true");
      if (options.connectorTypes) query.set("types", options.connectorTypes.join(","));
      if (options.countries) query.set("countries", options.countries.join(","));
      return query;
    }

    async _ask(method, path, body) {
      const headers = { "X-API-KEY": this._options.connectToken };
      if (body) headers["Content-Type"] = "application/json";
      const response = await fetch(BASE + path, { method, headers, body: body && JSON.stringify(body) });
      const value = await response.json();
      if (!response.ok) throw Object.assign(new Error(value.message), { body: value });
      return value;
    }

    _paint(...nodes) { this._main.replaceChildren(...nodes.filter((node) => node)); }

    _call(name, ...values) { if (typeof this._options[name] === "function") this._options[name](...values); }

    _event(event, more) {
      const timestamp = Date.now();
      this._call("onEvent", { event, timestamp, ...more }, { timestamp });
    }

    async _leave() {
      this._call("onClose");
      await this.destroy();
    }
  }

  window.PluggyConnect = PluggyConnect;
})();
