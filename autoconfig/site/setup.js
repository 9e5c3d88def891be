"use strict";
// The page works without this: it only adds the copy buttons.

const announcement = document.getElementById("status");

async function copy(cell) {
  const text = cell.textContent.trim();
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return text;
  }
  // Over plain http, execCommand is the only way for a script to use the clipboard.
  getSelection().selectAllChildren(cell);
  return document.execCommand("copy") ? text : "";
}

for (const button of document.querySelectorAll("button.copy")) {
  const cell = button.closest("tr").querySelector("td");
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = await copy(cell).catch(() => "");
    announcement.textContent = text ? `${announcement.dataset.copied} ${text}` : announcement.dataset.failed;
    button.classList.toggle("done", text !== "");
    setTimeout(() => button.classList.remove("done"), 2000);
  });
}
