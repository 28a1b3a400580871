// Brings what has changed since, and leaves the forms alone. Without it the pages work as well: they are loaded anew.
"use strict";
const live = document.getElementById("live");
async function look() {
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (answer.ok) {
      const now = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
      if (now && now.innerHTML !== live.innerHTML) live.innerHTML = now.innerHTML;
    }
  } catch (_) {
    // The demo has ended, or begins anew.
  }
  setTimeout(look, 700);
}
if (live) setTimeout(look, 700);
