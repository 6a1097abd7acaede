
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
  const LATE = 2000;
  let source = null;
  let changed = [];
  let isFirst = true;
  let saidAt = 0;
  let shownAt = 0;

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
    shownAt = Date.now();
    count(message.settled);
  }

  // Says how far the run is. On a busy machine the rest of the page comes later, so that the run goes first.
  function count(settled) {
    if (!shownAt) return;
    const clock = (at) => new Date(at).toISOString().slice(11, 19);
    const now = Date.now();
    const rest = now - shownAt > LATE ? `; the machine is busy, and all else here is of ${clock(shownAt)}` : "";
    say(`Live: ${settled.toLocaleString("en-US")} of ${page.head.tasks.toLocaleString("en-US")} tasks settled at ${clock(now)} UTC${rest}`);
  }

  function tellLatest() {
    const lines = changed.slice(-SHOWN).map((index) => {
      const row = page.rows[index];
      const words = [row[4] === null ? "" : page.clock(row[4] + (row[5] || 0)), row[0],
        `${page.markOf(row)} ${page.outcome(row)}`, page.isUnderWay(row) ? "" : page.message(row)];
      const made = page.element("li");
      made.append(...words.map((word) => page.element("span", "", word)));
      return made;
    });
    if (!lines.length) return;
    latest.previousElementSibling.hidden = true;
    latest.prepend(...lines.reverse());
    while (latest.children.length > SHOWN) latest.lastElementChild.remove();
  }

  const toolbar = page.element("section", "control");
  const told = page.element("p", "quiet");

  function button(label, act) {
    const made = page.element("button", "", label);
    made.type = "button";
    made.addEventListener("click", act);
    return made;
  }

  function tell(words, isBad) {
    told.textContent = words.trim();
    told.className = isBad ? "lost" : "quiet";
  }

  async function send(order) {
    tell("…");
    try {
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`${location.pathname}/orders`, { method: "POST", headers, body: JSON.stringify(order) });
      tell(await answer.text(), !answer.ok);
    } catch {
      tell("batchctl gave no answer.", true);
    }
  }

  // Every order is confirmed, because a wrong click may stop the work of a night.
  function confirmed(question, order) {
    const box = page.element("dialog", "confirm");
    const words = page.element("p", "", question);
    words.id = "question";
    box.setAttribute("aria-labelledby", "question");
    const no = button("No", () => box.close());
    box.append(words, button("Yes", () => { box.close(); send(order); }), no);
    box.addEventListener("close", () => box.remove());
    document.body.append(box);
    box.showModal();
    no.focus();
  }

  function field(label, name, placeholder) {
    const made = page.element("label", "", label);
    const input = page.element("input");
    Object.assign(input, { name, placeholder, autocomplete: "off" });
    made.append(input);
    return [made, input];
  }

  function choice(label, name, values) {
    const made = page.element("label", "", label);
    const select = page.element("select");
    select.name = name;
    select.append(...["", ...values].map((value) => {
      const option = page.element("option", "", value || "all");
      option.value = value;
      return option;
    }));
    made.append(select);
    return [made, select];
  }

  function setUpControl() {
    if (toolbar.isConnected) return;
    toolbar.setAttribute("aria-label", "Control");
    told.setAttribute("role", "status");
    if (following === "end") {
      document.querySelectorAll(".groups > li").forEach((item) => {
        const label = item.querySelector(".group").textContent;
        const made = button("Retry", () => confirmed(`Send the failed tasks of ${label} again, in a new run?`, { order: "retry", group: label }));
        made.setAttribute("aria-label", `Retry ${label}`);
        item.querySelector(".do")?.append(made);
      });
    } else {
      const [rate, limit] = field("Rate", "rate", "5/s or none");
      const [slots, most] = field("Concurrency", "concurrency", "16");
      const [whose, target] = choice("Target", "target", page.head.targets || []);
      if (page.head.targets) toolbar.append(whose);
      // In a run of several targets an order is for all of them, unless one is chosen.
      const ask = (question, order) => (target.value
        ? confirmed(`Target ${target.value} alone: ${question}`, { ...order, target: target.value })
        : confirmed(question, order));
      toolbar.append(
        button("Pause", () => ask("Send nothing new until the run is resumed?", { order: "pause" })),
        button("Resume", () => ask("Go on with the run?", { order: "resume" })),
        rate,
        button("Set rate", () => ask(`Send at most ${limit.value} from now on?`, { order: "rate", limit: limit.value.trim() })),
        slots,
        button("Set concurrency", () => ask(`Have at most ${most.value} calls on the wire from now on?`, { order: "concurrency", most: Number(most.value) })),
        button("Drain", () => ask("End the run once what is on the wire has finished? `batchctl resume` goes on with it.", { order: "drain" })),
      );
    }
    toolbar.append(told);
    document.querySelector("nav.live").after(toolbar);
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
    on("settled", count);
    on("control", setUpControl);
    on("standing", (words) => { document.getElementById("standing").textContent = words; });
    on("end", () => { source.close(); location.reload(); });
    on("gone", (message) => { source.close(); say(message, true); });
    on("trouble", (message) => say(message, true));
    source.onerror = (event) => say(event.target.readyState === EventSource.CLOSED
      ? "batchctl no longer serves this page. Close some of its pages and load this one again, or start `batchctl ui` again."
      : "The connection to batchctl is lost; the page tries again.", true);
    if (following === "end") {
      const rests = () => say("No process works on this run. The page follows it once one does.");
      source.onopen = rests;
      on("back", rests);
    }
  }

  // A browser allows few connections to one server, so a page that nobody sees gives up its own.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) source.close();
    else listen();
  });
  if (!document.hidden) listen();
}
