// A page that is written for Pluggy Connect.
const log = (name, value) => { document.getElementById("log").textContent += `${name} ${JSON.stringify(value, (key, v) => key === "connector" && v && v.id !== undefined ? v.name : v)}\n`; };
document.getElementById("open").onclick = async () => {
  const query = new URLSearchParams(location.search);
  const updateItem = query.get("updateItem") || undefined;
  const answer = await fetch("/_sandbox/connect_token", { method: "POST", body: JSON.stringify({ itemId: updateItem, options: { clientUserId: "demo-user" } }) });
  const { accessToken } = await answer.json();
  new PluggyConnect({
    connectToken: accessToken, includeSandbox: true, updateItem, language: query.get("language") || "pt", theme: query.get("theme") || "light",
    onOpen: () => log("onOpen", null),
    onSuccess: ({ item }) => log("onSuccess", { id: item.id, status: item.status, executionStatus: item.executionStatus }),
    onError: (error) => log("onError", { message: error.message, code: error.code }),
    onEvent: (payload) => log("onEvent", payload.event),
    onClose: () => log("onClose", null),
  }).init();
};
