/* What pages do beyond what they do without a script: live parts, keeping what is typed, sending once. No page needs it. */
"use strict";

/* A page with data-live=ADDRESS is told when what it shows has changed, and takes the parts marked data-live-part anew. */
function follow(address) {
  const source = new EventSource(address);
  source.addEventListener("changed", () => takeAnew().then((may) => may || source.close()));
  source.addEventListener("error", () => {
    /* Refused, because too many listen already: look from time to time instead. A stream that only ended comes back by itself. */
    if (source.readyState === EventSource.CLOSED) setTimeout(() => takeAnew().then((may) => may && follow(address)), 30000);
  });
  addEventListener("pagehide", () => source.close(), { once: true });
}

/* Whether the page could be had; after the end of the session it leads to the sign-in page, and all stays as it is. */
async function takeAnew() {
  const answer = await fetch(location.href, { headers: { "X-Live": "1" }, credentials: "same-origin", redirect: "manual" }).catch(() => null);
  if (!answer || !answer.ok) return answer === null;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live-part]")) {
    const next = fresh.querySelector(`[data-live-part="${CSS.escape(part.dataset.livePart)}"]`);
    /* Not under somebody's hands. */
    if (next && !part.contains(document.activeElement) && part.innerHTML !== next.innerHTML) part.innerHTML = next.innerHTML;
  }
  return true;
}

/* A form with data-autosave=ADDRESS sends what is typed there shortly after the last key. */
function autosave(form) {
  const note = form.querySelector("[data-autosave-note]");
  let timer = 0;
  const save = async () => {
    try {
      const answer = await fetch(form.dataset.autosave, { method: "POST", body: new URLSearchParams(new FormData(form)), credentials: "same-origin" });
      if (note) note.textContent = answer.ok ? note.dataset.saved : note.dataset.unsaved;
    } catch { if (note) note.textContent = note.dataset.unsaved; }
  };
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(save, 800); });
}

/* A private link carries its code behind #, where no log sees it. */
function takeCode(form) {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (!code) return;
  history.replaceState(null, "", location.pathname);
  form.querySelector("input[name=code]").value = code;
  form.requestSubmit();
}

/* A button with data-copy=ID puts what stands there on the clipboard; one with data-print prints. Without a script they are not shown. */
function serve(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    if (!button.dataset.copy) { print(); return; }
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    button.textContent = button.dataset.copied;
  });
}

for (const button of document.querySelectorAll("button[data-copy], button[data-print]")) serve(button);
for (const part of document.querySelectorAll("[data-live]")) follow(part.dataset.live);
for (const form of document.querySelectorAll("form[data-autosave]")) autosave(form);
for (const form of document.querySelectorAll("form[data-code]")) takeCode(form);
/* A code that was not needed does not stay where the next person at this browser sees it. */
if (location.hash.startsWith("#code=")) history.replaceState(null, "", location.pathname);
/* A second click while the first is on its way sends nothing. */
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  else { event.target.dataset.sent = "yes"; setTimeout(() => delete event.target.dataset.sent, 4000); }
});
/* What is wrong comes first, for eyes and ears. */
document.getElementById("faults")?.setAttribute("tabindex", "-1");
document.getElementById("faults")?.focus();
