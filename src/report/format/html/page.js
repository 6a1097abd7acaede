// The table of all tasks: search, filters, order, and the attempts of a task on a click.
//
// Foreign text is shown by textContent only. Only visible rows are in the document, so that a
// hundred thousand rows are as quick as ten. The fragment of the address holds the search:
// #q=…&outcome=…&group=…&sort=…&dir=…&task=…&target=…
"use strict";
const page = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { head, rows, attempts, texts } = data;
  // What was seen of the tasks that were looked into, by row.
  const drilled = new Map((data.drilled || []).map((seen) => [seen[0], seen]));
  const MARKS = ["✓", "◐", "✕", "?", "=", "○", "…"];
  const NOT_ATTEMPTED = 5;
  const UNDER_WAY = 6;
  const ROW_HEIGHT = 37;
  const PRINTED = 200;
  // Characters that act on their neighbours or are invisible are shown by their numbers.
  const MISLEADING = new RegExp(
    "[\\u{0}-\\u{8}\\u{b}-\\u{1f}\\u{7f}-\\u{9f}\\u{ad}\\u{34f}\\u{61c}\\u{115f}-\\u{1160}\\u{17b4}-\\u{17b5}" +
      "\\u{180b}-\\u{180f}\\u{200b}-\\u{200f}\\u{2028}-\\u{202e}\\u{2060}-\\u{206f}\\u{3164}\\u{fe00}-\\u{fe0f}" +
      "\\u{feff}\\u{ffa0}\\u{fff0}-\\u{fffb}\\u{13430}-\\u{1343f}\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}" +
      "\\u{e0000}-\\u{e0fff}]",
    "gu",
  );

  const byId = (id) => document.getElementById(id);
  const shown = (text) => String(text).replace(MISLEADING, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
  const text = (value) => (typeof value === "number" ? texts[value] : value) || "";
  const count = (n, one, many) => `${n.toLocaleString("en-US")} ${n === 1 ? one : many}`;
  // A task that was sent and has no outcome is under way, as long as the head has a word for that.
  const isUnderWay = (row) => head.outcomes.length > UNDER_WAY && row[4] !== null && row[5] === null && row[2] !== NOT_ATTEMPTED;
  const standing = (row) => (isUnderWay(row) ? UNDER_WAY : row[2]);
  const markOf = (row) => MARKS[standing(row)];
  const outcome = (row) => head.outcomes[standing(row)].replace("_", " ");
  const group = (row) => (row[7] ? head.groups[row[7] - 1] : "");
  const source = (row) => `${head.sources[row[8]] || ""}:${row[9]}`;
  const failure = (row) => row[10] || [];
  // In a run of several targets only the id and the target together name a task.
  const target = (row) => (head.targets ? head.targets[row[11]] : "");
  // Without a message the detail says what is wrong.
  const message = (row) => [text(failure(row)[1]), text(failure(row)[2]) || text(failure(row)[9])].filter(Boolean).join(": ");
  const clock = (ms) => new Date(head.base + ms).toISOString().slice(11, 19);
  const instant = (ms) => new Date(head.base + ms).toISOString().replace("T", " ").replace("Z", " UTC");
  const span = (ms) => {
    if (ms < 10000) return `${ms.toLocaleString("en-US")} ms`;
    if (ms < 60000) return `${(ms / 1000).toFixed(1)} s`;
    const s = Math.floor(ms / 1000);
    return s < 3600 ? `${Math.floor(s / 60)}m ${s % 60}s` : `${Math.floor(s / 3600)}h ${Math.floor((s % 3600) / 60)}m`;
  };
  const element = (name, className, content) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (content !== undefined) made.textContent = shown(content);
    return made;
  };

  // Column: name, title, sort key, shown text, and whether it is a number.
  const COLUMNS = [
    ["id", "Task", (r) => r[0], (r) => r[0]],
    ...(head.targets ? [["target", "Target", (r) => r[11], target]] : []),
    ["outcome", "Outcome", (r) => r[2], outcome],
    ["group", "Cause", (r) => r[7] || Infinity, group],
    ["status", "HTTP", (r) => r[6] ?? -1, (r) => r[6] ?? ""],
    ["message", "Message", message, message],
    ["attempts", "Attempts", (r) => r[3], (r) => r[3], true],
    ["started", "Sent", (r) => r[4] ?? Infinity, (r) => (r[4] === null ? "" : clock(r[4])), true],
    ["duration", "Took", (r) => r[5] ?? -1, (r) => (r[5] === null ? "" : span(r[5])), true],
    ["source", "Source", (r) => r[8] * 1e9 + r[9], source],
  ];

  const form = document.querySelector(".filters");
  const frame = document.querySelector(".table");
  const table = frame.querySelector("table");
  const body = table.tBodies[0];
  const fields = form.elements;
  const dialog = byId("task");
  const state = { sort: "", dir: "asc", task: "", target: "" };
  let found = [];
  let haystacks = null;
  let drawn = "";

  function haystack(index) {
    haystacks ||= new Array(rows.length);
    const row = rows[index];
    // Reason, advice, sub-tasks, request, detail and params: every text that a click shows.
    const said = [3, 4, 5, 6, 9, 10].map((cell) => text(failure(row)[cell]));
    const cameras = (drilled.get(index)?.[4] || []).flat().map(text);
    return (haystacks[index] ||= [row[0], target(row), message(row), ...said, source(row), ...cameras].join(" ").toLowerCase());
  }

  function find() {
    const words = fields.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = head.outcomes.indexOf(fields.outcome.value);
    const cause = head.groups.indexOf(fields.group.value) + 1;
    found = [];
    for (let index = 0; index < rows.length; index += 1) {
      const row = rows[index];
      if (wanted >= 0 && standing(row) !== wanted) continue;
      if (cause > 0 && row[7] !== cause) continue;
      if (words.length && !words.every((word) => haystack(index).includes(word))) continue;
      found.push(index);
    }
    order();
  }

  function order() {
    const column = COLUMNS.find(([name]) => name === state.sort);
    if (column) {
      const key = column[2];
      const sign = state.dir === "desc" ? -1 : 1;
      const keys = new Map(found.map((index) => [index, key(rows[index])]));
      found.sort((a, b) => {
        const [x, y] = [keys.get(a), keys.get(b)];
        return x < y ? -sign : x > y ? sign : a - b;
      });
    } else {
      found.sort((a, b) => a - b);
    }
  }

  function drawHead() {
    const line = table.tHead.rows[0];
    line.replaceChildren();
    for (const [name, title, , , isNumber] of COLUMNS) {
      const cell = element("th", `c-${name}${isNumber ? " number" : ""}`);
      cell.scope = "col";
      const isSorted = state.sort === name;
      const arrow = isSorted ? (state.dir === "desc" ? " ↓" : " ↑") : "";
      if (isSorted) cell.setAttribute("aria-sort", state.dir === "desc" ? "descending" : "ascending");
      const button = element("button", "", title + arrow);
      button.type = "button";
      button.addEventListener("click", () => sortBy(name));
      cell.append(button);
      line.append(cell);
    }
  }

  function drawRow(position) {
    const index = found[position];
    const row = rows[index];
    const line = element("tr");
    line.setAttribute("aria-rowindex", position + 2);
    for (const [name, , , show, isNumber] of COLUMNS) {
      const cell = element("td", `c-${name}${isNumber ? " number" : ""}`);
      if (name === "id") {
        const button = element("button", "", row[0]);
        button.type = "button";
        button.setAttribute("aria-haspopup", "dialog");
        cell.append(button);
        if (drilled.has(index)) cell.append(element("span", "drilled", notThere(drilled.get(index))));
      } else if (name === "outcome") {
        cell.className += ` pill ${head.outcomes[standing(row)]}`;
        const mark = element("span", "mark", markOf(row));
        mark.setAttribute("aria-hidden", "true");
        cell.append(mark, outcome(row));
      } else {
        cell.textContent = shown(show(row));
        cell.title = cell.textContent;
      }
      line.append(cell);
    }
    line.addEventListener("click", () => open(index));
    return line;
  }

  function spacer(height) {
    const line = element("tr", "spacer");
    const cell = element("td");
    cell.style.height = `${height}px`;
    line.setAttribute("aria-hidden", "true");
    line.append(cell);
    return line;
  }

  function draw(all) {
    const first = all ? 0 : Math.max(0, Math.floor(frame.scrollTop / ROW_HEIGHT) - 10);
    const inSight = Math.ceil((frame.clientHeight || 700) / ROW_HEIGHT) + 20;
    const last = Math.min(found.length, all ? PRINTED : first + inSight);
    const now = `${first}-${last}`;
    if (now === drawn) return;
    // The focused row keeps the focus while it is visible.
    const focused = document.activeElement?.closest?.("tr")?.getAttribute("aria-rowindex");
    const lines = [];
    if (first > 0) lines.push(spacer(first * ROW_HEIGHT));
    for (let position = first; position < last; position += 1) lines.push(drawRow(position));
    if (!all && last < found.length) lines.push(spacer((found.length - last) * ROW_HEIGHT));
    body.replaceChildren(...lines);
    if (focused) body.querySelector(`tr[aria-rowindex="${focused}"] button`)?.focus({ preventScroll: true });
    drawn = now;
  }

  function show() {
    drawHead();
    frame.scrollTop = 0;
    list();
  }

  // Draws what is found, and leaves the reader in place.
  function list() {
    find();
    drawn = "";
    table.setAttribute("aria-rowcount", found.length + 1);
    draw(false);
    table.hidden = found.length === 0;
    frame.querySelector(".nothing").hidden = found.length > 0;
    const said = found.length === rows.length
      ? count(rows.length, "task", "tasks")
      : `${found.length.toLocaleString("en-US")} of ${count(rows.length, "task", "tasks")}`;
    // Only what is new is said aloud.
    if (fields.found.textContent !== said) fields.found.textContent = said;
  }

  function sortBy(name) {
    if (state.sort !== name) [state.sort, state.dir] = [name, "asc"];
    else if (state.dir === "asc") state.dir = "desc";
    else state.sort = "";
    remember();
    show();
    const index = COLUMNS.findIndex(([column]) => column === name);
    table.tHead.rows[0].cells[index].querySelector("button").focus();
  }

  // The attempts of a task. The row itself has the only attempt of a task that was sent once.
  function attemptsOf(index) {
    const row = rows[index];
    const several = attempts.filter((attempt) => attempt[0] === index);
    if (several.length) return several;
    if (row[4] === null) return [];
    const [kind, code, said, , , , , , took] = failure(row);
    return [[index, row[4], took ?? row[5], row[6], kind ?? null, code ?? 0, said ?? 0]];
  }

  function fact(list, name, value, isWide) {
    if (value === "" || value === null || value === undefined) return;
    const part = element("div", isWide ? "wide" : "");
    part.append(element("dt", "", name), element("dd", "foreign", value));
    list.append(part);
  }

  function open(index) {
    const row = rows[index];
    const [kind, , , reason, advice, errors, request, counts, , detail, params] = failure(row);
    byId("task-title").textContent = shown(row[0]);
    const facts = element("dl", "facts");
    fact(facts, "Outcome", `${markOf(row)} ${outcome(row)}`);
    fact(facts, "Command", head.commands[row[1]]);
    fact(facts, "Target", target(row));
    fact(facts, "Cause", group(row));
    fact(facts, "Source", source(row));
    fact(facts, "First sent", row[4] === null ? "never" : instant(row[4]));
    fact(facts, "Took", row[5] === null ? "" : `${span(row[5])}, waits included`);
    if (counts) fact(facts, "Sub-tasks", `${counts[2]} of ${counts[0]} succeeded, ${counts[1]} failed`);
    fact(facts, "Request", request);
    fact(facts, "Message", message(row), true);
    fact(facts, "Sub-tasks said", text(errors), true);
    fact(facts, "Detail", text(detail), true);
    fact(facts, "Params", text(params), true);
    fact(facts, "Reason", text(reason), true);
    fact(facts, "Advice", text(advice), true);
    const list = attemptsOf(index);
    const title = element("h3", "", list.length ? count(row[3], "attempt", "attempts") : "It was never sent.");
    const content = [facts, title];
    if (list.length) content.push(attemptTable(list));
    if (drilled.has(index)) content.splice(1, 0, ...subTasks(drilled.get(index)));
    if (list.length && list.length < row[3]) {
      content.push(element("p", "quiet", "Not all attempts are in this page; the run's file has them."));
    }
    dialog.querySelector(".body").replaceChildren(...content);
    [state.task, state.target] = [row[0], target(row)];
    remember();
    if (!dialog.open) dialog.showModal();
  }

  // How many sub-tasks of a task are not where they were sent, if its list is whole.
  function notThere([, listed, missing, gap]) {
    return gap ? "not known" : `${missing.toLocaleString("en-US")} of ${listed.toLocaleString("en-US")} not there`;
  }

  function subTasks(seen) {
    const [, , missing, gap, named] = seen;
    const parts = [element("h3", "", `Sub-tasks: ${notThere(seen)}`)];
    if (gap) parts.push(element("p", "quiet foreign", gap));
    if (named.length) parts.push(subTaskTable(named));
    if (!gap && named.length < missing) {
      parts.push(element("p", "quiet", `${(missing - named.length).toLocaleString("en-US")} more are not named.`));
    }
    return parts;
  }

  function titledTable(label, titles) {
    const made = element("table", "attempts");
    made.setAttribute("aria-label", label);
    const line = element("tr");
    for (const title of titles) {
      const cell = element("th", "", title);
      cell.scope = "col";
      line.append(cell);
    }
    made.append(line);
    return made;
  }

  function subTaskTable(named) {
    const made = titledTable("Sub-tasks", ["Sub-task", "Name", "Camera", "State", "What is wrong"]);
    for (const [id, name, camera, state, code, said, gap] of named) {
      const line = element("tr");
      const unread = text(gap) ? `its error is unread: ${text(gap)}` : "";
      const wrong = [text(code), text(said), unread].filter(Boolean).join(": ");
      [id, name, text(camera), text(state), wrong].forEach((cell) => line.append(element("td", "foreign", cell)));
      made.append(line);
    }
    return made;
  }

  function attemptTable(list) {
    const made = titledTable("Attempts", ["No.", "Sent (UTC)", "Took", "HTTP", "What came of it"]);
    list.forEach(([, sent, took, status, kind, code, said], position) => {
      const line = element("tr");
      const came = kind === null ? "answered" : [head.kinds[kind], text(code), text(said)].filter(Boolean).join(": ");
      const cells = [position + 1, instant(sent).slice(11, 23), took === null ? "no end" : span(took), status ?? "–", came];
      cells.forEach((cell) => line.append(element("td", "foreign", cell)));
      made.append(line);
    });
    return made;
  }

  function remember() {
    const wanted = new URLSearchParams();
    const parts = { q: fields.q.value, outcome: fields.outcome.value, group: fields.group.value, sort: state.sort, task: state.task, target: state.target };
    if (state.sort && state.dir === "desc") parts.dir = "desc";
    Object.entries(parts).forEach(([name, value]) => value && wanted.set(name, value));
    try {
      history.replaceState(null, "", `#${wanted}`);
    } catch {
      // Some browsers do not allow this for files; the page works without it.
    }
  }

  function recall() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    fields.q.value = wanted.get("q") || "";
    fields.outcome.value = wanted.get("outcome") || "";
    fields.group.value = wanted.get("group") || "";
    state.sort = COLUMNS.some(([name]) => name === wanted.get("sort")) ? wanted.get("sort") : "";
    state.dir = wanted.get("dir") === "desc" ? "desc" : "asc";
    show();
    const task = wanted.get("task");
    const at = wanted.get("target");
    const index = task ? rows.findIndex((row) => row[0] === task && (!at || target(row) === at)) : -1;
    if (index >= 0) open(index);
    if ([...wanted.keys()].length && index < 0) byId("tasks").scrollIntoView();
  }

  function option(select, value, label) {
    const made = element("option", "", label);
    made.value = value;
    select.append(made);
  }

  function fillChoices() {
    const chosen = [fields.outcome.value, fields.group.value];
    for (const select of [fields.outcome, fields.group]) select.replaceChildren(select.options[0]);
    const byOutcome = new Array(head.outcomes.length).fill(0);
    const byGroup = new Map();
    for (const row of rows) {
      byOutcome[standing(row)] += 1;
      if (row[7]) byGroup.set(row[7], (byGroup.get(row[7]) || 0) + 1);
    }
    head.outcomes.forEach((word, number) => {
      if (byOutcome[number]) option(fields.outcome, word, `${MARKS[number]} ${word.replace("_", " ")} (${byOutcome[number].toLocaleString("en-US")})`);
    });
    head.groups.forEach((label, number) => {
      const tasks = byGroup.get(number + 1) || 0;
      if (tasks) option(fields.group, label, `${label} (${tasks.toLocaleString("en-US")})`);
    });
    [fields.outcome.value, fields.group.value] = chosen;
    // A choice that no task has any more would leave the list without one.
    for (const select of [fields.outcome, fields.group]) if (select.selectedIndex < 0) select.selectedIndex = 0;
    form.hidden = frame.hidden = rows.length === 0;
    document.querySelector(".print-note").textContent = rows.length > PRINTED
      ? `The first ${PRINTED} of ${count(rows.length, "task", "tasks")}; results.csv has them all.` : "";
  }

  function setUp() {
    const columns = element("colgroup");
    COLUMNS.forEach(([name]) => columns.append(element("col", `c-${name}`)));
    table.prepend(columns);
    let waiting = 0;
    form.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => { remember(); show(); }, 60);
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => {
      state.sort = "";
      setTimeout(() => { remember(); show(); });
    });
    let isDrawing = false;
    frame.addEventListener("scroll", () => {
      if (isDrawing) return;
      isDrawing = true;
      requestAnimationFrame(() => { isDrawing = false; draw(false); });
    }, { passive: true });
    window.addEventListener("resize", () => draw(false));
    window.addEventListener("hashchange", recall);
    window.addEventListener("beforeprint", () => { drawn = ""; draw(true); });
    window.addEventListener("afterprint", () => { drawn = ""; draw(false); });
    dialog.querySelector(".close").addEventListener("click", (event) => { event.preventDefault(); dialog.close(); });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("close", () => { [state.task, state.target] = ["", ""]; remember(); });
  }

  // Shows the rows again after some of them have changed, where the reader is.
  function change(changed) {
    for (const index of changed) if (haystacks) haystacks[index] = undefined;
    const isChoosing = [fields.outcome, fields.group].includes(document.activeElement);
    if (!isChoosing) fillChoices();
    list();
  }

  function setUpCopying() {
    for (const button of document.querySelectorAll(".copy[hidden]")) {
      const command = button.previousElementSibling;
      button.hidden = false;
      button.setAttribute("aria-label", `Copy ${command.textContent}`);
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(command.textContent);
        } catch {
          // A file may have no clipboard. Then the text is selected, and copied the old way or by hand.
          getSelection().selectAllChildren(command);
          document.execCommand("copy");
        }
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      });
    }
  }

  setUpCopying();
  fillChoices();
  setUp();
  recall();
  return { head, rows, texts, element, outcome, markOf, isUnderWay, message, clock, change, recall, setUpCopying };
})();
