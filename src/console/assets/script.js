// What the console gains by a script: times in the viewer's zone, how old it is, renewal as soon as something changes, and keys.
// Without it times are in UTC, and the overview renews itself each minute.
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
  // The page's parts as the server wrote them: what is renewed is what the server writes otherwise.
  const main = document.getElementById('main');
  const partsOf = (of) => [...of.children].filter((part) => !part.matches('.notice'));
  let written = partsOf(main).map((part) => part.outerHTML);
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

  // Renewal: the page is told by the server as soon as it changes, and only its parts that have changed are replaced. What
  // somebody has opened stays open; while somebody types or marks a text, nothing is replaced.
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

  function isUsed() {
    const [active, marked] = [document.activeElement, getSelection()];
    return main.querySelector('details.confirm[open]') !== null
      || (main.contains(active) && active.matches('input, button'))
      || (!marked.isCollapsed && main.contains(marked.anchorNode));
  }

  // Where the keyboard is, to come back to it in what replaces the part.
  function focused() {
    const active = document.activeElement;
    if (!main.contains(active)) return null;
    const href = active.getAttribute('href');
    if (href) return `a[href="${CSS.escape(href)}"]`;
    return active.matches('details[id] > summary') ? `#${CSS.escape(active.parentElement.id)} > summary` : null;
  }

  let held = null;
  function show(page) {
    held = isUsed() ? page : null;
    const there = page.getElementById('main');
    if (held || !there) return;
    const [here, parts, back] = [partsOf(main), partsOf(there), focused()];
    const before = written;
    written = parts.map((part) => part.outerHTML);
    // What was not there before is as it came.
    for (const details of there.querySelectorAll('details[id]')) details.open = document.getElementById(details.id)?.open ?? details.open;
    parts.forEach((part, at) => {
      if (written[at] === before[at]) return;
      localTimes(part);
      if (here[at]) here[at].replaceWith(part);
      else main.append(part);
    });
    for (const part of here.slice(parts.length)) part.remove();
    if (back && !main.contains(document.activeElement)) main.querySelector(back)?.focus({ preventScroll: true });
    const [menu, other] = [document, page].map((of) => of.querySelector('header nav'));
    if (menu && other && menu.outerHTML !== other.outerHTML) menu.replaceWith(other);
  }

  function cameNow(text) {
    if (text) show(new DOMParser().parseFromString(text, 'text/html'));
    else if (held) show(held);
    came = Date.now();
    tellAge();
    tellStale(false);
  }

  // One stream, and only while somebody looks: a browser has few connections for one host. Where there is none (too many look,
  // or something on the way keeps it back) the page is asked for every few seconds, until somebody looks anew.
  const SILENT = 30000;
  let stream = null;
  let timer = null;

  function end() {
    clearInterval(timer);
    stream?.close();
  }

  async function ask() {
    try {
      const answer = await fetch(location.href, { signal: AbortSignal.timeout(9000), cache: 'no-store' });
      if (!answer.ok) throw new Error(String(answer.status));
      cameNow(await answer.text());
    } catch {
      tellStale(true);
    }
  }

  function askInstead() {
    end();
    timer = setInterval(ask, seconds * 1000);
    ask();
  }

  function listen() {
    end();
    if (document.hidden) return;
    stream = new EventSource(location.href);
    let heard = Date.now();
    const on = (name, act) => stream.addEventListener(name, (event) => {
      heard = Date.now();
      act(event.data);
    });
    on('page', cameNow);
    on('same', (at) => {
      const age = document.getElementById('age');
      const time = age.querySelector('time');
      [time.dateTime, time.textContent] = [at, at.replace('T', ' ').replace('Z', ' UTC')];
      localTimes(age);
      cameNow('');
    });
    on('away', () => tellStale(true));
    // The browser tries again by itself where the connection was lost, and gives up where it was refused.
    stream.onerror = () => {
      tellStale(true);
      if (stream.readyState === EventSource.CLOSED) askInstead();
    };
    timer = setInterval(() => {
      if (Date.now() - heard > SILENT) askInstead();
    }, 5000);
  }
  if (seconds > 0) {
    listen();
    document.addEventListener('visibilitychange', listen);
    // What was done needs no saying for ever.
    setTimeout(() => main.querySelector('.notice')?.remove(), 20000);
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
