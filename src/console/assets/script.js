// What the console gains by a script: times in the viewer's zone, how old it is, renewal while somebody looks, and keys. Without it
// times are in UTC, and the overview renews itself each minute.
'use strict';
(() => {
  const language = document.documentElement.lang;
  const locale = navigator.languages.find((liked) => liked.split('-')[0] === language) ?? language;
  const format = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' });

  function localTimes(root) {
    for (const time of root.querySelectorAll('time[datetime]')) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.title = time.textContent;
      time.textContent = format.format(at);
    }
  }
  localTimes(document);

  // How old what is shown is, by the time since it came: the server's clock may be another one.
  let came = Date.now();
  const ago = new Intl.RelativeTimeFormat(language, { numeric: 'always' });

  function tellAge() {
    const age = document.getElementById('age');
    const seconds = Math.round((Date.now() - came) / 1000);
    const text = seconds < 120 ? ago.format(-seconds, 'second') : ago.format(-Math.round(seconds / 60), 'minute');
    let told = age.querySelector('span');
    if (!told) told = age.appendChild(document.createElement('span'));
    told.textContent = ` (${text})`;
  }
  tellAge();
  setInterval(tellAge, 1000);

  // Renewal: the same page is fetched and its main part replaced. What somebody has opened stays open; while somebody
  // types, nothing is replaced.
  const seconds = Number(document.body.dataset.live);
  let stale = null;

  function tellStale(isStale) {
    if (isStale && !stale) {
      stale = document.createElement('p');
      stale.className = 'stale';
      stale.setAttribute('role', 'alert');
      stale.textContent = document.body.dataset.stale;
      document.body.prepend(stale);
    } else if (!isStale && stale) {
      stale.remove();
      stale = null;
    }
  }

  function isTyped() {
    const main = document.getElementById('main');
    const active = document.activeElement;
    return main.querySelector('details.confirm[open]') !== null
      || (main.contains(active) && active.matches('input, button'));
  }

  async function renew() {
    if (document.hidden || isTyped()) return;
    try {
      const answer = await fetch(location.href, { signal: AbortSignal.timeout(9000), cache: 'no-store' });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const [here, there] = [document.getElementById('main'), page.getElementById('main')];
      if (!there || isTyped()) return;
      // What was not there before is as it came.
      const open = new Map([...here.querySelectorAll('details[id]')].map((details) => [details.id, details.open]));
      for (const details of there.querySelectorAll('details[id]')) details.open = open.get(details.id) ?? details.open;
      there.querySelector('.notice')?.remove();
      const focused = here.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
      localTimes(there);
      here.replaceWith(document.adoptNode(there));
      came = Date.now();
      tellAge();
      if (focused) there.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
      const counts = [document, page].map((of) => of.querySelector('header nav'));
      if (counts[0] && counts[1]) counts[0].replaceWith(document.adoptNode(counts[1]));
      tellStale(false);
    } catch {
      tellStale(true);
    }
  }
  if (seconds > 0) {
    setInterval(renew, seconds * 1000);
    document.addEventListener('visibilitychange', renew);
  }

  // j and k go through a list, / to the search.
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input, textarea')) return;
    const search = document.querySelector('.search input');
    if (event.key === '/' && search) {
      event.preventDefault();
      search.focus();
      return;
    }
    const step = { j: 1, k: -1 }[event.key];
    const items = [...document.querySelectorAll('a.item')];
    if (!step || items.length === 0) return;
    const at = items.indexOf(document.activeElement);
    items[Math.min(Math.max(at + step, 0), items.length - 1)].focus();
  });
})();
