/* What the pages need beyond htmx: keys, focus that survives swaps, errors that are seen, times.
   Everything works without this file, only slower. No eval and no inline handlers (strict CSP). */
(() => {
  "use strict";

  const SHORTCUTS = "leadqual.shortcuts";
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

  const stored = (key) => {
    try { return localStorage.getItem(key); } catch { return null; }
  };
  const store = (key, value) => {
    try { localStorage.setItem(key, value); } catch { /* private mode: the setting lasts a page */ }
  };

  /* --- messages ----------------------------------------------------------------------------- */

  const announce = (text) => {
    const live = $("#live");
    if (!live) return;
    live.textContent = "";
    setTimeout(() => { live.textContent = text; }, 50); // a change of text is what is spoken
  };

  const TOAST_MS = 10000;
  const armToasts = () => {
    const fresh = $$(".toast:not([data-armed])");
    if (fresh.length) announce(fresh.map((toast) => $("span", toast).textContent).join(" "));
    for (const toast of fresh) {
      toast.dataset.armed = "";
      const leave = () => {
        // Never take away what the person is about to press.
        if (toast.matches(":hover, :focus-within")) setTimeout(leave, TOAST_MS);
        else toast.remove();
      };
      setTimeout(leave, TOAST_MS);
    }
  };

  const showProblem = (templateId) => {
    const problem = $("#problem"), template = $(`#${templateId}`);
    if (!problem || !template) return;
    problem.replaceChildren(template.content.cloneNode(true));
    problem.scrollIntoView({ block: "nearest" });
  };

  /* --- keys ------------------------------------------------------------------------------------ */

  // What the person has chosen: `on`, and by default key the key that stands for it.
  const chosen = (() => {
    try { return JSON.parse(document.body.dataset.keys || "{}"); } catch { return {}; }
  })();
  const meant = Object.fromEntries(Object.entries(chosen.page || {}).map(([ours, theirs]) => [theirs, ours]));
  const ours = (key) => meant[key] ?? (chosen.page?.[key] ? "" : key);

  let shortcuts = stored(SHORTCUTS) !== "off" && chosen.on !== false;
  let prefix = "";

  const typing = (target) =>
    target instanceof HTMLElement &&
    (target.isContentEditable ||
      (target.matches("input, select, textarea") &&
        !target.matches("input[type=checkbox], input[type=radio], input[type=submit]")));

  // A row inside a closed <details> has a box and is still not to be seen.
  const shown = (element) => element.checkVisibility?.() ?? element.offsetParent !== null;
  const rows = () => $$("[data-row]").filter(shown);
  const currentRow = () => $("[data-row].is-current");

  const setCurrent = (row) => {
    for (const other of $$("[data-row].is-current")) other.classList.remove("is-current");
    row?.classList.add("is-current");
  };

  const focusRow = (row) => {
    setCurrent(row);
    $("[data-row-link]", row)?.focus();
    row.scrollIntoView({ block: "nearest" });
  };

  const step = (by) => {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(currentRow());
    focusRow(all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + by))]);
  };

  const press = (key) => {
    const row = currentRow();
    const wanted = `[data-key="${CSS.escape(key)}"]`;
    const target = (row && $(wanted, row)) || $$(wanted).find((el) => !el.closest("[data-row]"));
    if (!target || target.disabled) return false;
    if (target.matches("input, select, textarea")) { target.focus(); return true; }
    if (target.matches("summary")) {
      const details = target.parentElement;
      details.open = !details.open;
      const first = details.open &&
        ($("[data-menu-focus]", details) || $("input:not([type=hidden]), select, textarea, button", details));
      (first || target).focus();
      return true;
    }
    target.click();
    return true;
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const open = document.activeElement?.closest("details.menu[open]");
      if (open) { open.open = false; $("summary", open).focus(); }
      return;
    }
    if (!shortcuts || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (typing(event.target) || $("dialog[open]")) return;
    const pressed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const key = ours(pressed);
    if (prefix) {
      const chord = `${prefix} ${pressed}`;
      prefix = "";
      if (press(chord)) event.preventDefault();
      return;
    }
    if (key === "g") {
      prefix = "g";
      setTimeout(() => { prefix = ""; }, 1500);
      return;
    }
    if (key === "j" || key === "k") {
      step(key === "j" ? 1 : -1);
      event.preventDefault();
      return;
    }
    if (key === "Enter" && event.target === document.body && currentRow()) {
      $("[data-row-link]", currentRow())?.click();
      event.preventDefault();
      return;
    }
    if (/^[a-z0-9/?.]$/.test(key) && press(key)) event.preventDefault();
  });

  document.addEventListener("focusin", (event) => {
    const row = event.target.closest?.("[data-row]");
    if (row) setCurrent(row);
  });

  /* --- clicks: dialogs, theme, closing menus ------------------------------------------------------ */

  document.addEventListener("click", (event) => {
    for (const menu of $$("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
    const opener = event.target.closest("[data-dialog]");
    if (opener) {
      const dialog = document.getElementById(opener.dataset.dialog);
      if (dialog?.showModal) {
        event.preventDefault();
        dialog.addEventListener("close", () => opener.focus(), { once: true });
        dialog.showModal();
      }
      return;
    }
    const theme = event.target.closest("[data-theme-choice]");
    if (theme) {
      const choice = theme.dataset.themeChoice;
      // A cookie, so that the server writes the theme into the page and nothing flashes.
      document.cookie = `theme=${choice};path=/;max-age=31536000;samesite=lax`;
      if (choice === "system") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = choice;
      for (const button of $$("[data-theme-choice]")) {
        button.setAttribute("aria-pressed", String(button === theme));
      }
      return;
    }
    if (event.target.closest("[data-dismiss]")) event.target.closest(".toast, .banner")?.remove();
    const reveal = event.target.closest("[data-open]");
    if (reveal) {
      const details = document.getElementById(reveal.dataset.open);
      if (details) {
        event.preventDefault();
        details.open = true;
        const chosen = reveal.dataset.choose;
        if (chosen) for (const select of $$("select", details)) select.value = chosen;
        $("input:not([type=hidden]), select, textarea", details)?.focus();
      }
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.id === "shortcuts-on") {
      shortcuts = event.target.checked;
      store(SHORTCUTS, shortcuts ? "on" : "off");
      announce(shortcuts ? "Single-key shortcuts are on." : "Single-key shortcuts are off.");
    }
    if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
    // What-if: mark what does not stand at what is so.
    const field = event.target.closest("[data-actual]");
    if (field) field.classList.toggle("supposed", event.target.value !== field.dataset.actual);
  });

  /* --- htmx: focus, errors, sessions -------------------------------------------------------------- */

  // One focus-restore helper. Before a swap the place of the focus is kept in words that survive
  // the swap: its id, else its name and value inside its form; after it the same place is
  // focused, else the target's marked element, else its heading.
  let kept = null;
  const placeOf = (element) => {
    if (!element || element === document.body) return null;
    const form = element.form || element.closest("form");
    return {
      id: element.id,
      name: element.name || "",
      value: element.value || "",
      form: form?.id || form?.getAttribute("action") || "",
      row: element.closest("[data-row]")?.id || "",
    };
  };
  // A row that has gone into a closed group is no place to be.
  const linkOf = (rowId) => {
    const row = rows().find((other) => other.id && other.id === rowId);
    return row ? $("[data-row-link]", row) : null;
  };
  const find = (place) => {
    if (place.id && document.getElementById(place.id)) return document.getElementById(place.id);
    if (place.form) {
      const form = document.getElementById(place.form) ||
        $(`form[action="${CSS.escape(place.form)}"]`);
      const twin = form && (
        (place.name && $$(`[name="${CSS.escape(place.name)}"]`, form).find((el) => el.value === place.value)) ||
        $("button:not([type=button])", form));
      if (twin) return twin;
    }
    return linkOf(place.row);
  };

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, target } = event.detail;
    const login = document.body.dataset.login;
    if (login && xhr.responseURL && new URL(xhr.responseURL).pathname === login) {
      // The session has ended: the log-in page belongs in the window, not in a panel.
      event.detail.shouldSwap = false;
      location.assign(`${login}?next=${encodeURIComponent(location.pathname + location.search)}`);
      return;
    }
    if (xhr.status >= 400 && /^\s*(<!doctype|<html|[^<\s])/i.test(xhr.responseText)) {
      // A whole page or plain text: say it in one place instead of tearing up the panel.
      event.detail.shouldSwap = false;
      showProblem(xhr.status >= 500 ? "problem-server" : "problem-refused");
      return;
    }
    if (xhr.status < 400) $("#problem")?.replaceChildren();
    const active = document.activeElement;
    const order = rows().indexOf(currentRow());
    kept = target.contains(active) || order >= 0
      ? { place: target.contains(active) ? placeOf(active) : null, order, rowId: currentRow()?.id }
      : null;
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    armToasts();
    tick();
    const wanted = $("[data-focus]", event.detail.elt);
    if (wanted) { wanted.removeAttribute("data-focus"); wanted.focus(); kept = null; return; }
    if (!kept) return;
    const { place, order, rowId } = kept;
    kept = null;
    if (document.activeElement && document.activeElement !== document.body) return;
    const again = place && find(place);
    if (again) {
      const closed = again.closest("details:not([open])");
      (closed ? $("summary", closed) : again).focus();
      return;
    }
    // The row is gone (done, claimed): the one that took its place goes on.
    const all = rows();
    const next = linkOf(rowId)?.closest("[data-row]") || all[Math.min(order, all.length - 1)];
    if (order >= 0 && next) { focusRow(next); return; }
    const heading = $("h1, h2", event.detail.elt) || $("h1");
    if (heading) { heading.tabIndex = -1; heading.focus(); }
  });

  // A filter that is left empty has no place in the address.
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.verb !== "get") return;
    const parameters = event.detail.parameters;
    for (const name of Object.keys(parameters)) {
      if (parameters[name] === "") delete parameters[name];
    }
  });

  document.addEventListener("htmx:sendError", () => showProblem("problem-offline"));
  document.addEventListener("htmx:timeout", () => showProblem("problem-offline"));
  document.addEventListener("htmx:beforeRequest", (event) => event.detail.target?.setAttribute?.("aria-busy", "true"));
  document.addEventListener("htmx:afterRequest", (event) => event.detail.target?.removeAttribute?.("aria-busy"));
  document.addEventListener("announce", (event) => announce(event.detail.value));

  /* --- times: "in 4 min" becomes "12 min overdue" by itself ---------------------------------------- */

  const span = (seconds) => {
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes} min`;
    const hours = Math.floor(minutes / 60);
    if (hours < 48) return `${hours} h`;
    return `${Math.floor(hours / 24)} d`;
  };
  const skew = (() => {
    const served = Number(document.documentElement.dataset.now);
    return served ? served - Date.now() / 1000 : 0; // the server's clock is the one that counts
  })();
  const tick = () => {
    const now = Date.now() / 1000 + skew;
    for (const element of $$("time[data-due]")) {
      const left = Number(element.dataset.due) - now;
      element.classList.toggle("over", left < 0);
      element.classList.toggle("soon", left >= 0 && left < 900);
      element.textContent = left < 0 ? `${span(-left)} overdue` : `in ${span(left)}`;
    }
  };

  /* --- start ----------------------------------------------------------------------------------------- */

  const box = $("#shortcuts-on");
  if (box) box.checked = shortcuts;
  // Where the tabs do not fit, the present one is in sight.
  for (const tab of $$("nav [aria-current]")) {
    const bar = tab.closest("nav");
    const beyond = tab.getBoundingClientRect().right - bar.getBoundingClientRect().right;
    if (beyond > 0) bar.scrollLeft += beyond + 24;
  }
  armToasts();
  tick();
  setInterval(tick, 30000);
})();
