// Small things every page has: times in the reader's zone, and the buttons of the code sheet. Without this file the pages
// read the same, with times in UTC.

const root = document.documentElement;
const korean = root.lang === 'ko';
const locale = korean ? 'ko-KR' : 'en-GB';

// ---- times

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

// The server writes times in this zone from the next page on. Cookie values of ours hold no "/" or "+".
if (zone) {
  const secure = location.protocol === 'https:' ? '; Secure' : '';
  document.cookie = `kw_zone=${zone.replaceAll('/', '.').replaceAll('+', '~')}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
}

const shapes = {
  full: { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', timeZoneName: 'short' },
  stamp: { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short' },
  short: { weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', timeZoneName: 'short' },
  date: { day: 'numeric', month: 'short', year: 'numeric' },
  day: { weekday: 'short', day: 'numeric', month: 'short' },
  clock: { hour: '2-digit', minute: '2-digit' },
};

/** The same order as the server's: "Thu 12 Mar 2026, 14:07 KST", "2026년 3월 12일(목) 14:07 KST". */
function write(at, form) {
  const parts = {};
  for (const { type, value } of new Intl.DateTimeFormat(locale, { ...shapes[form], hourCycle: 'h23' }).formatToParts(at)) parts[type] = value;
  const { weekday, day, month, year, hour, minute, second, timeZoneName } = parts;
  const digits = (text) => text?.replace(/\D/g, '');
  const date = korean
    ? `${year ? `${digits(year)}년 ` : ''}${day ? `${digits(month)}월 ${digits(day)}일` : ''}${weekday ? `(${weekday})` : ''}`
    : [weekday, day, month?.slice(0, 3), year].filter(Boolean).join(' ');
  const time = hour && [hour, minute, second].filter(Boolean).join(':') + (timeZoneName ? ` ${timeZoneName}` : '');
  return [date, time].filter(Boolean).join(korean ? ' ' : ', ');
}

function ago(at) {
  const minutes = Math.floor((Date.now() - at) / 60_000);
  if (minutes < 1) return null; // the server's "just now" stands
  const say = new Intl.RelativeTimeFormat(locale, { numeric: 'always' });
  if (minutes < 60) return say.format(-minutes, 'minute');
  if (minutes < 24 * 60) return say.format(-Math.floor(minutes / 60), 'hour');
  if (minutes < 30 * 24 * 60) return say.format(-Math.floor(minutes / (24 * 60)), 'day');
  return write(at, 'date');
}

function tick() {
  for (const element of document.querySelectorAll('time[data-f="ago"]')) {
    const at = new Date(element.dateTime);
    element.textContent = ago(at) ?? element.textContent;
    element.title = write(at, 'full');
  }
}

for (const element of document.querySelectorAll('time[data-f]')) {
  const { f } = element.dataset;
  const at = new Date(element.dateTime);
  if (f === 'ago') continue;
  if (root.dataset.zone) element.title = write(at, 'full'); // the account's zone stays; the reader's is one look away
  else element.textContent = write(at, f);
}
tick();
setInterval(tick, 60_000);

// ---- the code sheet

for (const element of document.querySelectorAll('.needs-js')) element.hidden = false;

const lines = (selector) => [...document.querySelectorAll(`${selector} code`)].map((code) => code.textContent).join('\n') + '\n';

document.addEventListener('click', async ({ target }) => {
  const button = target.closest?.('[data-copy], [data-print], [data-save]');
  if (!button) return;
  if ('print' in button.dataset) window.print();
  if (button.dataset.save) {
    const url = URL.createObjectURL(new Blob([`${button.dataset.head}\n\n${lines(button.dataset.save)}`], { type: 'text/plain' }));
    Object.assign(document.createElement('a'), { href: url, download: button.dataset.name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
  if (button.dataset.copy) {
    await navigator.clipboard.writeText(lines(button.dataset.copy).trimEnd());
    const label = button.querySelector('[data-label]');
    const done = button.querySelector('[data-done]');
    label.hidden = true;
    done.hidden = false;
    const status = document.querySelector('[data-copied]');
    if (status) status.textContent = done.textContent;
    setTimeout(() => { label.hidden = false; done.hidden = true; }, 4000);
  }
});

// ---- rarely needed parts

if (document.querySelector('[data-forget]')) import('./bind.js').then(({ forget }) => forget());
if (document.getElementById('signals')) import('./signals.js');
