// The list of runs: search, filters, and what changes. Foreign text is shown by textContent only.
// The fragment of the address holds the search: #q=…&state=…&job=…
"use strict";
(() => {
  const MARKS = { planned: "○", running: "▶", finished: "✓", interrupted: "◐", killed: "✕", unreadable: "?" };
  const MISLEADING = /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]/gu;
  const OUTCOMES = ["succeeded", "partial", "failed", "ambiguous", "unchanged", "not_attempted"];
  const MOST = 500;
  const form = document.querySelector(".filters");
  const table = document.querySelector(".runs");
  const line = document.getElementById("live");
  const fields = form.elements;
  const runs = new Map();
  let source = null;

  const shown = (text) => String(text ?? "").replace(MISLEADING, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
  const element = (name, className, content) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (content !== undefined) made.textContent = shown(content);
    return made;
  };

  function tasks(run) {
    if (run.said) return run.said;
    const counts = OUTCOMES.map((word) => [word, run.outcomes[word] || 0]).filter(([, count]) => count > 0);
    const settled = counts.reduce((sum, [, count]) => sum + count, 0);
    if (run.selected > settled) counts.push(["open", run.selected - settled]);
    return counts.map(([word, count]) => `${count.toLocaleString("en-US")} ${word.replace("_", " ")}`).join(", ");
  }

  function drawRun(run) {
    const row = element("tr", run.state);
    const name = element("td");
    const link = element("a", "", run.id);
    link.href = `/runs/${encodeURIComponent(run.id)}`;
    name.append(link);
    const state = element("td", "state");
    const mark = element("span", "mark", MARKS[run.state] || "");
    mark.setAttribute("aria-hidden", "true");
    state.append(mark, shown(run.state));
    const planned = (run.planned || "").slice(0, 19).replace("T", " ");
    const what = [run.command, run.reason].filter(Boolean).join(": ");
    row.append(name, state, ...[what, run.job, planned, tasks(run)].map((text) => element("td", "", text ?? "")));
    return row;
  }

  function draw() {
    const words = fields.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [...runs.values()].filter((run) => {
      if (fields.state.value && run.state !== fields.state.value) return false;
      if (fields.job.value && run.job !== fields.job.value) return false;
      const text = [run.id, run.job, run.command, run.reason, run.state].join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    });
    // Ids begin with the time, so this is the latest first.
    found.sort((a, b) => (a.id < b.id ? 1 : -1));
    const focused = document.activeElement?.closest?.(".runs a")?.getAttribute("href");
    table.tBodies[0].replaceChildren(...found.slice(0, MOST).map(drawRun));
    if (focused) table.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    table.hidden = found.length === 0;
    document.querySelector(".nothing").hidden = found.length > 0;
    form.hidden = false;
    const more = found.length > MOST ? `, of which the latest ${MOST} are shown` : "";
    const said = `${found.length.toLocaleString("en-US")} of ${runs.size.toLocaleString("en-US")} runs${more}`;
    if (fields.found.textContent !== said) fields.found.textContent = said;
  }

  function fill(select, values) {
    const chosen = select.value;
    if (document.activeElement === select) return;
    select.replaceChildren(select.options[0], ...[...new Set(values)].sort().map((value) => {
      const option = element("option", "", value);
      option.value = value;
      return option;
    }));
    select.value = chosen;
    if (select.selectedIndex < 0) select.selectedIndex = 0;
  }

  function take(list) {
    list.forEach((run) => runs.set(run.id, run));
    fill(fields.state, [...runs.values()].map((run) => run.state));
    fill(fields.job, [...runs.values()].map((run) => run.job).filter(Boolean));
    draw();
    line.textContent = "Live";
    line.className = "";
  }

  function lose(words) {
    line.textContent = shown(words);
    line.className = "lost";
  }

  function remember() {
    const wanted = new URLSearchParams();
    ["q", "state", "job"].forEach((name) => fields[name].value && wanted.set(name, fields[name].value));
    history.replaceState(null, "", `#${wanted}`);
  }

  function recall() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    ["q", "state", "job"].forEach((name) => { fields[name].value = wanted.get(name) || ""; });
    ["state", "job"].forEach((name) => { if (fields[name].selectedIndex < 0) fields[name].selectedIndex = 0; });
    draw();
  }

  function listen() {
    let isFirst = !source;
    source = new EventSource("/events");
    const on = (name, act) => source.addEventListener(name, (event) => act(JSON.parse(event.data)));
    on("all", (list) => {
      runs.clear();
      take(list);
      if (isFirst && location.hash) recall();
      isFirst = false;
    });
    on("changed", take);
    on("trouble", lose);
    source.onerror = (event) => lose(event.target.readyState === EventSource.CLOSED
      ? "batchctl no longer serves this page. Close some of its pages and load this one again, or start `batchctl ui` again."
      : "The connection to batchctl is lost; the page tries again.");
  }

  form.addEventListener("input", () => { remember(); draw(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { remember(); draw(); }));
  window.addEventListener("hashchange", recall);
  // A browser allows few connections to one server, so a page that nobody sees gives up its own.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) source?.close();
    else listen();
  });
  if (!document.hidden) listen();
})();
