"use strict";
// The page works without this: it adds copy buttons and keeps the chosen device when the form is sent.

const status = document.getElementById("status");

async function copy(cell) {
  const text = cell.textContent.trim();
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return text;
  }
  // Over plain http browsers have no clipboard for scripts but this old way.
  const selection = getSelection();
  selection.selectAllChildren(cell);
  return document.execCommand("copy") ? text : "";
}

for (const button of document.querySelectorAll("button.copy")) {
  const cell = button.closest("tr").querySelector("td");
  button.hidden = cell.dataset.given === "";
  button.addEventListener("click", async () => {
    const text = await copy(cell).catch(() => "");
    status.textContent = text ? `Copied ${text}` : "Your browser does not let this page copy; select the text instead.";
    button.classList.toggle("done", text !== "");
    setTimeout(() => button.classList.remove("done"), 2000);
  });
}

// What follows # is never sent, so the address form has to keep the choice itself.
const form = document.getElementById("address");
form.addEventListener("submit", () => {
  form.action = "/" + location.hash;
});

// For who hears the page: which of the links is the one that shows.
function mark() {
  const chosen = location.hash.slice(1) || document.querySelector("main").dataset.platform;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === "#" + chosen) {
      link.setAttribute("aria-current", "true");
    } else {
      link.removeAttribute("aria-current");
    }
  }
}
addEventListener("hashchange", mark);
mark();
