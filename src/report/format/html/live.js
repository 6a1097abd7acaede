
// What makes the page follow its run: batchctl sends what has changed, and the rest of the page
// shows it as it shows a page that was written. Foreign text comes as text or from the template,
// which escapes it.
{
  const following = document.body.dataset.live;
  const line = document.getElementById("live");
  const said = document.getElementById("live-said");
  const latest = document.getElementById("latest");
  const PARTS = ["header", ...["outcomes", "failures", "charts", "settings"].map((name) => `section[aria-labelledby="${name}-title"]`)];
  const SHOWN = 100;
  const SAID_EVERY = 15000;
  let source = null;
  let changed = [];
  let isFirst = true;
  let saidAt = 0;

  function say(words, isLost) {
    line.textContent = words;
    line.className = isLost ? "lost" : "";
    // Once in a while, because a reader of the screen would hear nothing else.
    const now = Date.now();
    if (!isLost && now - saidAt < SAID_EVERY) return;
    saidAt = now;
    said.textContent = words;
  }

  // Takes the place of a part of the page, and leaves focus and what is unfolded as they were.
  function replace(old, fresh) {
    if (!old || !fresh || old.isEqualNode(fresh)) return;
    const FOCUSED = "a, button, summary, [tabindex]";
    const open = [...old.querySelectorAll("details")].map((part) => part.open);
    const focused = [...old.querySelectorAll(FOCUSED)].indexOf(document.activeElement);
    const adopted = document.adoptNode(fresh);
    adopted.querySelectorAll("details").forEach((part, index) => { part.open = Boolean(open[index]); });
    old.replaceWith(adopted);
    page.setUpCopying();
    if (focused >= 0) adopted.querySelectorAll(FOCUSED)[focused]?.focus({ preventScroll: true });
  }

  function show(message) {
    const fresh = new DOMParser().parseFromString(message.html, "text/html");
    for (const part of PARTS) replace(document.querySelector(part), fresh.querySelector(part));
    document.title = fresh.title;
    document.body.className = fresh.body.className;
    Object.assign(page.head, message.head);
    if (following === "rows") {
      if (!isFirst) tellLatest();
      page.change(changed);
      // The address may name a task, which is in the table only now.
      if (isFirst && location.hash) page.recall();
    }
    changed = [];
    isFirst = false;
    const at = new Date().toISOString().slice(11, 19);
    say(`Live: ${message.settled.toLocaleString("en-US")} of ${message.head.tasks.toLocaleString("en-US")} tasks settled at ${at} UTC`);
  }

  function tellLatest() {
    const lines = changed.slice(-SHOWN).map((index) => {
      const row = page.rows[index];
      const words = [row[4] === null ? "" : page.clock(row[4] + (row[5] || 0)), row[0],
        `${page.marks[row[2]]} ${row[5] === null ? "sent" : page.outcome(row)}`, page.message(row)];
      const made = page.element("li");
      made.append(...words.map((word) => page.element("span", "", word)));
      return made;
    });
    if (!lines.length) return;
    latest.previousElementSibling.hidden = true;
    latest.prepend(...lines.reverse());
    while (latest.children.length > SHOWN) latest.lastElementChild.remove();
  }

  function listen() {
    source = new EventSource(`${location.pathname}/events?as=${following}`);
    const on = (name, act) => source.addEventListener(name, (event) => act(JSON.parse(event.data)));
    on("begin", (message) => {
      page.rows.length = page.texts.length = changed.length = 0;
      Object.assign(page.head, message);
      isFirst = true;
    });
    on("rows", (message) => {
      page.texts.push(...message.texts);
      for (const [index, row] of message.rows) {
        page.rows[index] = row;
        changed.push(index);
      }
    });
    on("head", show);
    on("end", () => { source.close(); location.reload(); });
    on("gone", (message) => { source.close(); say(message, true); });
    source.onerror = () => say("The connection to batchctl is lost; the page tries again.", true);
    if (following === "end") source.onopen = () => say("No process works on this run. The page follows it once one does.");
  }

  // A browser allows few connections to one server, so a page that nobody sees gives up its own.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) source.close();
    else listen();
  });
  if (!document.hidden) listen();
}
