/* The call console: keys, answers that queue while the server is away, notes that save themselves.
   Every answer is a request of its own with a key of its own, kept in sessionStorage until the
   server has acknowledged it, and sent in order. Without this file all of it are plain forms. */
(() => {
  "use strict";

  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const root = $("#console");
  if (!root) return;
  document.documentElement.classList.add("has-scripts");

  const PATIENCE_MS = 2000, SENDING_MS = 20000, RETRY_MS = [1000, 2000, 5000, 10000], POLL_MS = 10000, NOTES_MS = 700;
  const QUEUE = `leadqual.call.${root.dataset.call}.queue`;
  const DRAFT = `leadqual.call.${root.dataset.call}.notes`;
  const DRAFTS = `leadqual.call.${root.dataset.call}.fields`;
  const read = (key, otherwise) => {
    try { return JSON.parse(sessionStorage.getItem(key)) ?? otherwise; } catch { return otherwise; }
  };
  const write = (key, value) => {
    try {
      if (value === null) sessionStorage.removeItem(key);
      else sessionStorage.setItem(key, JSON.stringify(value));
    } catch { /* private mode: what waits lasts as long as the page */ }
  };
  const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const announce = (value) => document.dispatchEvent(new CustomEvent("announce", { detail: { value } }));

  /* --- sending: one at a time, in order ------------------------------------------------------- */

  let queue = read(QUEUE, []);
  let busy = false, failures = 0, retry = 0, notesBusy = false;
  const own = {}; // the newest answer of this tab to each question

  const post = async (url, fields) => {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), SENDING_MS);
    try {
      return await fetch(url, {
        method: "POST",
        body: new URLSearchParams(fields),
        headers: { "HX-Request": "true", "X-CSRFToken": $("input[name=csrfmiddlewaretoken]").value },
        signal: stop.signal,
      });
    } finally { clearTimeout(timer); }
  };

  const login = () => document.body.dataset.login;
  const sessionEnded = (response) =>
    response.redirected && new URL(response.url).pathname === login();

  const showState = () => {
    const away = failures > 0;
    $("#offline").hidden = !away;
    $("#waiting").textContent = queue.length + (notesDirty() ? 1 : 0);
    $("#save-state").textContent = away ? "offline" : busy || notesBusy || queue.length ? "saving…" : "saved";
  };

  const problem = (html) => {
    const place = $("#problem");
    const found = new DOMParser().parseFromString(html, "text/html").body;
    place.replaceChildren(...found.childNodes);
    place.scrollIntoView({ block: "nearest" });
  };

  // What the server refuses for good is shown in words, so that it can be written down elsewhere.
  const showLost = (fields) => {
    const card = document.querySelector(`[data-question="${fields.question}"]`);
    const radio = card && $(`[name=answer][value="${CSS.escape(fields.answer || "-")}"]`, card);
    const words = [card?.dataset.criterion, radio?.closest("label").innerText.replace(/^\d\s*/, "").trim(),
      fields.amount, fields.quote, fields.text].filter(Boolean);
    if (!words.length) return;
    const told = document.createElement("p");
    told.className = "banner warn small";
    told.id = "not-kept";
    told.textContent = `Not kept: ${words.join(" · ")}`;
    $("#problem").append(told);
  };

  const away = () => {
    const wait = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)];
    failures += 1;
    clearTimeout(retry);
    retry = setTimeout(() => { flush(); saveNotes(); }, wait);
  };

  // Resolves to whether the server has kept it, or after a while to true: it may take longer.
  const heard = new Map();
  const enqueue = (url, fields) => {
    const key = newKey();
    queue.push({ url, fields: { ...fields, client_key: key } });
    write(QUEUE, queue);
    const kept = new Promise((done) => { heard.set(key, done); setTimeout(done, PATIENCE_MS, true); });
    flush();
    return kept;
  };

  const flush = async () => {
    if (busy || !queue.length) { showState(); return; }
    busy = true;
    showState();
    while (queue.length) {
      const { url, fields } = queue[0];
      if (fields.question) fields.seen = Math.max(Number(fields.seen) || 0, own[fields.question] || 0);
      let response;
      try { response = await post(url, fields); } catch { response = null; }
      if (!response || response.status >= 500 || response.status === 429) { away(); break; }
      if (sessionEnded(response) || response.status === 403) {
        // Kept here: it is sent after the log-in, when this page is open again.
        if (sessionEnded(response)) location.assign(`${login()}?next=${encodeURIComponent(location.pathname)}`);
        else problem(await response.text());
        break;
      }
      failures = 0;
      const html = await response.text();
      queue.shift();
      write(QUEUE, queue);
      heard.get(fields.client_key)?.(response.ok);
      heard.delete(fields.client_key);
      if (response.ok) { $("#problem").replaceChildren(); forget(fields); apply(html, fields.question); }
      else {
        // An amount that tells no answer: its card is waiting for one.
        const alone = fields.amount && !fields.answer && !fields.later;
        if (alone && shown()?.dataset.question === fields.question) $("[data-needs]", shown()).hidden = false;
        else { problem(html); showLost(fields); }
      }
    }
    busy = false;
    showState();
  };

  /* --- time ------------------------------------------------------------------------------------ */

  const timer = $("#timer");
  const skew = Number(document.documentElement.dataset.now) - Date.now() / 1000 || 0;
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  const tick = () => {
    const seconds = Math.max(0, Math.floor(Date.now() / 1000 + skew - Number(timer.dataset.started)));
    const planned = Number($("#progress").dataset.planned);
    timer.classList.toggle("over", planned > 0 && seconds > planned);
    timer.textContent = !planned ? clock(seconds) : seconds > planned
      ? `${clock(seconds)} · over by ${clock(seconds - planned)}` : `${clock(seconds)} / ${clock(planned)}`;
  };

  /* --- what the server says -------------------------------------------------------------------- */

  let announced = $("#progress").dataset.announce;

  const apply = (html, question) => {
    const answer = new DOMParser().parseFromString(html, "text/html");
    const fresh = $("#progress", answer), others = $("#presence", answer);
    if (!fresh) return;
    const focused = document.activeElement?.closest("#progress, #recording") && document.activeElement.id;
    $("#progress").replaceWith(fresh);
    const recording = $("#recording", answer);
    if (recording) $("#recording").replaceWith(recording);
    showKeys();
    if (others) {
      const before = presentNow().join();
      $("#presence").replaceWith(others);
      if (presentNow().length && presentNow().join() !== before) announce(`${presentNow().join(". ")}.`);
    }
    if (focused) (document.getElementById(focused) ?? $("#recording button"))?.focus();
    if (question) own[question] = Number($(`[data-line="${question}"]`).dataset.given);
    if (fresh.dataset.announce !== announced) {
      announced = fresh.dataset.announce;
      announce(announced);
    }
    sync();
  };

  const waiting = (question) => queue.some((item) => item.fields.question === question);

  const sync = () => {
    // Answers of other tabs and people appear, unless this tab has one under way.
    for (const line of $$("[data-line]")) {
      const form = document.getElementById(`form-${line.dataset.line}`);
      if (!form || waiting(line.dataset.line)) continue;
      if (Number(line.dataset.given) > Number(form.elements.seen.value)) {
        form.elements.seen.value = line.dataset.given;
        for (const radio of $$("[name=answer]", form)) radio.checked = radio.value === line.dataset.answer;
      }
    }
    // Branching: what an answer has made to be asked, or not to be, comes and goes at once.
    for (const option of $$("#jump option")) {
      option.hidden = option.disabled = stateOf(option.value) === "not_asked";
    }
    mark();
    showMissing();
    showNeeds();
    tick();
    const summary = $("#finish_summary");
    if (summary && !summary.dataset.touched) summary.value = $("#auto-summary").textContent;
    const version = Number($("#progress").dataset.notesVersion);
    if (version > notesVersion && !notesDirty() && !notesBusy) {
      notes.value = saved = $("#notes-saved").textContent;
      notesVersion = version;
    }
  };

  // Every few seconds: I am here; has anybody changed anything? 204 says no.
  const TAB = read("leadqual.call.tab", newKey()); // a page that is loaded again is the same tab
  write("leadqual.call.tab", TAB);
  const presentNow = () => $$("[data-present]").map((one) => one.dataset.present);
  const poll = async () => {
    if (document.hidden || busy || queue.length) return;
    const fields = [["tab", TAB], ["stamp", $("#progress").dataset.stamp]];
    for (const told of presentNow()) fields.push(["present", told]);
    let response;
    try { response = await post(root.dataset.presence, fields); }
    catch { away(); showState(); return; }
    if (!response.ok || sessionEnded(response)) return;
    failures = 0;
    // What was answered meanwhile is newer than this.
    if (response.status === 200 && !busy && !queue.length) apply(await response.text());
    showState();
  };

  /* --- questions ------------------------------------------------------------------------------- */

  const cards = $$("[data-question]");
  const shown = () => cards.find((card) => !card.hidden);
  const stateOf = (key) => {
    if (waiting(key)) return "answered";
    return $(`[data-line="${key}"]`)?.dataset.lineState ?? "open";
  };

  const mark = () => {
    const key = shown()?.dataset.question;
    for (const line of $$("[data-line]")) line.classList.toggle("is-shown", line.dataset.line === key);
  };

  // The address says where we are, so that a reload comes back to it.
  const remember = () => {
    const address = new URL(location.href), card = shown();
    if (card) address.searchParams.set("q", card.dataset.question);
    history.replaceState(null, "", address);
  };

  const show = (key, { focus = true } = {}) => {
    const card = cards.find((one) => one.dataset.question === key);
    if (!card) return;
    for (const other of cards) other.hidden = other !== card;
    $("#jump").value = key;
    remember();
    mark();
    if (focus) $(".spoken", card).focus();
  };

  const save = (form, more = {}) => {
    const fields = Object.fromEntries(new FormData(form));
    delete fields.csrfmiddlewaretoken;
    form.dataset.sent = `${fields.quote ?? ""}|${fields.amount ?? ""}`;
    form.dataset.amount = fields.amount ?? "";
    $("[data-needs]", form).hidden = true;
    return enqueue(root.dataset.answers, { ...fields, ...more });
  };

  const isDirty = (form) => {
    const now = `${form.elements.quote.value}|${form.elements.amount?.value ?? ""}`;
    return now !== (form.dataset.sent ?? form.dataset.first);
  };
  for (const card of cards) {
    const form = $("form", card);
    form.dataset.first = `${form.elements.quote.value}|${form.elements.amount?.value ?? ""}`;
    form.dataset.amount = form.elements.amount?.value ?? "";
  }

  // What is typed is sent on the way on; resolves to whether the way is free. An amount or date that
  // tells the answer is rated anew when it changes, which is waited for; anything else needs an answer,
  // for which it stays once.
  const sendTyped = async (card) => {
    const form = $("form", card);
    if (!isDirty(form)) return true;
    const amount = form.elements.amount?.value.trim() ?? "";
    if ("measured" in card.dataset && amount && amount !== form.dataset.amount) return save(form, { answer: "" });
    if ($("[name=answer]:checked", form)) save(form);
    else if ($("[data-needs]", form).hidden) {
      $("[data-needs]", form).hidden = false;
      return false;
    }
    return true;
  };

  const next = async () => {
    const card = shown();
    if (!card || !(await sendTyped(card)) || card !== shown()) return;
    if ("mandatory" in card.dataset && stateOf(card.dataset.question) === "open") {
      announce(`${card.dataset.criterion} is required. The question stays open until the wrap-up.`);
    }
    const at = cards.indexOf(card);
    const around = [...cards.slice(at + 1), ...cards.slice(0, at)].map((one) => one.dataset.question);
    const following = around.find((key) => stateOf(key) === "open") ?? around.find((key) => stateOf(key) === "later");
    if (following) show(following);
    else openWrapUp();
  };

  const back = () => {
    const at = cards.indexOf(shown());
    if (at > 0) show(cards[at - 1].dataset.question);
  };

  const later = () => {
    const form = $("form", shown());
    save(form, { later: "1", answer: "" });
    next();
  };

  document.addEventListener("change", (event) => {
    if (event.target.matches(".question-card [name=answer]")) save(event.target.form);
    if (event.target.id === "jump") show(event.target.value);
    if (event.target.matches("#finish-form [name=outcome]")) showNeeds();
  });

  document.addEventListener("input", (event) => {
    if (event.target.closest("#finish-form")) event.target.dataset.touched = "1";
    if (event.target.matches("[data-draft]")) {
      drafts[event.target.id] = event.target.value;
      write(DRAFTS, drafts);
    }
  });

  document.addEventListener("click", (event) => {
    const jump = event.target.closest("[data-jump]");
    if (jump) { event.preventDefault(); show(jump.dataset.jump); }
    if (event.target.closest("[data-back]")) back();
    const keep = event.target.closest("[data-notes-keep]");
    if (keep) resolveNotes(keep.dataset.notesKeep);
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.closest(".question-card")) {
      event.preventDefault();
      if (event.submitter?.matches("[data-later]")) later();
      else next();
    } else if (form.id === "capture-form") {
      event.preventDefault();
      const text = form.elements.text.value.trim();
      if (!text) return;
      enqueue(root.dataset.captures, { kind: event.submitter?.value || "concern", text });
      form.elements.text.value = "";
    } else if (form.matches("[data-capture]")) {
      event.preventDefault();
      enqueue(root.dataset.captures, { kind: form.elements.kind.value, text: event.submitter.value });
    } else if (form.id === "recording") {
      event.preventDefault();
      enqueue(root.dataset.recording, { recording: event.submitter.value });
    } else if (form.matches("[data-settle]")) {
      event.preventDefault();
      const { csrfmiddlewaretoken, ...fields } = Object.fromEntries(new FormData(form));
      enqueue(root.dataset.answers, fields);
    } else if (form.id === "notes-form") {
      event.preventDefault();
      saveNotes();
    } else if (form.id === "finish-form") {
      event.preventDefault();
      finish(form);
    } else if (form.matches(".jump")) {
      event.preventDefault();
      show($("#jump").value);
    } else if (form.action.endsWith("/logout/")) {
      for (const key of Object.keys(sessionStorage)) {
        if (key.startsWith("leadqual.call.")) sessionStorage.removeItem(key);
      }
    }
  });

  /* --- drafts: what is typed beside an answer and not sent yet ---------------------------------- */

  const drafts = read(DRAFTS, {});
  const forget = (fields) => {
    const form = fields.question ? document.getElementById(`form-${fields.question}`) : $("#capture-form");
    for (const element of $$("[data-draft]", form)) {
      const sent = fields.question ? fields[element.name] ?? "" : fields.text;
      if (drafts[element.id] === sent) delete drafts[element.id];
    }
    write(DRAFTS, Object.keys(drafts).length ? drafts : null);
  };
  for (const [id, text] of Object.entries(drafts)) {
    const element = document.getElementById(id);
    if (element) element.value = text;
  }

  /* --- notes ----------------------------------------------------------------------------------- */

  const notes = $("#notes"), notesForm = $("#notes-form");
  let notesVersion = Number(notesForm.elements.version.value);
  let saved = $("#notes-saved").textContent, notesTimer = 0, theirs = null;
  const notesDirty = () => notes.value.trim() !== saved.trim();

  const saveNotes = async () => {
    clearTimeout(notesTimer);
    if (notesBusy || theirs || !notesDirty()) { showState(); return; }
    notesBusy = true;
    showState();
    const text = notes.value;
    let response;
    try { response = await post(root.dataset.notes, { notes: text, version: notesVersion }); }
    catch { response = null; }
    notesBusy = false;
    if (!response || response.status >= 500 || response.status === 429) { away(); showState(); return; }
    failures = 0;
    if (sessionEnded(response)) { location.assign(`${login()}?next=${encodeURIComponent(location.pathname)}`); return; }
    if (response.status === 412) {
      theirs = await response.json();
      $("#notes-conflict blockquote").textContent = theirs.notes;
      $("#notes-conflict").hidden = false;
    } else if (response.ok) {
      const answer = await response.json();
      saved = text;
      notesVersion = answer.version;
      if (!notesDirty()) write(DRAFT, null);
      else saveNotes();
    } else problem(await response.text());
    showState();
  };

  const resolveNotes = (keep) => {
    if (!theirs) return;
    if (keep === "both") notes.value = `${theirs.notes}\n${notes.value}`;
    if (keep === "theirs") notes.value = theirs.notes;
    saved = theirs.notes;
    notesVersion = theirs.version;
    theirs = null;
    $("#notes-conflict").hidden = true;
    write(DRAFT, notesDirty() ? { text: notes.value } : null);
    saveNotes();
    notes.focus();
  };

  notes.addEventListener("input", () => {
    write(DRAFT, { text: notes.value });
    clearTimeout(notesTimer);
    notesTimer = setTimeout(saveNotes, NOTES_MS);
    showState();
  });

  /* --- filing: "#budget 40k approved" or "b: 40k approved" is offered to its criterion ---------- */

  const TAGGED = /(?:^|\s)#(\p{L}{2,})\s+(\S[^\n]{2,})$|(?:^|[.!?;]\s)(\p{L}):\s*(\S[^\n]{2,})$/u;
  const turnedDown = new Set();
  let offer = null, offerTimer = 0;

  const findOffer = () => {
    const line = notes.value.slice(0, notes.selectionStart).split("\n").at(-1);
    const found = TAGGED.exec(line);
    if (!found) return null;
    const tag = (found[1] || found[3]).toLowerCase(), words = (found[2] || found[4]).trim();
    const card = cards.find((one) => one.dataset.criterion.toLowerCase().startsWith(tag));
    if (!card || turnedDown.has(`${tag} ${words}`)) return null;
    return { criterion: card.dataset.criterion, words, key: `${tag} ${words}` };
  };

  const showOffer = () => {
    const found = findOffer();
    if (found?.key === offer?.key) return;
    offer = found;
    const place = $("#filing");
    if (!offer) { place.replaceChildren(); return; }
    const told = document.createElement("span");
    told.textContent = `File “${offer.words.length > 60 ? `${offer.words.slice(0, 60)}…` : offer.words}” under ${offer.criterion}?`;
    const [yes, no] = [["Tab", "File"], ["Esc", "No"]].map(([key, label]) => {
      const button = document.createElement("button"), kbd = document.createElement("kbd");
      kbd.textContent = key;
      button.type = "button";
      button.className = "button small";
      button.append(`${label} `, kbd);
      return button;
    });
    yes.addEventListener("click", fileOffer);
    no.addEventListener("click", turnDown);
    place.replaceChildren(told, yes, no);
  };

  const turnDown = () => {
    if (offer) turnedDown.add(offer.key);
    showOffer();
    notes.focus();
  };

  // Into the words of the question that is shown, if it is one of the criterion, else of one that is
  // answered, which is sent again at once, else of an open one, which still needs its answer.
  const fileOffer = () => {
    const { criterion, words } = offer;
    const ours = cards.filter((one) => one.dataset.criterion === criterion && stateOf(one.dataset.question) !== "not_asked");
    const card = ours.find((one) => one === shown()) ||
      ours.find((one) => stateOf(one.dataset.question) === "answered") || ours[0];
    turnDown();
    if (!card) return;
    const form = $("form", card), quote = form.elements.quote;
    quote.value = [quote.value.trim(), words].filter(Boolean).join("; ");
    drafts[quote.id] = quote.value;
    write(DRAFTS, drafts);
    if ($("[name=answer]:checked", form)) {
      save(form);
      announce(`Filed under ${criterion}.`);
    } else {
      show(card.dataset.question, { focus: false });
      announce(`In the words of ${criterion}. It still needs an answer: Escape, then a digit.`);
    }
  };

  notes.addEventListener("input", () => {
    if (offer && !findOffer()) showOffer();
    clearTimeout(offerTimer);
    offerTimer = setTimeout(showOffer, 400);
  });
  notes.addEventListener("keydown", (event) => {
    if (!offer || event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Tab") { event.preventDefault(); fileOffer(); }
    if (event.key === "Escape") { event.stopPropagation(); turnDown(); }
  });

  /* --- wrap-up --------------------------------------------------------------------------------- */

  const nextTitle = $("#finish_next_title"), nextAt = $("#finish_next_at");

  // What the outcome starts stands in the fields, to be changed; what nobody changes is not sent,
  // so that the server decides by the state at that moment.
  const showNeeds = () => {
    const chosen = $("#finish-form [name=outcome]:checked");
    const needs = (chosen?.dataset.needs || "").trim().split(/\s+/);
    for (const field of $$("#finish-form [data-field]")) {
      const needed = needs.includes(field.dataset.field);
      const wrong = $(".error", field);
      field.hidden = !needed && !wrong && field.dataset.field !== "note";
      // A note may be needed and stand in the notes already; the server knows.
      if (field.dataset.field !== "note") $("input", field).required = needed;
    }
    const closes = chosen && !chosen.dataset.phase;
    $("#next-step").hidden = !chosen;
    $("#next-step .fields").hidden = closes;
    if (chosen && !nextTitle.dataset.touched) nextTitle.value = chosen.dataset.title;
    if (chosen && !nextAt.dataset.touched) nextAt.value = chosen.dataset.at;
    nextAt.closest(".field").hidden = needs.includes("callback_at");
    const tier = $("#progress").dataset.tier;
    const play = chosen && $(`#plays [data-tier="${tier}"][data-phase="${chosen.dataset.phase}"]`);
    $("#what-follows").textContent = !chosen ? "" : closes ? "Closes the lead; nothing follows."
      : play ? `${chosen.dataset.title ? "Beside it goes" : "On goes"} the play “${play.textContent}”.` : "";
    showMissing();
  };

  const showMissing = () => {
    const chosen = $("#finish-form [name=outcome]:checked");
    const open = chosen && !("connected" in chosen.dataset) ? []
      : [...new Set($$("#missing li").map((line) => line.textContent.split(":")[0]))];
    $("#still-missing").textContent = open.length
      ? `Required and still open: ${open.join(", ")}. You may finish all the same.` : "";
  };

  const openWrapUp = () => {
    $("#wrap-up").scrollIntoView({ block: "start" });
    ($("#finish-form [name=outcome]:checked") || $("#finish-form [name=outcome]"))?.focus();
  };

  let finishing = false;
  const finish = async (form) => {
    if (finishing) return;
    const card = shown();
    finishing = true;
    if (card && !(await sendTyped(card))) {
      finishing = false;
      show(card.dataset.question);
      return;
    }
    for (let tries = 0; tries < 100 && (busy || notesBusy || queue.length || notesDirty()); tries += 1) {
      if (!busy && queue.length && !failures) flush();
      if (!notesBusy && notesDirty() && !failures) saveNotes();
      if (failures || theirs) break;
      await new Promise((done) => setTimeout(done, 50));
    }
    finishing = false;
    if (queue.length || notesDirty()) {
      announce("Not finished yet: something still waits to be saved.");
      showState();
      return;
    }
    for (const field of [nextTitle, nextAt]) if (!field.dataset.touched) field.value = "";
    write(DRAFTS, null);
    form.submit();
  };

  addEventListener("beforeunload", (event) => {
    if (queue.length || notesDirty()) event.preventDefault();
  });

  /* --- keys ------------------------------------------------------------------------------------ */

  const typing = (target) => target.matches?.(
    "textarea, select, input:not([type=radio]):not([type=checkbox]):not([type=submit])");
  const chosen = (() => {
    try { return JSON.parse(document.body.dataset.keys || "{}"); } catch { return {}; }
  })();
  const keysAreOn = () => {
    if (chosen.on === false) return false;
    try { return localStorage.getItem("leadqual.shortcuts") !== "off"; } catch { return true; }
  };
  // One table from action to key; the person's own keys stand on the body.
  const KEYS = {
    back: "b", later: "u", notes: "k", jump: "/", capture: "c", quote: "q", amount: "m", best: "n",
    wrap_up: "w", dial: "d", recording: "r", next: "Enter", unknown: "0",
  };
  Object.assign(KEYS, chosen.call);
  const showKeys = () => {
    for (const place of $$("[data-key-of]")) place.textContent = KEYS[place.dataset.keyOf] ?? place.textContent;
  };
  const focusOn = (selector) => () => $(selector)?.focus();
  const ACTIONS = {
    back,
    later,
    next,
    notes: focusOn("#notes"),
    jump: focusOn("#jump"),
    capture: focusOn("#capture-text"),
    quote: () => $("[name=quote]", shown())?.focus(),
    amount: () => $("[name=amount]", shown())?.focus(),
    best: () => { const key = $("#progress").dataset.next; if (key) show(key); },
    wrap_up: () => openWrapUp(),
    dial: () => $("[data-do=dial]")?.click(),
    recording: () => $("#recording-agreed")?.click(),
    unknown: () => choose(-1),
  };
  const WITHOUT_QUESTION = ["wrap_up", "notes", "capture", "dial", "recording"];
  const choose = (index) => {
    const radio = $$("[name=answer]", shown()).at(index);
    radio.focus();
    if (!radio.checked) radio.click();
  };

  // On window and first, so that the keys of lists do not act as well.
  addEventListener("keydown", (event) => {
    if (event.isComposing || $("dialog[open]")) return;
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      event.preventDefault();
      event.stopPropagation();
      if ($("#finish-form [name=outcome]:checked")) $("#finish-form").requestSubmit();
      else openWrapUp();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && typing(event.target)) {
      $(".spoken", shown() || document)?.focus();
      return;
    }
    if (typing(event.target) || !keysAreOn()) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const inWrapUp = event.target.closest?.("#wrap-up");
    const action = Object.keys(KEYS).find((name) => KEYS[name] === key);
    let act = ACTIONS[action];
    if (action === "next" && event.target.closest?.("a, button, summary")) act = null;
    if (["next", "unknown"].includes(action) && inWrapUp) act = null;
    if (!act && /^[1-9]$/.test(key) && !inWrapUp && shown()) {
      if (Number(key) < $$("[name=answer]", shown()).length) act = () => choose(Number(key) - 1);
    }
    if (!act || !shown() && !WITHOUT_QUESTION.includes(action)) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }, true);

  /* --- start ----------------------------------------------------------------------------------- */

  showKeys();
  tick();
  setInterval(tick, 1000);
  setInterval(poll, POLL_MS);
  poll();
  addEventListener("online", () => { failures = 0; flush(); saveNotes(); });
  addEventListener("visibilitychange", poll);

  const draft = read(DRAFT, null);
  if (draft && draft.text !== notes.value) notes.value = draft.text;
  showNeeds();
  remember();
  mark();
  flush();
  saveNotes();
  const refused = $("#finish-form [aria-invalid=true]") || ($("#finish-form .error, #finish-form .danger") && $("#finish-form [name=outcome]"));
  if (refused) {
    $("#wrap-up").scrollIntoView({ block: "start" });
    refused.focus({ preventScroll: true });
  } else $(".spoken", shown() || document)?.focus({ preventScroll: true });
})();
