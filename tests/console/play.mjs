// Plays the console in Chromium; each step says what it has seen. The arrangement is that of `run`.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chromium } from 'playwright-core';

const { BASE, CHROMIUM, SHOTS, SCENES, PSQL_URL, DESKIE_URL, ADMIN_TOKEN } = process.env;
const sql = (text) => execFileSync('psql', ['-qXAt', '-v', 'ON_ERROR_STOP=1', PSQL_URL, '-c', text]).toString().trim();
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
const faults = [];

async function visitor(options) {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Istanbul', ...options });
  const page = await context.newPage();
  // Whatever the page's policy forbids, a script that fails, anything from elsewhere.
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('401')) faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(BASE)) faults.push(`elsewhere: ${request.url()}`);
  });
  return page;
}

const shot = (page, name) => page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: true });
const text = (page) => page.locator('main').innerText();
// Nothing stands out to the right.
const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);

async function step(what, play) {
  const begun = Date.now();
  await play();
  assert.deepEqual(faults, [], what);
  console.log(`ok    ${what} (${Date.now() - begun} ms)`);
}

// Where somebody wants to look at all of it: one state as each viewer sees it. Nothing may stand out, nor English where it is
// another language.
async function scene(name, path = '/') {
  if (!SCENES) return;
  for (const [lang, locale] of [['en', 'en-GB'], ['tr', 'tr-TR'], ['ru', 'ru-RU']]) {
    for (const [width, viewport] of [['desk', { width: 1280, height: 800 }], ['phone', { width: 390, height: 844 }]]) {
      const viewer = await visitor({ locale, viewport, isMobile: width === 'phone', storageState: await page.context().storageState() });
      await viewer.context().clearCookies({ name: 'lang' });
      await viewer.context().clearCookies({ name: 'theme' });
      for (const colorScheme of ['light', 'dark']) {
        await viewer.emulateMedia({ colorScheme });
        await viewer.goto(BASE + path);
        assert.equal(await viewer.locator('html').getAttribute('lang'), lang);
        assert.equal(await fits(viewer), true, `${name} ${lang} ${width}`);
        await shot(viewer, `scene-${name}-${lang}-${width}-${colorScheme}`);
      }
      await viewer.context().close();
    }
  }
}

async function logIn(page, name) {
  await page.goto(`${BASE}/login`);
  await page.fill('input[name=name]', name);
  await page.fill('input[name=token]', ADMIN_TOKEN);
  await page.click('main form button');
  await page.waitForURL(`${BASE}/`);
}

const page = await visitor();

await step('without a log-in: what needs a person, and nothing to press', async () => {
  await page.goto(BASE);
  assert.match(await text(page), /This needs you[\s\S]*Items wait for you/);
  assert.equal(await page.locator('form[method=post]').count(), 0);
  assert.match(await page.locator('#age').innerText(), /As of .*ago/);
  await shot(page, 'parked');
  await page.goto(`${BASE}/failed`);
  assert.equal(await page.locator('.items li').count(), 3);
  assert.match(await text(page), /Log in to see texts/);
});

await step('a wrong token is refused, the right one logs in once', async () => {
  await page.goto(`${BASE}/login`);
  await page.fill('input[name=token]', 'not-the-token-at-all');
  await page.click('main form button');
  await page.getByRole('alert').waitFor();
  assert.match(await page.getByRole('alert').innerText(), /not the token/);
  await page.waitForTimeout(400);
  await logIn(page, 'Olga <b>');
  assert.match(await page.locator('header').innerText(), /Olga <b>/);
  await scene('parked');
  await scene('parked-items', '/failed');
});

await step('an item is shown whole, escaped, in the viewer\'s time', async () => {
  await page.goto(`${BASE}/failed`);
  await page.locator('a.item').last().click();
  const shown = await text(page);
  assert.match(shown, /What to do/);
  assert.match(shown, /damn 1 & <i>/);
  assert.equal(await page.locator('main i').count(), 0);
  await shot(page, 'item');
});

await step('mended and retried, it is written', async () => {
  sql('alter table messages drop constraint polite');
  await page.getByRole('button', { name: 'Retry', exact: true }).click();
  await page.getByRole('status').waitFor();
  assert.match(await page.getByRole('status').innerText(), /tried again/);
  assert.equal(await page.locator('.items li').count(), 2);
});

await step('a discard asks first', async () => {
  await page.locator('a.item').first().click();
  const sure = page.getByRole('button', { name: 'Yes, discard' });
  assert.equal(await sure.isVisible(), false);
  await page.getByText('Discard…').click();
  await page.getByLabel('Reason').fill('said <by> phone');
  await shot(page, 'discard');
  await sure.click();
  await page.getByRole('status').waitFor();
  assert.match(await page.getByRole('status').innerText(), /discarded/);
});

await step('all of a kind at once', async () => {
  await page.goto(`${BASE}/failed?kind=r`);
  await page.getByText('Discard all of this kind…').click();
  await page.getByRole('button', { name: 'Yes, discard' }).click();
  await page.getByRole('status').waitFor();
  assert.match(await text(page), /Nothing waits for a person/);
});

await step('who did what', async () => {
  await page.goto(`${BASE}/log`);
  assert.match(await text(page), /Olga <b>[\s\S]*: discarded[\s\S]*said <by> phone[\s\S]*: retried[\s\S]*logged in/);
  await shot(page, 'log');
});

await step('a ticket is found by its customer, and its story told', async () => {
  await page.keyboard.press('/');
  await page.keyboard.type('AYSE@example.com');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/trace\?key=/);
  assert.match(await text(page), /Row seen[\s\S]*Queued for Deskie[\s\S]*Message in Deskie/);
  await shot(page, 'story');
  await page.fill('.search input', 'nobody@example.com');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/search\?q=/);
  assert.match(await text(page), /Nothing was found/);
});

await step('a direction is paused and resumed', async () => {
  await page.goto(BASE);
  await page.getByRole('button', { name: 'Pause' }).first().click();
  await page.getByRole('status').waitFor();
  assert.match(await page.getByRole('status').innerText(), /Site → Deskie: paused/);
  assert.match(await text(page), /This needs you[\s\S]*Paused by a person: Site → Deskie/);
  await shot(page, 'paused');
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('status').waitFor();
  assert.equal(await page.getByText('Paused by a person').count(), 0);
  await shot(page, 'well');
});

await step('told as it changes, by one stream; what is open stays open, and what is used is left alone', async () => {
  const asked = [];
  const note = (request) => asked.push(request.resourceType());
  page.on('request', note);
  await page.goto(BASE);
  await page.locator('#state > summary').click();
  const before = await page.locator('#age time').getAttribute('datetime');
  await page.waitForFunction((before) => document.querySelector('#age time').dateTime !== before, before, { timeout: 20000 });
  // The keyboard stays where it was, and so does a text that somebody marks, until nobody does.
  await page.getByRole('link', { name: 'Last day' }).focus();
  await page.evaluate(() => getSelection().selectAllChildren(document.querySelector('#state table')));
  sql("insert into deskie_cdc.pause (way) values ('to_site')");
  await page.waitForTimeout(5000);
  assert.equal(await page.getByText('Paused by a person').count(), 0);
  await page.evaluate(() => getSelection().removeAllRanges());
  await page.getByText('Paused by a person: Deskie → site').waitFor({ timeout: 10000 });
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('href')), '/?course=day');
  assert.equal(await page.locator('#state').getAttribute('open') !== null, true);
  sql("delete from deskie_cdc.pause");
  await page.getByText('Paused by a person').waitFor({ state: 'detached', timeout: 10000 });
  assert.deepEqual(asked.filter((kind) => ['document', 'eventsource', 'fetch'].includes(kind)), ['document', 'eventsource']);
  page.off('request', note);
});

await step('refused a stream, it asks for the page', async () => {
  const alone = await visitor();
  await alone.route(BASE + '/', (route) => {
    const isStream = route.request().headers().accept === 'text/event-stream';
    return isStream ? route.fulfill({ status: 204 }) : route.continue();
  });
  await alone.goto(BASE);
  sql("insert into deskie_cdc.pause (way) values ('to_deskie')");
  await alone.getByText('Paused by a person: Site → Deskie').waitFor({ timeout: 15000 });
  sql("delete from deskie_cdc.pause");
  await alone.getByText('Paused by a person').waitFor({ state: 'detached', timeout: 15000 });
  assert.equal(await alone.locator('.stale').count(), 0);
  await alone.context().close();
});

await step('a day of work in the charts', async () => {
  // As a shop's help desk has it: little at night, much in the afternoon, a helpdesk that was away for half an hour.
  sql(`insert into deskie_cdc.sample (at, sent, written, oldest, lag, parked, budget_used, budget_limit)
    select at, case when is_away then 0 else busy end, case when is_away then 0 else busy / 2 end,
      case when is_away then 60 * extract(minute from at)::int % 1800 when busy > 4 then busy / 2.0 end,
      case when busy > 6 then busy * 4000 else 120 end, 0, least(2 * busy + 3, 50), 50
    from (select at, (hashint4(extract(epoch from at)::int) & 3) * extract(hour from at)::int / 5 as busy,
        at between now() - interval '5 hours 30 minutes' and now() - interval '5 hours' as is_away
      from generate_series(date_trunc('minute', now() - interval '25 hours'), now() - interval '2 minutes', interval '1 minute') at) days
    on conflict do nothing`);
  await page.goto(`${BASE}/?course=day`);
  assert.equal(await page.locator('.charts figure').count(), 5);
  assert.equal(await page.locator('.charts figure').first().locator('rect.gap').count() < 3, true);
  await scene('well');
  await scene('well-day', '/?course=day');
  await scene('story', '/search?q=ayse@example.com');
  await scene('log', '/log');
});

await step('three languages', async () => {
  for (const [name, word] of [['Türkçe', 'Her şey yolunda'], ['Русский', 'Всё в порядке'], ['English', 'All is well']]) {
    await page.getByRole('link', { name }).click();
    assert.match(await text(page), new RegExp(word));
    await shot(page, `well-${await page.locator('html').getAttribute('lang')}`);
  }
});

await step('dark', async () => {
  await page.getByRole('link', { name: 'Dark' }).click();
  const [background] = await page.evaluate(() => [getComputedStyle(document.body).backgroundColor]);
  assert.equal(background, 'rgb(18, 21, 27)');
  await shot(page, 'dark');
});

await step('by the keyboard alone', async () => {
  await page.goto(`${BASE}/`);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('href')), '/failed');
  await page.keyboard.press('Enter');
  await page.waitForURL(`${BASE}/failed`);
});

await step('a phone, in Turkish, dark by its system: nothing stands out', async () => {
  const phone = await visitor({
    locale: 'tr-TR', viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme: 'dark',
  });
  await logIn(phone, 'Ayşe');
  for (const [name, path] of [['overview', '/'], ['items', '/failed'], ['troubles', '/troubles'], ['log', '/log'],
    ['story', '/search?q=ayse@example.com'], ['login', '/login']]) {
    await phone.goto(BASE + path);
    assert.equal(await fits(phone), true, path);
    assert.equal(await phone.locator('html').getAttribute('lang'), 'tr');
    await shot(phone, `phone-${name}`);
  }
  await phone.context().close();
});

await step('without a script', async () => {
  const plain = await visitor({ javaScriptEnabled: false });
  await logIn(plain, 'Kate');
  assert.match(await text(plain), /UTC[\s\S]*All is well/);
  await plain.getByRole('button', { name: 'Log out' }).click();
  assert.match(await plain.locator('header').innerText(), /Log in/);
  await plain.context().close();
});

await step('Deskie away: nobody is needed, but not all is well', async () => {
  const down = { method: 'POST', body: JSON.stringify({ do: 'set_down', down: true }) };
  assert.equal((await fetch(`${DESKIE_URL}/_control/people`, down)).status, 200);
  sql("insert into tickets (user_id, subject, body) values (1, 'Konu', 'Orada mısınız?')");
  await page.goto(`${BASE}/set?lang=en&back=/`);
  await page.getByText('Deskie does not answer').waitFor();
  assert.match(await text(page), /Nothing needs a person[\s\S]*This ends by itself[\s\S]*What to do: Nothing/);
  assert.equal(await page.getByText('All is well').count(), 0);
  await shot(page, 'away');
  await scene('away');
  const up = { method: 'POST', body: JSON.stringify({ do: 'set_down', down: false }) };
  assert.equal((await fetch(`${DESKIE_URL}/_control/people`, up)).status, 200);
  await page.getByText('Deskie does not answer').waitFor({ state: 'detached', timeout: 90000 });
});

await step('a slot that is lost, and its repair', async () => {
  const drop = `do $$ declare slot record; begin
    for attempt in 1..200 loop
      select * into slot from pg_replication_slots where slot_name like 'deskie_cdc%';
      perform pg_terminate_backend(slot.active_pid);
      begin perform pg_drop_replication_slot(slot.slot_name); return; exception when object_in_use then perform pg_sleep(0.01); end;
    end loop;
    raise exception 'the slot stays in use';
  end $$`;
  sql(drop);
  sql("insert into tickets (user_id, subject, body) values (2, 'Kayıp', 'Slot yokken yazıldı')");
  await page.goto(`${BASE}/troubles`);
  await page.locator('.card.over', { hasText: 'slot' }).waitFor({ timeout: 60000 });
  await page.locator('.card.over', { hasText: 'slot' }).locator('summary').click();
  await shot(page, 'repaired');
  await scene('repaired', '/troubles');
});

await step('the mapping does not fit: nothing goes, and the one thing to do is said', async () => {
  sql('alter table tickets rename column subject to topic');
  sql("insert into tickets (user_id, topic, body) values (3, 'Konu', 'Başlık başka adla')");
  await page.goto(BASE);
  await page.getByText('Nothing goes to Deskie: the mapping does not fit').waitFor({ timeout: 60000 });
  assert.match(await text(page), /This needs you[\s\S]*topic|This needs you[\s\S]*subject/);
  await shot(page, 'stopped');
  await scene('stopped');
  sql('alter table tickets rename column topic to subject');
  await page.getByText('Nothing goes to Deskie').waitFor({ state: 'detached', timeout: 60000 });
});

await browser.close();
