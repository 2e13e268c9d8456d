// Keeps the board up to date without loading the page again: what changed is put in place when the live feed says so,
// and every ten seconds for the figures that grow older by themselves.
"use strict";
(() => {
  const EVERY = 10000, OLD_AFTER = 60000, SETTLE = 400, PATIENCE = 8000;
  const board = document.getElementById("board");
  const news = document.getElementById("news");
  const lost = document.getElementById("lost");
  const pause = document.getElementById("pause");
  let paused = false, pending = 0, shown = Date.now(), busy = false, again = false, since = "";

  const old = () => Date.now() - shown > OLD_AFTER;
  // Whoever is just choosing a name is not disturbed, but nobody may leave the board standing still that way.
  const choosing = () => document.activeElement instanceof HTMLSelectElement && board.contains(document.activeElement);

  function show(page) {
    const fresh = page.getElementById("board");
    if (!fresh || (choosing() && !old())) return;
    shown = Date.now();
    const focused = board.contains(document.activeElement) ? document.activeElement.id : "";
    const chosen = [...board.querySelectorAll("select")].map((one) => [one.id, one.value]);
    const before = board.dataset.waiting;
    board.replaceChildren(...fresh.childNodes);
    board.dataset.waiting = fresh.dataset.waiting;
    for (const [id, value] of chosen) {
      const select = document.getElementById(id);
      if (select) select.value = value;
    }
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    document.title = page.title;
    if (before !== board.dataset.waiting) news.textContent = `${board.dataset.waiting} need somebody`;
  }

  async function refresh() {
    if (paused) return;
    // What is on its way may have been made before the news: the board is looked at once more when it is there.
    again = busy;
    if (busy) return;
    busy = true;
    try {
      const answer = await fetch(`/board${location.search}`, { signal: AbortSignal.timeout(PATIENCE) });
      if (answer.status === 401) return location.reload();
      if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch (fault) {
      console.warn("the board could not be loaded", fault);
    } finally {
      busy = false;
      warn();
      if (again) soon();
    }
  }

  function warn() {
    const text = paused ? `Updates are paused since ${since}.` : old() ? "This screen has lost its connection. Do not rely on it." : "";
    lost.textContent = text;
    lost.hidden = !text;
  }

  function soon() {
    clearTimeout(pending);
    pending = setTimeout(refresh, SETTLE);
  }

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    since = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    pause.textContent = paused ? "Go on updating" : "Pause updates";
    warn();
    if (!paused) refresh();
  });
  const feed = new EventSource("/api/v1/feed");
  // What happened between the page and the first word of the feed is not in the feed: "open" looks once more.
  for (const name of ["open", "signal", "escalation", "reset"]) feed.addEventListener(name, soon);
  setInterval(() => {
    warn();
    refresh();
  }, EVERY);
})();
